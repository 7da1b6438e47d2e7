from groupthink.records import Problem
from groupthink.task.arithmetic import Arithmetic
from groupthink.task.finite import Finite, every_held_out
from groupthink.task.mixture import Mixture
from groupthink.task.unlabelled import Unlabelled


def finite(held: int) -> Finite:
    task = Finite()
    task.name, task._held = "rows", [Problem(f"held/{index}", f"{index}?", "") for index in range(held)]
    return task


def test_all_are_given_of_a_task_that_has_so_many_and_as_many_as_asked_of_one_without_end():
    endless = Arithmetic(0)
    assert len(every_held_out(finite(30), 10)) == 30 and len(every_held_out(finite(3), 10)) == 3
    assert len(every_held_out(Unlabelled(finite(30)), 10)) == 30
    assert len(every_held_out(endless, 10)) == 10
    assert len(every_held_out(Mixture([finite(30), endless], [0.1, 0.9]), 10)) == 40
