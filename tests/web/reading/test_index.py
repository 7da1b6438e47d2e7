import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from groupthink.run.directory import Run
from groupthink.web.reading import cache, index
from groupthink.web.reading.index import KINDS, Groups, groups_of, warm
from groupthink.web.reading.problems import list_problems
from groupthink.web.reading.rows import recorded_steps
from groupthink.web.reading.visits import read_problem
from groupthink.web.search.query import Query
from groupthink.web.search.walk import search
from tests.web.made import begin_run, made_run, row, write_step
from tests.web.reading.making import RIGHT, run_of, write

STEPS = [[[1, 1, 0], [0, 0, 0.5]], [[1, 1, 1], [0, 1, 0]], [[0, 0, 0], [1, 1, 1]]]
"""Problems 0 and 1, then 2 and 3, then 0 and 1 again."""


def fresh(place) -> Groups:
    """As another server would have it, that knows no more than the cache."""
    index._held.clear()
    return groups_of(place)


def put_checkpoint(folder):
    (folder / "weights.bin").write_bytes(b"0")


@pytest.fixture
def run(tmp_path):
    with run_of(tmp_path / "r", STEPS, "steps=6") as run:
        yield run


def test_a_row_for_each_group(run):
    found = groups_of(run.path)
    assert found.step.tolist() == [0, 0, 1, 1, 2, 2] and found.group.tolist() == [0, 1] * 3
    assert [found.names[number][-1] for number in found.problem] == list("012301")
    assert [KINDS[kind] for kind in found.kind] == ["mixed", "wrong", "right", "mixed", "wrong", "right"]
    np.testing.assert_allclose(found.mean, [2 / 3, 0.5 / 3, 1, 1 / 3, 0, 1])
    assert found.right.tolist() == [2, 0, 3, 1, 0, 3] and found.size.tolist() == [3] * 6
    rows = read_problem(run.path, "quadratics/train/0/0")["visits"][0]["responses"]
    assert found.length[0] == pytest.approx(sum(row["length"] for row in rows) / 3)
    assert found.prompts == ["Solve x^2-5x+6=0"] * 4 and (found.steps, found.of) == (3, 3)
    assert found.longest[0] == max(row["length"] for row in rows)
    assert found.best.tolist() == [1, 0.5, 1, 1, 0, 1] and found.best_wrong.tolist() == [0, 0.5, -np.inf, 0, 0, -np.inf]


def test_what_is_highest_leaves_nothing_out(tmp_path):
    run = begin_run(tmp_path / "r")
    nan = float("nan")
    write_step(run, 0, [row(3, "a" * 9, 2.0, 0.0), row(0, "b", nan, 0.0), row(0, "c", nan, None), row(1, "d", 1.0)])
    found = groups_of(run)
    lowest = -np.finfo(float).max
    assert found.best.tolist() == [2, 1] and found.best_wrong.tolist() == [2, -np.inf] and found.longest[0] == 9
    write_step(run, 1, [row(0, "a", nan, 0.0)])
    assert groups_of(run).best.tolist() == [2, 1, lowest] and groups_of(run).best_wrong[-1] == lowest


def test_what_comes_is_added(run):
    before = groups_of(run.path)
    write(run, 3, [[1, 0, 0], [0, 0, 0]])
    after = groups_of(run.path)
    assert len(before.step) == 6 and after.step.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert groups_of(run.path) is after  # nothing new: nothing is done


def test_a_resume_that_makes_steps_again_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "SAVED", 1)
    with run_of(tmp_path / "r", STEPS[:1], "steps=6") as run:
        run.checkpoint(1, put_checkpoint)
        write(run, 1, STEPS[1])
        write(run, 2, STEPS[2])
        assert len(fresh(run.path).step) == 6
    with Run.resume(run.path) as run:
        assert groups_of(run.path).step.tolist() == [0, 0] and fresh(run.path).step.tolist() == [0, 0]
        write(run, 1, [[1, 0, 0], [1, 0, 0]])
        for found in (groups_of(run.path), fresh(run.path)):
            assert found.step.tolist() == [0, 0, 1, 1] and found.right.tolist() == [2, 0, 1, 1]


def test_it_is_kept_between_servers_and_never_in_the_run(run, monkeypatch):
    monkeypatch.setattr(index, "SAVED", 1)
    inside = sorted(run.path.rglob("*"))
    found = groups_of(run.path)
    assert sorted(run.path.rglob("*")) == inside and cache.file_of(run.path).is_file()
    monkeypatch.setattr(index, "read_rows", None)  # nothing is read again
    again = fresh(run.path)
    for name in ("step", "group", *index.FIGURES):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert (again.names, again.tasks, again.prompts) == (found.names, found.tasks, found.prompts)


