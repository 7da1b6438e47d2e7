"""Who is replaced and when, with actors that are told what to answer and a clock that is set by hand."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from groupthink.rollout.engine import EngineFailed
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale import crew as module
from groupthink.scale.cluster import Place
from groupthink.scale.crew import Crew
from groupthink.scale.drawer import Found, Opening
from groupthink.scale.engine_actor import Sign
from groupthink.scale.settings import ScaleSettings


class RayError(Exception):
    """As Ray's own."""


class RayTaskError(RayError):
    """As Ray's own."""

    def __init__(self, cause):
        super().__init__(f"a traceback, and {cause}")
        self.cause = cause


class Actor:
    """Asked for a sign it gives a future, which the test fulfils."""

    def __init__(self):
        self.asked: list[Future] = []
        self.sign = SimpleNamespace(remote=self._sign)
        self.given: tuple = ()
        self.options = lambda **_: SimpleNamespace(remote=self._begin)

    def _begin(self, *given):
        self.given = given
        return self

    def _sign(self):
        self.asked.append(Future())
        return SimpleNamespace(future=lambda: self.asked[-1])

    def answer(self, progress, opened=True, decoder=None):
        self.asked[-1].set_result(Sign(progress, True, opened, 7, "here", (), decoder))


class Stage:
    """A crew of `n`, its actors in the order in which they began, and the clock."""

    def __init__(self, n, monkeypatch):
        self.actors, self.killed, self.lost, self.room, self.now = [], [], [], {}, 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Place, "options", lambda place: {})
        util = SimpleNamespace(placement_group_table=lambda group: {"state": self.room.get(group, "CREATED")})
        ray = SimpleNamespace(
            remote=lambda kind: self._begin(),
            kill=lambda actor, no_restart: self.killed.append(self.actors.index(actor)),
            exceptions=SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError),
            util=util,
        )
        cluster = SimpleNamespace(ray=ray, settings=ScaleSettings(patience=50), missing=lambda bundles: "a GPU")
        opening = Opening(None, None, None, None, None, RolloutSettings(patience=20.0), VllmSettings())
        self.crew = Crew(
            cluster,
            opening,
            at_once=False,
            later=lambda do: do(),
            on_loss=lambda member: self.lost.append(member.number),
        )
        self.crew.begin([Place(f"group {index}", 0, {"CPU": 1}) for index in range(n)])

    def _begin(self):
        self.actors.append(Actor())
        return self.actors[-1]

    def look(self, seconds):
        """So many seconds pass, of which none is unwatched."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            self.crew.look_after()


@pytest.fixture
def stage(monkeypatch):
    return lambda n: Stage(n, monkeypatch)


def test_one_that_answers_and_makes_progress_stays(stage):
    its = stage(1)
    for progress in range(10):
        its.look(6)
        its.actors[0].answer(progress)
    assert its.lost == [] and len(its.actors) == 1 and its.crew.ready()


def test_one_whose_process_answers_while_its_thread_stands_still_is_silent(stage):
    its = stage(1)
    for _ in range(6):
        its.look(6)
        if its.lost:
            break
        its.actors[0].answer(progress=5)
    assert its.lost == [0] and its.killed == [0] and len(its.actors) == 2
    assert its.crew.restarts == ["engine 1 (process 7 on here) has been silent for 20 s"]


def test_opening_may_take_longer_than_silence_and_is_bounded_all_the_same(stage):
    its = stage(1)
    its.look(1)
    its.actors[0].answer(0, opened=False)
    its.look(200)
    assert its.lost == []
    its.look(101)
    assert its.lost == [0] and "silent for 300 s" in its.crew.restarts[0]


def test_a_death_is_noticed_by_whatever_was_asked_and_a_place_without_room_is_waited_for(stage):
    its = stage(2)
    its.look(1)
    its.actors[0].answer(1)
    its.room["group 1"] = "RESCHEDULING"  # its machine is gone
    its.actors[1].asked[-1].set_exception(RayError("The actor is dead because its node has died."))
    assert its.crew.restarts == ["engine 2 (which was opening) died: its node has died."]
    for progress in range(2, 100):
        its.look(6)
        its.actors[0].answer(progress)
    assert its.lost == [1] and len(its.crew.ready()) == 1  # hours without room are no failure
    its.room.clear()
    its.look(6)
    its.actors[2].answer(1)
    assert [member.post.index for member in its.crew.ready()] == [0, 1]


def test_while_this_process_stood_still_nobody_was_silent(stage):
    its = stage(1)
    its.look(1)
    its.actors[0].answer(1)
    its.now += 3600
    its.look(1)
    assert its.lost == []


def test_one_that_fails_again_and_again_is_given_up_and_the_last_one_ends_it(stage):
    its = stage(2)
    its.look(1)
    for number, actor in ((0, 0), (2, 2), (3, 3)):
        assert its.crew.find(number)
        its.look(1)
        its.actors[actor].asked[-1].set_exception(RayError("gone"))
    assert its.crew.restarts[-1].endswith("died: gone, as 2 before it, and none follows in its place")
    its.actors[1].answer(1)
    its.look(1)  # the other goes on
    its.crew.given_up[0].failures.clear()
    for actor in (1, 4, 5):
        its.look(1)
        if not its.actors[actor].asked[-1].done():
            its.actors[actor].asked[-1].set_exception(RayError("gone"))
        else:
            its.look(6)
            its.actors[actor].asked[-1].set_exception(RayError("gone"))
    with pytest.raises(EngineFailed, match=r"(?s)failed 3 times in a row.* 1\. engine 2 .*died: gone"):
        its.look(1)


def test_where_there_is_room_for_none_it_is_said_what_is_missing(stage):
    its = stage(1)
    its.room["group 0"] = "PENDING"
    with pytest.raises(EngineFailed, match="no room for another within 50 s: a GPU"):
        its.look(60)
    assert its.lost == []


def test_what_an_engine_itself_raises_is_raised_and_one_that_gives_up_is_replaced(stage):
    its = stage(1)
    its.look(1)
    its.actors[0].asked[-1].set_exception(RayTaskError(EngineFailed("vLLM's process failed 3 times")))
    assert its.crew.restarts == ["engine 1 (which was opening) gave up: vLLM's process failed 3 times"]
    its.look(1)
    with pytest.raises(RuntimeError, match=r"(?s)engine 1 .* failed:.*logits are not finite"):
        its.crew._take(its.crew.members[0], failed(RayTaskError(FloatingPointError("logits are not finite"))), print)


def failed(error):
    future = Future()
    future.set_exception(error)
    return future


def test_who_opens_later_waits_for_the_decoder_that_the_first_has_found(stage):
    its = stage(2)
    its.look(1)
    for actor in its.actors:
        actor.answer(1, opened=False)
    first, _ = its.crew.members
    assert not its.crew.will_tell_a_decoder()  # they are given the first weights, both
    first.current = 0
    assert its.crew.will_tell_a_decoder()
    its.look(2)
    its.actors[0].answer(2, decoder=Found("cpu", dict))
    assert not its.crew.will_tell_a_decoder() and its.crew.opening.decoder == Found("cpu", dict)


def test_who_takes_a_place_has_the_decoder_that_was_found_to_agree_at_first(stage):
    """Tried on later weights another one may be found, which rounds otherwise."""
    its = stage(2)
    assert [actor.given[0].decoder for actor in its.actors] == [None, None]
    for decoder, actor in zip((dict, list), its.actors, strict=True):
        its.look(6)
        actor.answer(1, decoder=Found("cpu", decoder))
    its.look(60)  # neither is heard of
    assert len(its.actors) == 4 and all(actor.given[0].decoder == Found("cpu", dict) for actor in its.actors[2:])
