import json
import subprocess
import sys
from collections import Counter

import pytest

from groupthink.task.sampler import Sampler


def test_pass_rates_and_weights_by_hand():
    sampler = Sampler(3, floor=0.1)
    assert sampler.pass_rate(0) == 0.5 and sampler.weight(0) == 1  # never seen
    sampler.observe(1, right=0, responses=8)
    assert sampler.pass_rate(1) == 0.1
    assert sampler.weight(1) == pytest.approx(0.1 + 0.9 * 0.36)
    sampler.observe(2, right=8, responses=8)
    assert sampler.pass_rate(2) == 0.9
    assert sampler.weight(2) == pytest.approx(sampler.weight(1))


def test_what_was_long_ago_counts_less():
    sampler = Sampler(1, memory=0.5)
    sampler.observe(0, right=8, responses=8)
    sampler.observe(0, right=0, responses=8)
    assert sampler.pass_rate(0) == pytest.approx((4 + 1) / (4 + 8 + 2))
    for _ in range(50):
        sampler.observe(0, right=0, responses=8)
    assert sampler.pass_rate(0) == pytest.approx(1 / (16 + 2))  # 8 + 4 + 2 + ... responses are remembered


def solved_always_never_and_by_half() -> Sampler:
    sampler = Sampler(4, seed=1, floor=0.25, memory=1.0)
    sampler.observe(0, right=1000, responses=1000)
    sampler.observe(1, right=0, responses=1000)
    sampler.observe(2, right=500, responses=1000)
    return sampler  # weights 0.25, 0.25, 1, and 1 for the one never seen


def test_problems_come_as_often_as_their_weight_says():
    sampler = solved_always_never_and_by_half()
    steps = 4000
    drawn = Counter(sampler.draw(step, 1)[0] for step in range(steps))
    total = sum(map(sampler.weight, range(4)))
    for index in range(4):
        assert drawn[index] / steps == pytest.approx(sampler.weight(index) / total, abs=0.025)  # over 3 deviations


def test_two_at_a_time_are_drawn_by_weight_without_replacement():
    sampler = solved_always_never_and_by_half()
    weights = [sampler.weight(index) for index in range(4)]
    total, steps = sum(weights), 4000
    drawn = Counter(tuple(sampler.draw(step, 2)) for step in range(steps))
    for first in range(4):
        for second in set(range(4)) - {first}:
            chance = weights[first] / total * weights[second] / (total - weights[first])
            assert drawn[first, second] / steps == pytest.approx(chance, abs=0.025)
    assert sum(drawn.values()) == steps and all(first != second for first, second in drawn)


def test_a_step_of_all_problems_holds_each_once():
    assert sorted(solved_always_never_and_by_half().draw(0, 4)) == [0, 1, 2, 3]


def test_a_draw_is_a_function_of_seed_step_and_state():
    sampler, twin = solved_always_never_and_by_half(), solved_always_never_and_by_half()
    first = [sampler.draw(step, 2) for step in range(20)]
    assert [twin.draw(step, 2) for step in reversed(range(20))] == first[::-1]  # whatever was drawn before
    assert [Sampler(4, seed=2).draw(step, 2) for step in range(20)] != [Sampler(4).draw(step, 2) for step in range(20)]
    twin.observe(3, right=0, responses=1000)
    assert [twin.draw(step, 2) for step in range(20)] != first


def test_a_state_restored_from_json_goes_on_bit_for_bit():
    one = Sampler(50, seed=3, memory=1 / 3)
    for step in range(30):
        for index in one.draw(step, 5):
            one.observe(index, right=(7 * index + step) % 9, responses=8)
        if step == 9:
            saved = json.dumps(one.state())
    two = Sampler(50, seed=3, memory=1 / 3)
    two.restore(json.loads(saved))
    assert json.dumps(two.state()) == saved
    for step in range(10, 30):
        for index in two.draw(step, 5):
            two.observe(index, right=(7 * index + step) % 9, responses=8)
    assert two.state() == one.state()
    assert two.draw(30, 50) == one.draw(30, 50)


def test_the_state_of_another_list_is_refused():
    with pytest.raises(ValueError, match="of 3 problems, and there are 4"):
        Sampler(4).restore(Sampler(3).state())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Sampler(0), "at least 1"),
        (lambda: Sampler(4, floor=0.0), "floor is 0.0: give a share above 0"),
        (lambda: Sampler(4, memory=1.5), "memory is 1.5"),
        (lambda: Sampler(4).draw(0, 5), "set task.problems_per_step to at most 4"),
        (lambda: Sampler(4).observe(4, 1, 8), "no problem 4: indices run from 0 to 3"),
        (lambda: Sampler(4).observe(0, 9, 8), "9 of 8 responses"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_torch_is_not_needed():
    program = "import sys; import groupthink.task.sampler; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
