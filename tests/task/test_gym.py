"""reasoning-gym: every generator, through the path that rewards take."""

import json
import os

import numpy as np
import pytest

from groupthink.chain import CLOSE, OPEN
from groupthink.records import Group, Problem, Response
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.task import close_task, gym, open_task
from groupthink.task.gym import WINDOW, GymTask
from groupthink.task.gym_items import Source, is_expression, is_literal, reads_of, score
from groupthink.task.settings import TaskSettings
from tests import slow_scorer
from tests.here import work_here

factory = pytest.importorskip("reasoning_gym.factory", reason="pip install 'groupthink[gym]'")

WITHOUT_DEFAULTS = {"composite"}
EXAMPLES = ("possible_answer", "example_answer", "example_correct_answer")  # in place of the one answer
UNANSWERED = {"boxnet", "rush_hour"}  # nothing that would be right is known of these
NAMES = sorted(set(factory.DATASETS) - WITHOUT_DEFAULTS)


@pytest.fixture
def here(monkeypatch):
    work_here(monkeypatch)


@pytest.fixture
def opened():
    """Opens tasks, and closes them in the end."""
    tasks = []

    def open_one(name: str, seed: int = 0, **settings) -> GymTask:
        tasks.append(open_task(f"gym:{name}", seed, settings=TaskSettings(**settings)))
        return tasks[-1]

    yield open_one
    for task in tasks:
        close_task(task)


def accuracy(task: GymTask, problem: Problem, answer: str) -> float:
    none = np.array([], np.int64)
    text = f"{OPEN}so{CLOSE}{answer}"
    response = Response(none, none.astype(bool), none, none, none, text, "stop", 0)
    ((scored,),) = Judge(RewardSettings(), task).score([Group(problem, none, (response,))])
    assert scored.parts["format"] == 1
    return scored.parts["accuracy"]


@pytest.mark.parametrize("name", NAMES)
def test_every_generators_own_answers_score_full_marks(here, opened, name):
    task = opened(name)
    for problem in task.sample(0, 2):
        assert isinstance(problem.prompt, str) and problem.prompt.strip()
        answer = problem.answer
        if answer is None and name not in UNANSWERED:
            _, item = task._asked(problem)
            known = next(item["metadata"][key] for key in EXAMPLES if key in item["metadata"])
            answer = known if isinstance(known, str) else json.dumps(known)
        if answer is not None:
            assert accuracy(task, problem, answer) == 1, (name, answer)
        assert accuracy(task, problem, "no such thing") == 0


def test_a_generators_answer_is_right_for_the_judge_and_its_garbage_earns_nothing(here, opened):
    for name, wrong in (
        ("countdown", "7"),
        ("prime_factorization", "none"),
        ("chain_sum", "-"),
        ("spiral_matrix", "[]"),
    ):
        task = opened(name)
        problem = task.sample(0, 1)[0]
        assert accuracy(task, problem, problem.answer) == 1
        assert accuracy(task, problem, wrong) == 0


@pytest.mark.fault("S1")
def test_what_a_scorer_would_evaluate_comes_to_it_only_where_it_is_harmless(here, opened, tmp_path):
    told = tmp_path / "told"
    for name in ("n_queens", "string_insertion", "binary_matrix", "countdown", "simple_integration", "puzzle24"):
        assert reads_of(name), name
        task = opened(name)
        (problem,) = task.sample(0, 1)
        for attack in (
            f"__import__('pathlib').Path('{told}').touch()",
            f"[open('{told}', 'w')]",
            f"open('{told}','w')",
        ):
            assert not task.verify(problem, attack).right
    assert not told.exists()
    assert is_literal("[['A', 'B'], [1, -2]]") and not is_literal("[x for x in (1,)]") and not is_literal("[" * 9999)
    assert is_expression("(3 + 4.5)*x**2 - sin(x)/7 + C") and not is_expression("1" * 30 + "!")
    for attack in ("x.real", "S('1')", "Integral(x, x)", "x[0]", "lambda: 1", "x; y", "x_1", "1e5j"):
        assert not is_expression(attack), attack


@pytest.mark.fault("F20")
def test_a_scorer_that_hangs_is_ended_and_the_next_answer_is_scored(opened, monkeypatch):
    monkeypatch.setattr(gym, "score", slow_scorer.score)
    task = opened("countdown")
    (problem,) = task.sample(0, 1)
    assert task.verify(problem, problem.answer).right  # the process is awake
    task._scoring.seconds = 1.0
    held = task.verify(problem, slow_scorer.HANGS)
    assert not held.right and "took more than 1 s" in held.note
    assert task.verify(problem, problem.answer).right


def test_puzzle24_and_countdown_are_solved_exactly_with_the_given_numbers_alone():
    source = Source("puzzle24", "{}", 1)
    item = {"question": "?", "answer": "(1 + 5)*(9 - 5)", "metadata": {"numbers": [1, 5, 9, 5]}}
    assert score(source, item, "(9 - 5)*(5 + 1)") == (1.0, "scored 1")
    for wrong in ("6*4*1*1", "(9 - 5)*(5 + 1)*1", "9+5+5+1", "(9 - 5)*(5 + 1", "9 ** 1 + 5 + 5", "x"):
        assert score(source, item, wrong)[0] == 0.0
    rounded = item | {"metadata": {"numbers": [7, 7, 2, 1]}}  # 24.5
    pointed = item | {"metadata": {"numbers": [2, 4, 10, 1]}}
    assert score(source, rounded, "7*7/2*1")[0] == score(source, pointed, "2.4*10*1")[0] == 0.0
    countdown = {"question": "?", "answer": "5*2", "metadata": {"numbers": [2, 5], "target": 10}}
    assert score(Source("countdown", "{}", 1), countdown, "2*5")[0] == 1.0
    squared = {"question": "?", "answer": "3*(4-1)", "metadata": {"numbers": [3, 2], "target": 9}}
    assert score(Source("countdown", "{}", 1), squared, "3**2")[0] == 0.0


