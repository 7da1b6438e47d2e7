"""An engine in a thread, told of weights and prompts in any order; in this process."""

import time

import pytest

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Weights
from groupthink.rollout.engine import Sampling
from groupthink.rollout.plain import PlainDecoder
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale import weights as module
from groupthink.scale.drawer import Drawer, Found, Opening, next_load
from groupthink.scale.weights import deliver
from tests.rollout.test_workers import PROMPTS, ending_model

LONG = Sampling(200, n=4)


@pytest.fixture(autouse=True)
def store(monkeypatch):
    monkeypatch.setattr(module, "_put", lambda arrays: [array.copy() for array in arrays])
    monkeypatch.setattr(module, "_got", lambda bucket, seconds, version: bucket.reference)


def drawer(at_once=False):
    opening = Opening.of(ending_model(), build_tokenizer(), RolloutSettings(), VllmSettings())
    its, end = Drawer(opening, at_once=at_once, patience=10), time.monotonic() + 60
    while not its.ready:  # it makes a model, of the random numbers that the tests' own are made of, too
        assert time.monotonic() < end
        time.sleep(0.01)
    return its


def weights(version):
    return Weights(version, dict(ending_model(version).named_parameters()))


def here(version, request):
    engine = TorchEngine(ending_model(), build_tokenizer())
    engine.load(weights(version))
    return engine.submit(*request).result()


def bits(responses):
    return [(one.token_ids_T.tobytes(), one.logprobs_T.tobytes(), one.versions_T.tobytes()) for one in responses]


def test_prompts_wait_for_their_weights_whatever_comes_first():
    its, request = drawer(), (PROMPTS[0], Sampling(20, n=3), 4)
    newer = its.ask(1, 1, request)
    older = its.ask(0, 0, request)
    its.give(1, deliver(weights(1)), [0, 1])
    assert bits(newer.result(60)) == bits(here(1, request))
    its.give(0, deliver(weights(0)), [0, 1])
    assert bits(older.result(60)) == bits(here(0, request))


def test_by_order_what_is_drawn_is_finished_first_and_at_once_it_goes_on_under_newer_weights():
    for at_once in (False, True):
        its = drawer(at_once)
        its.give(0, deliver(weights(0)), [0]).result(60)
        first = its.ask(0, 0, (PROMPTS[0], Sampling(240, n=64), 4))
        taken = its.give(1, deliver(weights(1)), [0, 1])
        versions = {int(version) for one in first.result(60) for version in one.versions_T}
        assert taken.result(60) == 1 and its.current == 1
        assert versions == {0, 1} if at_once else versions == {0}


def test_who_opens_late_has_the_decoder_that_another_has_found_on_the_first_weights():
    its, request = drawer(), (PROMPTS[0], Sampling(20, n=3), 4)
    assert its.found is None
    its.give(3, deliver(weights(3)), [3], Found("cpu", PlainDecoder)).result(60)
    assert its.decoder == Found("cpu", PlainDecoder) != drawer_of_its_own().decoder
    assert its.ask(0, 3, request).result(60)


def drawer_of_its_own():
    its = drawer()
    its.give(0, deliver(weights(0)), [0]).result(60)
    return its


def test_what_is_not_wanted_any_more_ends():
    its = drawer()
    its.give(0, deliver(weights(0)), [0]).result(60)
    future = its.ask(0, 0, (PROMPTS[0], Sampling(240, n=200), 4))
    its.cancel(0)
    end = time.monotonic() + 30
    while not future.done():
        assert time.monotonic() < end
    assert future.cancelled() and its.ask(1, 0, (PROMPTS[1], Sampling(3), 4)).result(60)


def test_what_it_raises_is_told_to_all_who_wait_and_to_all_who_come_later():
    its, broken = drawer(), deliver(weights(0))
    waiting = its.ask(0, 0, (PROMPTS[0], LONG, 4))
    broken.buckets[0].reference[0][0] ^= 1
    with pytest.raises(RuntimeError, match="did not arrive as they were sent"):
        its.give(0, broken, [0]).result(60)
    for future in (waiting, its.ask(1, 0, (PROMPTS[0], LONG, 4))):
        with pytest.raises(RuntimeError, match="did not arrive as they were sent"):
            future.result(60)


def test_it_makes_progress_while_it_has_nothing_to_do():
    its = drawer()
    its.give(0, deliver(weights(0)), [0]).result(60)
    before = its.progress
    time.sleep(2.5)
    assert its.ready and its.progress > before


@pytest.mark.parametrize(
    ("current", "live", "waiting", "here", "at_once", "expected"),
    [
        (None, False, [], [], False, None),
        (None, False, [1], [0], False, None),  # those that are waited for are still to come
        (1, False, [0], [0, 1], False, 0),  # what another engine had
        (0, False, [], [0, 2], False, 2),
        (0, True, [0], [0, 2], False, 0),
        (0, True, [0], [0, 2], True, 2),
    ],
)
def test_which_weights_are_next(current, live, waiting, here, at_once, expected):
    assert next_load(current, live, waiting, here, at_once) == expected
