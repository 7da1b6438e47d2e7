import pytest

from groupthink.reward.settings import RewardSettings


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"accuracy": float("nan")}, "reward.accuracy"),
        ({"format": True}, "reward.format"),
        ({"brief": 192}, "reward.brief"),
        ({"functions": {"no_colon": 1.0}}, "reward.no_colon"),
        ({"functions": {"file.py:not a name": 1.0}}, "file.py:not a name"),
        ({"functions": {"file.py:f": float("inf")}}, "reward.file.py:f"),
    ],
)
def test_a_wrong_setting_is_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        RewardSettings(**wrong)


def test_a_penalty_may_have_a_negative_weight():
    assert RewardSettings(functions={"rewards.py:shouting": -0.1}).functions["rewards.py:shouting"] == -0.1