def test_a_problem_is_a_function_of_seed_and_index_in_every_process(opened):
    """Sets of texts have an order of their own in every process, and ransom_note draws from one."""
    one, two = opened("ransom_note"), opened("ransom_note")
    assert [p.prompt for p in one.sample(3, 4)] == [p.prompt for p in two.sample(3, 4)]
    assert one.sample(0, 8)[4:] == one.sample(1, 4)
    assert opened("ransom_note", seed=1).sample(0, 4) != one.sample(0, 4)


def test_held_out_problems_are_not_trained_on(here, opened):
    task = opened("count_bits", held_out=0.3)
    trained = {problem.prompt for problem in task.sample(0, 400)}
    assert not trained & {problem.prompt for problem in task.held_out(60)}
    assert len(trained) > 350


def test_slow_problems_are_made_ahead_and_are_the_same(opened):
    ahead, plain = opened("chain_sum"), opened("chain_sum")
    ahead._made_ahead.slow = True
    ahead.expect(range(28))
    drawn = [problem for step in range(6) for problem in ahead.sample(step, 4)]
    assert drawn == plain.sample(0, 24)
    assert any(ahead._made_ahead._asked) or ahead._made_ahead._ready
    for aside in ahead._made_ahead._asides:  # the processes die
        if aside.alive:
            os.kill(aside._process.pid, 9)
    assert ahead.sample(6, 4) == plain.sample(6, 4)


def test_levels_that_a_generator_refuses_itself_are_passed_over(here, opened):
    task = opened("caesar_cipher", raise_at=0.5)
    assert task.notes == ("gym:caesar_cipher begins at level 0 of 0 to 3 of its curriculum",)
    for number in range(30):
        for problem in task.sample(number, 8):
            task.observe(problem, 8, 8)
    assert task.level == 1  # rotations of 26 letters and more are refused
    late = opened("knight_swap", raise_at=0.5)
    assert late.level is None or late.level > 0
    without = next(name for name in NAMES if name not in factory.CURRICULA)
    assert "has no curriculum" in opened(without, raise_at=0.5).notes[0]


def test_problems_that_are_too_long_are_passed_over(here, opened):
    task = opened("chain_sum")
    lengths = [len(problem.prompt) for problem in task.sample(0, 20)]
    task.limit(sorted(lengths)[10])
    assert max(len(problem.prompt) for problem in task.sample(0, 20)) <= sorted(lengths)[10] < max(lengths)
    task.limit(3)
    with pytest.raises(ValueError, match="all are too long for the model"):
        task.sample(0, 1)


def test_arguments_are_a_recipes_own_keys(here, opened):
    task = opened("chain_sum", arguments={"chain_sum:min_terms": 7, "chain_sum:max_terms": 7, "other:x": 1})
    assert all(problem.prompt.count("+") + problem.prompt.count(" - ") >= 6 for problem in task.sample(0, 5))


def test_a_curriculum_becomes_harder_as_more_is_right_and_its_state_is_plain_json(here, opened):
    task, twin = opened("chain_sum", raise_at=0.75), opened("chain_sum", raise_at=0.75)
    held_out = task.held_out(3)

    def step(of, number, share):
        problems = of.sample(number, 8)
        for problem in problems:
            of.observe(problem, round(share * 8), 8)
        return problems

    assert WINDOW == 64
    first = step(task, 0, 0.5)
    assert task.level == 0
    step(task, 1, 1.0)
    assert task.level == 1
    harder = task.sample(0, 8)
    assert sum(len(p.prompt) for p in harder) > sum(len(p.prompt) for p in first)
    for problem in first:  # those of a former level do not count
        task.observe(problem, 8, 8)
    assert task.level == 1 and task._responses == 0
    task.observe(harder[0], 3, 8)
    twin.restore(json.loads(json.dumps(task.state())))
    assert twin.sample(5, 4) == task.sample(5, 4) and twin.state() == task.state()
    assert task.held_out(3) == held_out
    assert accuracy(twin, harder[0], harder[0].answer) == 1  # made again from its place
    for number in range(2, 40):
        step(task, number, 1.0)
    assert task.level == task.levels - 1


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("chain_sums", {}, r"did you mean chain_sum\?"),
        ("composite", {}, "task.mixture"),
        ("chain_sum", {"arguments": {"chain_sum:max_term": 4}}, r"no argument 'max_term': did you mean max_terms\?"),
        ("chain_sum", {"arguments": {"chain_sum:min_terms": 9}}, "refuses its arguments"),
        ("chain_sum", {"held_out": 0.0}, "task.held_out is 0"),
    ],
)
def test_what_there_is_not_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        open_task(f"gym:{name}", settings=TaskSettings(**settings))
