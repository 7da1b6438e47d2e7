import pytest

from groupthink.rollout.engine import Sampling
from groupthink.rollout.settings import RolloutSettings


@pytest.mark.parametrize(
    "name, value",
    [
        *[("group_size", 0), ("max_tokens", 0), ("temperature", -1.0), ("temperature", 0.0)],
        *[("temperature", float("nan")), ("top_p", 0.0), ("top_p", 1.1), ("top_k", -1), ("processes", -1)],
    ],
)
def test_settings_from_which_nothing_can_be_learned_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"rollout\.{name} is "):
        RolloutSettings(**{name: value})


def test_sampling_takes_over_the_settings_and_allows_greedy():
    settings = RolloutSettings(group_size=5, max_tokens=9, temperature=0.7, top_p=0.9, top_k=4)
    assert Sampling.of(settings) == Sampling(max_tokens=9, temperature=0.7, top_p=0.9, top_k=4, n=5)
    assert Sampling(3, temperature=0.0).n == 1
    with pytest.raises(ValueError, match="n is 0"):
        Sampling(3, n=0)
