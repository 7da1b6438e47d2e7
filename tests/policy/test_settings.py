import pytest

from groupthink.policy.settings import PolicySettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"final_share": 1.5},
        {"beta2": 1.0},
        {"minibatches": 0},
        {"processes": -1},
        {"threads": -1},
        {"schedule": "linaer"},
    ],
)
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(ValueError, match=f"policy.{next(iter(wrong))} is "):
        PolicySettings(**wrong)
