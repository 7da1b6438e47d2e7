"""What happens to a run is told once, in order, and can be told again from any place."""

import asyncio
import json
import os

import pytest

from groupthink.run.lines import append_line, read_lines, replace_lines
from groupthink.web import live
from groupthink.web.following import Follower
from groupthink.web.reading.growing import Tail, read_place
from groupthink.web.reading.places import Places
from tests.web.made import begin_run


@pytest.fixture
def run(tmp_path):
    return begin_run(tmp_path / "r")


def step(run, number):
    append_line(run / "metrics.jsonl", {"step": number, "reward": number / 10})


def told(events):
    """Kinds, and the step or the event's own name; standing is told when it will."""
    return [(event.kind, event.data.get("step", event.data.get("event"))) for event in events if event.kind != "status"]


def test_what_comes_is_told_once_and_in_whole_lines(run):
    follower = Follower("r", run)
    assert [event.kind for event in follower.fresh()] == ["status"]
    assert follower.fresh() == []
    step(run, 0)
    with (run / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 1, "rew')
    assert told(follower.fresh()) == [("step", 0)] and follower.fresh() == []
    with (run / "metrics.jsonl").open("a") as torn:
        torn.write('ard": NaN}\n{"step": 2}\nno json\n[1]\n')
    append_line(run / "events.jsonl", {"event": "checkpoint", "step": 3, "time": 5.0})
    assert [event.data for event in follower.fresh()] == [
        {"run": "r", "step": 1}, {"run": "r", "step": 2},
        {"run": "r", "event": "checkpoint", "step": 3, "time": 5.0},
    ]  # fmt: skip


def test_one_who_comes_later_is_told_how_it_stands_and_the_last_step(run):
    step(run, 0)
    step(run, 1)
    events = Follower("r", run).fresh()
    assert told(events) == [("step", 1)]
    assert events[-1].kind == "status" and events[-1].data["status"] == "stopped" and events[-1].data["why"]


def test_from_every_id_on_the_rest_is_told_again_exactly(run):
    follower = Follower("r", run)
    events = follower.fresh()
    for number in range(5):
        step(run, number)
        append_line(run / "events.jsonl", {"event": "checkpoint", "step": number})
        events += follower.fresh()
    step(run, 5)
    step(run, 6)
    events += follower.fresh()
    assert told(events)[-3:] == [("event", 4), ("step", 5), ("step", 6)]
    for place, event in enumerate(events):
        again = Follower("r", run, after=event.id).fresh()
        assert sorted(map(str, told(again))) == sorted(map(str, told(events[place + 1 :])))
    assert Follower("r", run, after=events[-1].id).fresh() == []


def test_a_resume_that_drops_steps_starts_anew_and_one_that_drops_nothing_does_not(run):
    for number in range(4):
        step(run, number)
    follower = Follower("r", run)
    follower.fresh()
    held = follower.id
    for name in ("metrics.jsonl", "events.jsonl"):  # as a resume does that has nothing to drop
        replace_lines(run / name, read_lines(run / name))
    assert follower.fresh() == [] and told(Follower("r", run, after=held).fresh()) == []
    replace_lines(run / "metrics.jsonl", read_lines(run / "metrics.jsonl")[:2])
    assert told(follower.fresh()) == [("reset", None), ("step", 0), ("step", 1), ("event", "started")]
    for number in (2, 3, 4):  # as long as before, and other lines
        append_line(run / "metrics.jsonl", {"step": number, "reward": 0.77})
    assert told(follower.fresh()) == [("step", 2), ("step", 3), ("step", 4)]
    assert told(Follower("r", run, after=held).fresh())[0] == ("reset", None)


def test_files_that_go_and_come(run):
    step(run, 0)
    follower = Follower("r", run)
    follower.fresh()
    os.remove(run / "metrics.jsonl")
    assert told(follower.fresh())[0] == ("reset", None)
    assert told(follower.fresh()) == []
    step(run, 0)
    assert told(follower.fresh()) == [("step", 0)]


def test_more_than_is_read_at_once(run, monkeypatch):
    monkeypatch.setattr("groupthink.web.reading.growing.AT_ONCE", 50)
    tail = Tail(run / "metrics.jsonl")
    for number in range(20):
        step(run, number)
    append_line(run / "metrics.jsonl", {"step": 20, "long": "x" * 500})
    found = []
    while lines := list(tail.fresh()):
        found += [line["step"] for line in lines]
    assert found == list(range(21))


@pytest.mark.parametrize(
    "after", ["", "x", "1-2", "-1-0.0-0.", "9" * 40 + "-0.0-0.", "1-zz.0-0.", "7-0.0-0.", "0-0.0-0.\n\nx"]
)
def test_ids_that_are_none_of_ours_start_anew(run, after):
    step(run, 0)
    follower = Follower("r", run, after=after)
    assert told(follower.fresh())[-1:] in ([("step", 0)], [("event", "started")])
    assert "\n" not in follower.id


def test_places_are_read_as_they_are_written(tmp_path):
    tail = Tail(tmp_path / "absent")
    assert read_place(str(tail.place)) == tail.place
    tail.to_end()
    assert tail.is_there() and list(tail.fresh()) == []


def test_all_runs_are_told_in_one_order_and_can_be_told_again(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.0)
    monkeypatch.setattr(live, "NAMES_EVERY", 0.0)
    monkeypatch.setattr(live, "NAMES_TIMES", 0.0)
    first = begin_run(tmp_path / "a")
    journal = live.Journal(Places(tmp_path))
    journal.look()
    reader = journal.reader("")
    assert reader.fresh() == []
    step(first, 0)
    second = begin_run(tmp_path / "b")  # after the first look: all of it is news
    step(second, 0)
    events = [event for event in reader.fresh() if event.kind != "status"]
    assert [(event.data["run"], *one) for event, one in zip(events, told(events), strict=True)] == [
        ("a", "step", 0), ("b", "step", 0), ("b", "event", "started"),
    ]  # fmt: skip
    for place, event in enumerate(events):
        again = [one for one in journal.reader(event.id).fresh() if one.kind != "status"]
        assert again == events[place + 1 :]
    for lost in ("00000000-1", f"{events[0].id}999", "x"):
        assert told(journal.reader(lost).fresh()) == [("reset", None)]


def test_the_stream_replays_comments_when_quiet_and_ends_with_the_server(run, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.01)
    monkeypatch.setattr(live, "QUIET", 0.05)

    async def listen():
        ending, parts = live.Ending(), []

        async def here(work):
            return work()

        async for part in live.stream(Follower("r", run), ending, here):
            parts.append(part.decode())
            if len(parts) == 2:
                step(run, 7)
            if parts[-1].startswith(":"):
                ending.now()
        return parts

    opening, standing, stepped, comment = asyncio.run(asyncio.wait_for(listen(), 10))
    assert opening.startswith("retry: 1000\nid: ") and opening.endswith("\n\n")
    assert standing.startswith("event: status\n") and comment == ": all is quiet\n\n"
    kind, data, name, *_ = stepped.split("\n")
    assert kind == "event: step" and json.loads(data.removeprefix("data: ")) == {"run": "r", "step": 7}
    assert told(Follower("r", run, after=name.removeprefix("id: ")).fresh()) == []


def test_whoever_asks_by_itself_is_told_the_same(run):
    step(run, 0)
    found = live.polled(Follower("r", run))
    assert [event["kind"] for event in found["events"]] == ["step", "status"]
    step(run, 1)
    found = live.polled(Follower("r", run, after=found["id"]))
    assert found["events"] == [{"kind": "step", "data": {"run": "r", "step": 1}}]
