"""Who gets what, by hand."""

import numpy as np

from groupthink.rollout.engine import Sampling
from groupthink.scale.queue import Queue, Work


def work(ticket, load=0, n=1):
    return Work(ticket, load, (np.array([1]), Sampling(8, n=n), ticket))


def queue(*works, most=2, at_once=False):
    its = Queue(most, at_once)
    its.waiting += works
    return its


def tickets(dealt):
    return [(engine, one.ticket) for engine, one in dealt]


def test_engines_are_given_prompts_in_turn_and_no_more_than_so_many():
    its = queue(*map(work, range(6)))
    assert tickets(its.deal([7, 8])) == [(7, 0), (8, 1), (7, 2), (8, 3)]
    assert [one.ticket for one in its.waiting] == [4, 5] and its.deal([7, 8]) == []


def test_who_has_finished_is_given_more_and_who_has_not_holds_nobody_up():
    its = queue(*map(work, range(6)), most=1)
    its.deal([7, 8])
    for ticket in (1, 2, 3):  # engine 7 is at a long response all the while
        assert its.finished(8, ticket, ())
        assert tickets(its.deal([7, 8])) == [(8, ticket + 1)]


def test_who_has_fewer_responses_to_draw_is_first():
    its = queue(work(0, n=8), work(1), work(2), work(3), most=3)
    assert tickets(its.deal([7, 8])) == [(7, 0), (8, 1), (8, 2), (8, 3)]


def test_by_order_an_engine_has_work_of_one_version_alone():
    its = queue(work(0), work(1), work(2, load=1), work(3, load=1))
    assert tickets(its.deal([7, 8])) == [(7, 0), (8, 1)]
    assert its.finished(8, 1, ())
    assert tickets(its.deal([7, 8])) == [(8, 2), (8, 3)]  # while 7 draws from the weights before
    assert its.needed({0: "", 1: "", 2: ""}) == {0, 1, 2}
    assert its.finished(7, 0, ())
    assert its.needed({0: "", 1: "", 2: ""}) == {1, 2}


def test_by_time_all_is_drawn_from_the_newest():
    its = queue(work(0), work(1, load=1), at_once=True)
    assert tickets(its.deal([7])) == [(7, 0), (7, 1)]
    assert [its.load_for(one, {0: "", 1: ""}) for one in its.given] == [1, 1]
    assert its.needed({0: "", 1: ""}) == {1}


def test_what_an_engine_had_that_is_lost_goes_to_others_before_all_else():
    its = queue(*map(work, range(5)))
    its.deal([7, 8])
    assert [one.ticket for one in its.lost(7)] == [0, 2]
    assert [one.ticket for one in its.waiting] == [0, 2, 4]
    assert its.finished(8, 1, ()) and its.finished(8, 3, ())
    assert tickets(its.deal([8, 9])) == [(8, 0), (9, 2), (8, 4)]


def test_what_the_lost_one_says_afterwards_does_not_count():
    its = queue(work(0))
    its.deal([7])
    its.lost(7)
    its.deal([8])
    assert not its.finished(7, 0, ("late",)) and its.given[0].responses is None


def test_what_nobody_wants_is_not_dealt():
    its = queue(work(0), work(1), work(2))
    its.deal([7])
    for one in (*its.given[:1], *its.waiting):
        one.cancelled = True
    assert its.deal([7, 8]) == [] and its.waiting == []
    assert its.lost(7) and [one.ticket for one in its.waiting] == [1]


def test_work_of_older_weights_that_comes_back_is_the_next_that_an_engine_is_given():
    its = queue(work(0), work(1, load=1), most=2)
    its.deal([7, 8])
    its.waiting.append(work(2, load=1))
    its.lost(7)
    assert its.deal([8]) == []  # it draws from newer weights
    assert its.finished(8, 1, ())
    assert tickets(its.deal([8])) == [(8, 0)]
    assert its.finished(8, 0, ())
    assert tickets(its.deal([8])) == [(8, 2)]