@pytest.mark.parametrize("content", [b"", b"PAR1 no PAR1", None])
def test_a_cache_that_is_damaged_or_of_another_version_is_made_anew(run, monkeypatch, content):
    monkeypatch.setattr(index, "SAVED", 1)
    groups_of(run.path)
    if content is None:
        monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    else:
        cache.file_of(run.path).write_bytes(content)
    assert len(fresh(run.path).step) == 6


def test_where_nothing_can_be_written_memory_will_do(run, monkeypatch, tmp_path):
    monkeypatch.setattr(index, "SAVED", 1)
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(groups_of(run.path).step) == 6


def test_what_nobody_asked_for_in_long_is_removed(run, monkeypatch, own_cache):
    monkeypatch.setattr(index, "SAVED", 1)
    old = own_cache / "groupthink/view/old.parquet"
    old.parent.mkdir(parents=True)
    old.touch()
    os.utime(old, (1, 1))
    groups_of(run.path)
    assert [file.name for file in old.parent.iterdir()] == [cache.file_of(run.path).name]


@pytest.mark.timeout(60)
def test_what_no_run_has_written_is_no_step(run):
    for name in ("step-1.parquet", "step-0000001.parquet", "step-١٢٣٤٥٦.parquet", f"step-{'9' * 200}.parquet"):
        shutil.copy(run.path / "rollouts/step-000001.parquet", run.path / "rollouts" / name)
    warm(run.path, threading.Event())
    assert recorded_steps(run.path) == [0, 1, 2]
    assert groups_of(run.path).step.tolist() == [0, 0, 1, 1, 2, 2]
    *_, end = search(run.path, Query(pattern="2"))
    assert end["curve"]["step"] == [0, 1, 2]


@pytest.mark.timeout(60)
def test_what_is_listed_and_never_there_is_given_up(run, monkeypatch):
    there = index.looks(run.path)
    monkeypatch.setattr(index, "looks", lambda place: {**there, 9: (1, 1)})
    monkeypatch.setattr(index, "BIT", 0.01)
    warm(run.path, threading.Event())
    assert groups_of(run.path, -1.0).steps == 3


def test_a_damaged_step_has_nothing_to_say(run):
    file = run.path / "rollouts/step-000001.parquet"
    file.write_bytes(b"PAR1")
    assert groups_of(run.path).step.tolist() == [0, 0, 2, 2]


def test_as_much_is_read_as_there_is_time_for(run):
    found = groups_of(run.path, -1.0)
    assert (found.steps, found.of, len(found.step)) == (0, 3, 0)
    warm(run.path, threading.Event())
    assert groups_of(run.path, -1.0).steps == 3


def test_a_problem_that_is_not_read_yet_may_be_there(run, monkeypatch):
    monkeypatch.setattr("groupthink.web.reading.visits.SECONDS", -1.0)
    found = read_problem(run.path, "quadratics/train/0/9")
    assert (found["visits"], found["steps"], found["of"]) == ([], 0, 3)


def test_whoever_stops_the_warming_is_heard(run):
    stopped = threading.Event()
    stopped.set()
    warm(run.path, stopped)
    assert groups_of(run.path, -1.0).steps == 0


def test_what_is_being_warmed_ends_before_the_process_does(tmp_path):
    run = made_run(tmp_path / "r", steps=60)
    said = (
        "import atexit, threading\nfrom pathlib import Path\n"
        "from groupthink.web.reading.index import Warmed, groups_of\n"
        f"place = Path({str(run)!r})\n"
        "atexit.register(lambda: print([one.name for one in threading.enumerate() if one.name == 'warm']))\n"
        "Warmed().ask(place)\n"
        "while not groups_of(place, -1.0).steps: pass"
    )
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "[]\n")


def test_problems_by_what_they_are_sorted(run):
    def names(**how):
        return [one["problem"][-1] for one in list_problems(run.path, **how)["problems"]]

    assert names() == list("0123") and names(sort="name") == list("0123")
    assert names(sort="rate") == list("0312")  # 1/3, 1/3, 1/2, 1
    assert names(sort="gain") == list("1230")  # +1, none, none, -2/3
    assert names(kind="wrong") == ["0"] and names(kind="mixed") == ["3"] and names(kind="unknown") == []
    found = list_problems(run.path, name="some/r")
    assert (found["run"], found["total"], found["page"], found["pages"]) == ("some/r", 4, 1, 1)
    assert found["problems"][0] == {
        "problem": "quadratics/train/0/0",
        "prompt": "Solve x^2-5x+6=0",
        "visits": 2,
        "first_step": 0,
        "last_step": 2,
        "held_out": False,
        "rate_first": 0.666667,
        "rate_last": 0.0,
        "rate": 0.333333,
        "mean": 0.333333,
    }
    for wrong in ({"sort": "age"}, {"kind": "odd"}):
        with pytest.raises(ValueError, match="choose one of"):
            list_problems(run.path, **wrong)


