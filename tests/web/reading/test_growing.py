import json
import os

import numpy as np

from groupthink.run.lines import append_line, replace_lines
from groupthink.web.reading.growing import Growing
from groupthink.web.reading.series import series_of


def test_what_was_read_is_not_read_again(tmp_path):
    file = tmp_path / "metrics.jsonl"
    grown = Growing(file)
    assert grown.fresh() == (False, [])
    append_line(file, {"step": 0})
    assert grown.fresh() == (False, [{"step": 0}])
    append_line(file, {"step": 1})
    append_line(file, {"step": 2})
    assert grown.fresh() == (False, [{"step": 1}, {"step": 2}]) and grown.fresh() == (False, [])


def test_a_torn_line_waits_for_its_end(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 0}\n{"ste')
    grown = Growing(file)
    assert grown.fresh() == (False, [{"step": 0}])
    with file.open("a") as open_file:
        open_file.write('p": 1}\n')
    assert grown.fresh() == (False, [{"step": 1}])


def test_lines_that_are_no_objects_are_left_out(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"step": 0}\n\xff\xfe\n[1]\n{"st\n\n{"step": 1}\n')
    assert Growing(file).fresh()[1] == [{"step": 0}, {"step": 1}]


def test_a_file_that_was_written_anew_is_read_anew(tmp_path):
    file = tmp_path / "metrics.jsonl"
    for step in range(3):
        append_line(file, {"step": step})
    grown = Growing(file)
    grown.fresh()
    replace_lines(file, [{"step": 0}, {"step": 1}])  # as a resume does
    assert grown.fresh() == (True, [{"step": 0}, {"step": 1}])
    file.unlink()
    assert grown.fresh() == (True, []) and grown.fresh() == (False, [])


def test_more_than_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("groupthink.web.reading.growing.AT_ONCE", 50)
    file = tmp_path / "metrics.jsonl"
    grown = Growing(file)
    for step in range(20):
        append_line(file, {"step": step, "long": "x" * (step * 20)})
    assert [line["step"] for line in grown.fresh()[1]] == list(range(20)) and grown.fresh() == (False, [])


def test_so_is_one_that_grew_past_the_place_meanwhile(tmp_path):
    """The same inode, and longer than before: what stands before the place tells."""
    file = tmp_path / "metrics.jsonl"
    append_line(file, {"step": 0, "loss": 0.25})
    grown = Growing(file)
    grown.fresh()
    with file.open("r+") as same:
        same.write("".join(json.dumps({"step": step, "loss": 0.5}) + "\n" for step in range(3)))
    assert grown.fresh() == (True, [{"step": step, "loss": 0.5} for step in range(3)])


def test_figures_become_columns(tmp_path):
    file = tmp_path / "metrics.jsonl"
    append_line(file, {"step": 0, "reward": 0.5})
    append_line(file, {"step": 1, "reward": None, "kl": 0.25})
    series = series_of(tmp_path)
    assert series.steps.tolist() == [0, 1]
    np.testing.assert_equal(series.columns, {"reward": np.array([0.5, np.nan]), "kl": np.array([np.nan, 0.25])})
    assert series.at(1) == {"kl": 0.25} and series.at(7) == {} and series.last("reward") == 0.5
    assert series.last("loss") is None
    assert series.lines() == [{"step": 0, "reward": 0.5}, {"step": 1, "kl": 0.25}]
    append_line(file, {"step": 2, "reward": 1 / 3, "flag": "text"})
    assert series_of(tmp_path).shown() == {"reward": [0.5, None, 0.333333], "kl": [None, 0.25, None]}
    assert series_of(tmp_path).gathered(2).shown() == {"reward": [0.5, 0.333333], "kl": [0.25, None]}
    assert series_of(tmp_path).gathered(2).steps.tolist() == [1, 2]
    assert len(series) == 2  # what was given stays as it is


def test_a_resume_takes_lines_back(tmp_path):
    file = tmp_path / "metrics.jsonl"
    for step in range(5):
        append_line(file, {"step": step, "reward": float(step)})
    assert len(series_of(tmp_path)) == 5
    replace_lines(file, [{"step": 0, "reward": 9.0}])
    assert series_of(tmp_path).columns["reward"].tolist() == [9.0]
    os.unlink(file)
    assert len(series_of(tmp_path)) == 0 and series_of(tmp_path).columns == {}
