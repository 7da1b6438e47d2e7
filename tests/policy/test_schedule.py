import pytest

from groupthink.policy.schedule import rate_share


def shares(schedule: str, warmup_steps: int, total_steps: int = 6) -> list[float]:
    return [
        rate_share(step, total_steps=total_steps, warmup_steps=warmup_steps, schedule=schedule, final_share=0.2)
        for step in range(8)
    ]


@pytest.mark.parametrize(
    ("schedule", "warmup_steps", "expected"),
    [
        ("constant", 2, [0.5, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", 2, [0.5, 1, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2]),
        ("linear", 0, [1, 0.84, 0.68, 0.52, 0.36, 0.2, 0.2, 0.2]),
        ("linear", 1, [1, 0.84, 0.68, 0.52, 0.36, 0.2, 0.2, 0.2]),
        ("cosine", 2, [0.5, 1, 0.2 + 0.4 * (1 + 0.5**0.5), 0.6, 0.2 + 0.4 * (1 - 0.5**0.5), 0.2, 0.2, 0.2]),
    ],
)
def test_shares_by_hand(schedule, warmup_steps, expected):
    assert shares(schedule, warmup_steps) == pytest.approx(expected)


def test_a_run_shorter_than_its_warmup_only_warms_up():
    assert shares("linear", 5, total_steps=3)[:3] == pytest.approx([0.2, 0.4, 0.6])
