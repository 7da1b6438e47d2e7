import numpy as np

from groupthink.policy.objective.overlong import overlong_punishment


def test_punishment_by_the_numbers_of_the_paper():
    """L_max 20480 and L_cache 4096: nothing up to 16384, half way down at 18432."""
    lengths = np.array([1, 16384, 17408, 18432, 20480, 30000])
    found = overlong_punishment(lengths, max_tokens=20480, share=0.2)
    np.testing.assert_allclose(found, [0, 0, -0.25, -0.5, -1, -1])


def test_at_share_zero_nothing_is_punished():
    assert overlong_punishment(np.array([1, 200]), max_tokens=200, share=0.0).tolist() == [0, 0]
