import pytest

from groupthink.chain import read_chain
from groupthink.task.arithmetic import KINDS, Arithmetic, is_held_out


def test_held_out_expressions_never_occur_in_training():
    task = Arithmetic(1)
    trained = {problem.prompt for problem in task.sample(0, 3000)}
    assert not trained & {problem.prompt for problem in task.held_out(500)}


def test_about_a_fifth_is_held_out():
    assert 0.15 < sum(is_held_out(f"{i}+1") for i in range(2000)) / 2000 < 0.25


@pytest.mark.parametrize("careful", [True, False])
def test_demonstrations_are_right(careful):
    task = Arithmetic(1)
    for problem in task.sample(0, 200):
        chain = read_chain(task.demonstrate(problem, careful))
        assert chain.well_formed and task.verify(problem, chain.answer).right


def test_every_kind_states_what_python_computes():
    import random

    draw = random.Random(0)
    for kind in KINDS:
        for _ in range(200):
            expression = kind(draw)
            assert eval(expression.text) == expression.value  # our own text, not a model's
            for line in expression.lines:
                assert len({eval(side) for side in line.split("=")}) == 1, line


def test_verify_reads_whole_numbers_only():
    task = Arithmetic(1)
    problem = task.sample(0, 1)[0]
    assert task.verify(problem, problem.answer).right
    assert task.verify(problem, "eval('1')").extracted is None
    assert task.verify(problem, f"so it is {problem.answer}", lenient=True).right
    assert not task.verify(problem, f"so it is {problem.answer}").right