def test_pages_of_problems(run, monkeypatch):
    monkeypatch.setattr("groupthink.web.reading.problems.PAGE", 3)
    last = list_problems(run.path, page=2)
    assert [one["problem"][-1] for one in last["problems"]] == ["3"] and last["pages"] == 2
    assert list_problems(run.path, page=99)["page"] == 2 and list_problems(run.path, page=-1)["page"] == 1


def test_numbers_in_names_are_in_order(tmp_path):
    from groupthink.web.reading.problems import _family

    assert _family("q/0/10") == "q/0/" == _family("q/0/9") and _family("q/a") == "q/a"


def test_one_problem_through_training(run):
    found = read_problem(run.path, "quadratics/train/0/1", "some/r")
    assert [(one["step"], one["group"], one["rate"]) for one in found["visits"]] == [(0, 1, 0.0), (2, 1, 1.0)]
    assert (found["task"], found["prompt"], found["expected"]) == ("quadratics", "Solve x^2-5x+6=0", "x=2, x=3")
    last = found["visits"][1]
    assert last["responses"][0]["text"] == RIGHT and last["responses"][0]["right"]
    assert found["visits"][0]["methods"] == {"at once": 3} and last["responses"][0]["traits"] == []
    assert found["evaluations"] == [] and found["run"] == "some/r"
    with pytest.raises(LookupError, match="no group and no evaluation"):
        read_problem(run.path, "quadratics/train/0/9")


def test_of_many_visits_some_are_shown_whole(tmp_path):
    with run_of(tmp_path / "r", [[[1, 0, 0], [1, 0, 0]]] * 10, "steps=10") as run:
        visits = read_problem(run.path, "quadratics/train/0/0", shown=3)["visits"]
    assert [one["step"] for one in visits] == [0, 2, 4, 6, 8]
    assert [one["responses"] is not None for one in visits] == [True, False, True, False, True]


def evaluated(text: str, right: bool | None, problem: str = "q/held", kind: str = "sampled") -> dict:
    row = {"kind": kind, "problem": problem, "prompt": "Solve", "expected": "x=1", "text": text, "extracted": None}
    return row | {"right": right, "lenient": right, "length": 5, "finish": "stop", "traits": ["checks"]}


def test_held_out_problems_are_those_of_evaluations(run):
    before = [evaluated("a", False), evaluated("b", False), evaluated("c", True, kind="greedy")]
    run.write_evaluation("before", [*before, evaluated("d", None, "q/odd")], {"pass@1": 0.0})
    run.write_evaluation("step-000002", [evaluated("e", True), evaluated("f", False)], {"pass@1": 0.5})
    found = list_problems(run.path, sort="gain", kind="held-out")
    assert [one["problem"] for one in found["problems"]] == ["q/held", "q/odd"]
    held, odd = found["problems"]
    assert (held["visits"], held["rate_first"], held["rate_last"], held["last_step"]) == (2, 0.0, 0.5, 2)
    assert (odd["visits"], odd["rate"], odd["held_out"]) == (1, None, True)
    every = list_problems(run.path)["problems"]
    assert [(one["problem"][-4:], one["visits"]) for one in every] == [
        ("held", 2),
        ("/0/0", 2),
        ("/0/1", 2),
        ("/odd", 1),
        ("/0/2", 1),
        ("/0/3", 1),
    ]
    assert not any(one["held_out"] for one in list_problems(run.path, kind="trained")["problems"])
    told = read_problem(run.path, "q/held")
    assert told["visits"] == [] and [(one["name"], one["step"]) for one in told["evaluations"]] == [
        ("before", 0),
        ("step-000002", 2),
    ]
    rows = told["evaluations"][0]["responses"]
    assert [(one["text"], one["right"], one["kind"]) for one in rows] == [
        ("a", False, "sampled"),
        ("b", False, "sampled"),
        ("c", True, "greedy"),
    ]
    assert rows[0]["traits"] == ["checks"] and told["expected"] == "x=1"


def test_a_run_without_rollouts_has_no_problems(tmp_path):
    with run_of(tmp_path / "r", []) as run:
        found = list_problems(run.path)
    assert (found["problems"], found["total"], found["pages"], found["of"]) == ([], 0, 1, 0)
