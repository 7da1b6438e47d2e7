import pytest

from groupthink.task import TASKS, open_task


@pytest.mark.parametrize("name", TASKS)
def test_every_task_accepts_its_own_flawless_work(name):
    task = open_task(name, seed=3)
    for problem in task.sample(0, 4) + task.held_out(4):
        answer = task.demonstrate(problem, careful=True).rpartition("</think>")[2]
        assert task.verify(problem, answer).right
        assert not task.verify(problem, "none").right


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean quadratics\?"):
        open_task("quadratic")


def test_a_split_that_a_task_lacks_is_refused():
    assert open_task("quadratics", split="beyond").held_out(3)
    for name, split in (("quadratics", "train"), ("arithmetic", "beyond")):
        with pytest.raises(ValueError, match=f"{name} has no split '{split}'"):
            open_task(name, split=split)
