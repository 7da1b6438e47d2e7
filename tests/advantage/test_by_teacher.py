import numpy as np

from groupthink.advantage.by_teacher import by_teacher


def test_a_token_is_worth_by_how_much_the_teacher_likes_it_more():
    """log 1/2 - log 1/4 = log 2; log 1/8 - log 1/2 = -2 log 2; a tool's token, which nobody judges; no difference."""
    student = np.log(np.array([1 / 4, 1 / 2, np.nan, 1 / 3], np.float32))
    teacher = np.log(np.array([1 / 2, 1 / 8, 1 / 2, 1 / 3], np.float32))
    found = by_teacher(student, teacher, np.array([True, True, False, True]))
    np.testing.assert_allclose(found, np.array([1, -2, 0, 0]) * np.log(2), rtol=1e-6)
    assert found.dtype == np.float32
