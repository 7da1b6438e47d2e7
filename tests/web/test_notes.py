import json
import os
import threading

import pytest

from groupthink.web.answers import dump
from groupthink.web.notes import _open_here, add_note, exported, read_notes, remove_note
from groupthink.web.search.scanning import pieces
from tests.web.made import begin_run, row, write_step


@pytest.fixture
def run(tmp_path):
    run = begin_run(tmp_path / "r")
    write_step(run, 3, [row(place % 2, f"text {place}", reward=place / 10) for place in range(4)])
    return run


def note(**more):
    return {"step": 3, "group": 1, "response": 0, "label": "aha", "text": "it turns round", **more}


def test_a_note_is_kept_with_the_run_and_exported_with_its_response(run):
    kept = add_note(run, note())
    assert read_notes(run) == [kept] and kept["label"] == "aha" and kept["time"] > 1e9
    (line,) = exported(run)
    assert line == {**kept, "text": "text 2", "prompt": "Solve x^2-5x+6=0", "problem": "quadratics/1", "reward": 0.2,
                    "expected": "x=2, x=3", "note": "it turns round"}  # fmt: skip


def test_a_note_is_changed_and_taken_away(run):
    first, second = add_note(run, note()), add_note(run, note(response=1))
    changed = add_note(run, note(id=first["id"], label="no aha"))
    assert [one["label"] for one in read_notes(run)] == ["no aha", "aha"] and changed["id"] == first["id"]
    remove_note(run, first["id"])
    assert read_notes(run) == [second]
    for absent in (first["id"], "\ud800", ""):
        with pytest.raises(LookupError):
            remove_note(run, absent)
    with pytest.raises(LookupError, match="leave the id out"):
        add_note(run, note(id="mine"))


def test_text_that_no_file_can_hold_comes_back_as_it_was(run):
    for text in ("\ud800", "a\x00b", "\u202e", "line\nbreak\u2028", "<script>", "é" * 1000):
        kept = add_note(run, note(text=text))
        assert read_notes(run)[-1]["text"] == text and json.loads(dump(kept))["text"] == text
    assert (run / "notes.jsonl").read_bytes().isascii()


def test_a_note_is_one_line_for_every_reader(run):
    signs = "a\x0b\x0c\r\n\x1c\x1d\x1e\x85\u2028\u2029b"  # all at which str.splitlines ends a line
    kept = [add_note(run, note(text=signs, label=signs)) for _ in range(2)]
    for lines in (
        (run / "notes.jsonl").read_text(encoding="utf-8").splitlines(),
        b"".join(dump(one) + b"\n" for one in exported(run)).decode().splitlines(),
    ):
        assert [(one["id"], one["label"]) for one in map(json.loads, lines)] == [(one["id"], signs) for one in kept]


@pytest.mark.fault("F23")
def test_what_a_crash_tore_costs_nothing_but_itself(run):
    first = add_note(run, note())
    with (run / "notes.jsonl").open("a") as torn:
        torn.write('[1]\n{"id": "y", "step": "../../x", "group": 0, "response": 0, "label": "a"}\n{"id": "x", "la')
    second = add_note(run, note())
    assert read_notes(run) == [first, second]


def test_two_who_write_at_once_lose_nothing(run):
    def write(name):
        for number in range(25):
            add_note(run, note(label=f"{name} {number}"))

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    labels = [one["label"] for one in read_notes(run)]
    assert sorted(labels) == sorted(f"{name} {number}" for name in "ab" for number in range(25))


@pytest.mark.parametrize(
    "asked",
    [
        None, [], "note", {}, note(step=-1), note(step=True), note(step=1.0), note(step="3"), note(group=None),
        note(response=10**9), note(label="", text=" "), note(label="a" * 101), note(text="a" * 20_001), note(label=1),
        note(id=1), note(id="a" * 41),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(run, asked):
    with pytest.raises(ValueError, match="note"):
        add_note(run, asked)
    assert read_notes(run) == []


@pytest.mark.parametrize("place", [{"step": 2}, {"group": 2}, {"response": 2}])
def test_a_note_on_nothing_is_refused(run, place):
    with pytest.raises(LookupError, match="step"):
        add_note(run, note(**place))


@pytest.mark.fault("S8")
@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_note_is_not_written_through_a_link(run, tmp_path):
    outside = tmp_path / "outside.jsonl"
    outside.touch()
    (run / "notes.jsonl").symlink_to(outside)
    with pytest.raises(ValueError, match="is a link"):
        add_note(run, note())
    with pytest.raises(OSError), open(run / "notes.jsonl", "a+b", buffering=0, opener=_open_here):
        pass
    assert outside.read_bytes() == b""


def test_a_damaged_step_costs_the_export_nothing_but_itself(run):
    write_step(run, 4, [row(0, "other")])
    kept = [add_note(run, note()), add_note(run, note(step=4, group=0)), add_note(run, note(response=1))]
    (run / "rollouts/step-000003.parquet").write_bytes(b"PAR1 and no more")
    assert [(line["id"], line["text"]) for line in exported(run)] == [
        (kept[0]["id"], None), (kept[1]["id"], "other"), (kept[2]["id"], None),
    ]  # fmt: skip
    with pytest.raises(LookupError, match="step 3 cannot be read"):
        add_note(run, note())


def test_a_step_is_read_once_for_all_its_notes(run, monkeypatch):
    for spot in ({}, {"response": 1}, {"group": 0}, {}):
        add_note(run, note(**spot))
    read = []
    monkeypatch.setattr("groupthink.web.notes.pieces", lambda file, *more: read.append(file) or pieces(file, *more))
    assert [line["text"] for line in exported(run)] == ["text 2", "text 3", "text 0", "text 2"] and len(read) == 1


def test_a_note_whose_response_has_gone_is_exported_without_it(run):
    kept = add_note(run, note())
    (run / "rollouts/step-000003.parquet").unlink()
    assert list(exported(run)) == [{**kept, "text": None, "prompt": None, "problem": None, "reward": None,
                                    "expected": None, "note": "it turns round"}]  # fmt: skip
