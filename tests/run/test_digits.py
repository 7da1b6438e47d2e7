"""What is written against what a reader makes of it: the difference of two figures as they stand there."""

import random

from groupthink.run.digits import true_decimals


def test_the_difference_of_what_is_written_is_the_change_that_is_written():
    chance = random.Random(0)
    for _ in range(300):
        pairs = [(chance.uniform(-100, 100), chance.uniform(-100, 100)) for _ in range(3)]
        decimals = true_decimals(pairs, 1)
        for before, after in pairs:
            difference = float(f"{after:.{decimals}f}") - float(f"{before:.{decimals}f}")
            assert abs(difference - float(f"{after - before:.1f}")) <= 0.05 + 1e-9


def test_no_more_decimals_than_it_takes():
    assert true_decimals([], 3) == 3 == true_decimals([(0.1, 0.2)], 3)
    assert true_decimals([(100 / 3, 200 / 3)], 1) == 2
