import random
import re

import pytest

from groupthink.chain import read_chain
from groupthink.task.quadratics import BEYOND, LARGEST_ROOT, Quadratics, held_out_pairs, pairs, write_equation


def roots_of(problem):
    return tuple(sorted((problem.info["p"], problem.info["q"])))


def test_the_pairs_are_split_without_overlap():
    train, held_out = set(pairs("train")), set(pairs("held_out"))
    assert not train & held_out
    assert len(train | held_out) > 1000
    assert len(held_out) >= 200


def test_a_pair_beyond_has_a_root_that_no_demonstration_has():
    assert all(max(map(abs, pair)) in BEYOND for pair in pairs("beyond"))
    assert min(BEYOND) > LARGEST_ROOT


def test_the_wide_tier_trains_on_large_roots_too_and_holds_others_of_them_out():
    task = Quadratics(seed=3, split="wide")
    trained, held_out = ({roots_of(problem) for problem in some} for some in (task.sample(0, 4000), task.held_out(100)))
    assert len(trained & set(pairs("train"))) > 700
    large = {pair for pair in trained if max(map(abs, pair)) in BEYOND}
    assert len(large) > 500 and len(held_out & set(pairs("beyond"))) > 30 and len(held_out & held_out_pairs()) > 30
    assert set(pairs("wide")) - set(pairs("beyond")) == held_out_pairs()
    assert not trained & (held_out | held_out_pairs())


def test_no_training_problem_has_a_held_out_pair():
    problems = Quadratics(seed=3).sample(step=5, n=4000)
    assert not {roots_of(problem) for problem in problems} & held_out_pairs()


def test_the_first_held_out_problems_have_different_pairs():
    problems = Quadratics(seed=3).held_out(200)
    assert len({roots_of(problem) for problem in problems}) == 200
    assert {roots_of(problem) for problem in problems} <= held_out_pairs()


@pytest.mark.parametrize("careful", [True, False])
def test_no_demonstration_states_a_held_out_pair(careful):
    """Not as its answer, and not as the end of a slip on the way."""
    task = Quadratics(seed=4)
    for problem in task.sample(step=0, n=3000):
        text = task.demonstrate(problem, careful)
        stated = [re.findall(r"x=(-?\d+)", text.rpartition("</think>")[2])]
        stated += [re.match(r"(-?\d+)\+?(-?\d+)=", check).groups() for check in re.findall(r"check: (.*)", text)]
        for roots in stated:
            low, high = int(roots[0]), int(roots[-1])
            assert (min(low, high), max(low, high)) not in held_out_pairs()


def test_a_problem_is_a_function_of_seed_and_index():
    assert Quadratics(7).sample(2, 8) == Quadratics(7).sample(0, 24)[16:]
    assert Quadratics(7).sample(0, 8) != Quadratics(8).sample(0, 8)


def test_the_equation_has_the_roots_it_is_said_to_have():
    for problem in Quadratics(1).sample(0, 300):
        a, p, q = (problem.info[name] for name in ("a", "p", "q"))
        equation = problem.prompt.replace("−", "-").replace("²", "^2")
        assert write_equation(a, -a * (p + q), a * p * q) in equation


def test_equations_are_written_without_idle_terms():
    assert write_equation(1, -5, 6) == "x^2-5x+6=0"
    assert write_equation(-1, 1, 0) == "-x^2+x=0"
    assert write_equation(2, 0, -18) == "2x^2-18=0"
    assert {write_equation(1, -5, 6, random.Random(i)) for i in range(40)} == {"x^2-5x+6=0", "x²−5x+6=0"}


def test_careful_demonstrations_are_right_and_well_formed():
    task = Quadratics(2)
    for problem in task.sample(0, 500):
        chain = read_chain(task.demonstrate(problem, careful=True))
        assert chain.well_formed
        assert task.verify(problem, chain.answer).right


def test_hasty_demonstrations_mostly_answer_at_once_and_sometimes_slip():
    task = Quadratics(2)
    problems = task.sample(0, 1000)
    chains = [read_chain(task.demonstrate(problem, careful=False)) for problem in problems]
    at_once = [("at once" in task.traits(chain.reasoning)) for chain in chains]
    right = [task.verify(problem, chain.answer).right for problem, chain in zip(problems, chains, strict=True)]
    assert 0.5 < sum(at_once) / 1000 < 0.7
    assert 0.02 < 1 - sum(right) / 1000 < 0.4


def shares(task, careful):
    """How often each trait occurs in a thousand demonstrations."""
    reasonings = [read_chain(task.demonstrate(problem, careful)).reasoning for problem in task.sample(0, 1000)]
    found = [task.traits(reasoning) for reasoning in reasonings]
    return {trait: sum(trait in one for one in found) / 1000 for one in found for trait in one}


def test_careful_demonstrations_work_in_several_ways_check_and_go_back():
    seen = shares(Quadratics(2), careful=True)
    assert seen.keys() == {"factoring", "formula", "checks", "goes back"}
    assert min(seen["factoring"], seen["formula"]) > 0.15
    assert 0.4 < seen["checks"] < 0.75 and 0.05 < seen["goes back"] < 0.25


def test_hasty_demonstrations_do_all_of_it_now_and_then():
    seen = shares(Quadratics(2), careful=False)
    assert seen.keys() == {"at once", "factoring", "formula", "checks", "goes back"}
    assert min(seen.values()) > 0.005 and seen["checks"] < 0.2 and seen["goes back"] < 0.1


def test_every_line_of_a_careful_chain_is_true_but_for_the_slips_it_takes_back():
    """Evaluate each stated equality by hand-made arithmetic, after the last "wait"."""
    task = Quadratics(6)
    for problem in task.sample(0, 200):
        text = read_chain(task.demonstrate(problem, careful=True)).reasoning.rpartition("wait, ")[2]
        for left, sign, right, value in re.findall(r"(-?\d+)([-+*])(-?\d+)=(-?\d+)", text):
            expected = {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[sign]
            assert int(value) == expected, text


def test_traits_name_the_methods():
    task = Quadratics()
    assert task.traits("") == {"at once"}
    assert task.traits("b=-5 c=6\n1*6: 6+1=7 no\n") == {"factoring"}
    assert task.traits("D=25-24=1=1*1\ncheck: 2+3=5 ok\nwait, ") == {"formula", "checks", "goes back"}


def test_verify_is_exact_and_lenient_when_asked():
    task = Quadratics()
    problem = task.held_out(1)[0]
    p, q = problem.info["p"], problem.info["q"]
    assert task.verify(problem, f"x={q}, x={p}").right
    assert not task.verify(problem, f"x={q}").right or p == q
    assert not task.verify(problem, f"I say x={p}, x={q}").right
    assert task.verify(problem, f"I say x={p}, x={q}", lenient=True).right
