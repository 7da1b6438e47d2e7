import numpy as np
import torch

from groupthink.rollout.pages import Pages


def test_pages_are_taken_shared_and_left():
    pages = Pages((3,))
    prompt, own = pages.take(2, users=2), pages.take(1)
    assert len({*prompt.tolist(), *own.tolist()}) == 3
    pages.leave(prompt)
    assert len(pages.free) == len(pages.pool) - 3
    pages.leave(np.concatenate([prompt, own]))
    assert sorted(pages.free) == list(range(len(pages.pool)))
    assert not pages.users.any()


def test_what_is_in_a_page_stays_when_the_pool_grows():
    pages = Pages((3,))
    (first,) = pages.take(1)
    pages.pool[first] = torch.tensor([1.0, 2.0, 3.0])
    held = len(pages.pool)
    pages.take(held + 5)
    assert len(pages.pool) >= 2 * held
    assert pages.pool[first].tolist() == [1.0, 2.0, 3.0]


def test_a_page_left_twice_at_once_is_free_once():
    pages = Pages((1,))
    shared = pages.take(1, users=2)
    pages.leave(np.concatenate([shared, shared]))
    assert pages.free.count(int(shared[0])) == 1
