"""What is made of ranks that fail: Ray's errors are built here, and not raised by Ray."""

from types import SimpleNamespace

import numpy as np
import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from groupthink.policy.memory import OutOfMemory
from groupthink.scale import troubles
from groupthink.scale.ranks import RankOutOfMemory, Ranks
from groupthink.scale.troubles import NoRoom, Trouble, Watch, trouble_of


def made(cause: Exception) -> RayTaskError:
    return RayTaskError("update", "its traceback", cause)


CLOSED = RuntimeError("[/gloo/transport/tcp/pair.cc:553] Connection closed by peer [192.0.2.2]:49860.")


def test_a_rank_that_is_gone_is_named_and_so_is_who_waited_for_it():
    found = trouble_of("update", {1: ActorDiedError(), 0: made(CLOSED)}, {})
    assert type(found) is Trouble
    assert "at update: learner 2 is gone" in str(found) and "learner 1 waited for another in vain" in str(found)


def test_a_rank_that_is_stuck_is_named_with_what_it_was_at():
    late = RuntimeError("[gloo] Timed out waiting 60000ms for recv operation to complete")
    found = trouble_of("update", {0: made(late)}, {0: "nothing", 1: "backward, pass 3 of 8, after 40 passes in all"})
    assert type(found) is Trouble
    assert "learner 2: backward, pass 3 of 8" in str(found) and "learner 1 waited" in str(found)


def test_memory_is_told_apart_whatever_the_others_say():
    full = RankOutOfMemory("a micro-batch did not fit into the memory of rank 1")
    found = trouble_of("update", {0: made(CLOSED), 1: made(full)}, {})
    assert isinstance(found, NoRoom) and "rank 1" in str(found)


def test_one_response_that_does_not_fit_is_no_matter_of_smaller_parts():
    def full(batch):
        raise MemoryError

    many, one = (SimpleNamespace(starts=np.arange(responses + 1)) for responses in (2, 1))
    with pytest.raises(RankOutOfMemory, match="rank 3"):
        Ranks._in_memory(SimpleNamespace(rank=3), full, many)
    with pytest.raises(OutOfMemory, match="one response at a time does not fit") as raised:
        Ranks._in_memory(SimpleNamespace(rank=3), full, one)
    assert trouble_of("update", {0: made(raised.value), 1: made(CLOSED)}, {}) is raised.value


def test_what_a_rank_objects_to_itself_is_raised_as_it_is():
    own = ValueError("a surrogate must give [M] losses")
    found = trouble_of("update", {1: made(own), 0: made(CLOSED)}, {})
    assert found is own and found.__notes__ == ["(raised by learner 2, at update)"]


def test_standing_still_is_noticed_within_the_bound(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(troubles.time, "monotonic", lambda: now[0])
    watch, at = Watch(60.0), {0: "backward, pass 1 of 8"}

    def stuck(after: float) -> bool:
        now[0] += after
        return watch.is_stuck(lambda: dict(at))

    assert not stuck(1.0)  # not even looked at
    assert not stuck(59.0)
    at[0] = "backward, pass 2 of 8"
    assert not stuck(30.0)
    assert not stuck(59.0)
    assert stuck(2.0 + troubles.LOOK)


@pytest.mark.parametrize("text", ["NCCL error: remote process exited", "Broken pipe", "TCPStore is gone"])
def test_errors_of_a_collective_are_known_by_what_they_say(text):
    assert troubles.waited_in_vain(RuntimeError(text)) and not troubles.waited_in_vain(ValueError(text))
