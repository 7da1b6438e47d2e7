"""Tasks of the user's: classes and functions, named in a recipe."""

import pytest

from groupthink.recipe import load_recipe
from groupthink.task import close_task, open_task, open_tasks
from groupthink.task.reply import reply_of
from groupthink.task.settings import TaskSettings

OWN = '''
from groupthink.records import Problem
from groupthink.task.verdict import Verdict


class Riddles:
    """The least that a task has."""

    def __init__(self, seed, level=1):
        self.seed, self.level = seed, level

    def sample(self, step, n):
        return [Problem(f"{self.seed}/{step * n + i}", "any", f"riddle {i} of {self.level}", "key") for i in range(n)]

    def held_out(self, n):
        return [Problem(f"held/{i}", "any", f"held {i}", "key") for i in range(min(n, 3))]

    def verify(self, problem, text):
        return text == problem.answer


class Talking(Riddles):
    def verify(self, problem, text, lenient=False):
        return Verdict(problem.answer in text if lenient else text == problem.answer, text, "as riddles go")

    def reply(self, problem, turns):
        return "go on" if len(turns) == 1 else None

    def demonstrate(self, problem, careful):
        return f"<think>hm</think>{problem.answer}"

    def traits(self, reasoning):
        return {"loud"}


class Wrong(Riddles):
    def sample(self, step, n):
        return ["riddle"] * n

    def verify(self, problem, text):
        return 0.5


class Lacking:
    def sample(self, step, n):
        return []


def sums(seed, index, most=9):
    return f"{seed}+{index % (most + 1)}", seed + index % (most + 1)


def bad(seed, index):
    return "no answer"
'''


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path.as_posix()}/own.py"


def test_a_class_is_a_task(own):
    task = open_task(f"{own}:Riddles", seed=4)
    first = task.sample(1, 2)[0]
    assert (first.id, first.task, first.prompt) == ("4/2", f"{own}:Riddles", "riddle 0 of 1")
    assert task.verify(first, "key").right and not task.verify(first, "lock", lenient=True).right
    assert len(task.held_out(9)) == 3 and task.traits("so") == frozenset() and reply_of(task) is None
    with pytest.raises(ValueError, match="has no `demonstrate`"):
        task.demonstrate(first, True)


def test_what_a_class_has_beside_that_is_used(own):
    task = open_task(f"{own}:Talking")
    (problem,) = task.sample(0, 1)
    assert task.verify(problem, "a key", lenient=True).right and not task.verify(problem, "a key").right
    assert reply_of(task)(problem, ["?"]) == "go on"
    assert task.traits("so") == {"loud"} and task.demonstrate(problem, True) == "<think>hm</think>key"


def test_arguments_come_from_the_recipe(own):
    recipe = load_recipe(overrides=[f"task.name={own}:Riddles", "task.Riddles:level=3"])
    task = open_tasks(recipe.task)
    assert task.sample(0, 1)[0].prompt == "riddle 0 of 3"
    with pytest.raises(ValueError, match=r'unknown setting task."Ridles:level": .* did you mean Riddles\?'):
        load_recipe(overrides=[f"task.name={own}:Riddles", "task.Ridles:level=3"])
    with pytest.raises(ValueError, match="none takes arguments"):
        load_recipe(overrides=["task.arithmetic:level=3"])
    with pytest.raises(ValueError, match=r"takes no argument 'levle': did you mean level\?"):
        open_task(f"{own}:Riddles", settings=TaskSettings(arguments={"Riddles:levle": 1}))


def test_a_function_is_a_task_whose_share_is_held_out_by_a_hash(own):
    settings = TaskSettings(held_out=0.3, verify="number", arguments={"sums:most": 99})
    task = open_task(f"{own}:sums", 5, settings=settings)
    trained = {problem.prompt for problem in task.sample(0, 300)}
    assert len(trained) > 50 and not trained & {problem.prompt for problem in task.held_out(50)}
    (problem,) = task.sample(7, 1)
    assert int(problem.answer) == 5 + int(problem.prompt[2:]) and task.verify(problem, f"it is {problem.answer}").right
    assert task.sample(0, 8)[6:] == open_task(f"{own}:sums", 5, settings=settings).sample(3, 2)
    close_task(task)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("Riddle", r"no function or class 'Riddle' in .*: did you mean Riddles\?"),
        ("Lacking", "has no held_out and no verify"),
    ],
)
def test_what_is_no_task_is_refused(own, thing, message):
    with pytest.raises(ValueError, match=message):
        open_task(f"{own}:{thing}")


def test_what_a_task_gives_is_checked(own):
    task = open_task(f"{own}:Wrong")
    with pytest.raises(ValueError, match=r"sample gave list .*: return a list of"):
        task.sample(0, 1)
    with pytest.raises(ValueError, match=r"verify gave 0\.5 for held/0"):
        task.verify(task.held_out(1)[0], "key")
    with pytest.raises(ValueError, match=r"gave 'no answer' for problem \d+: return a prompt and an answer"):
        open_task(f"{own}:bad").sample(0, 1)


def test_names_that_lead_nowhere(own):
    for name, message in (
        ("no_such_module:Task", "no module 'no_such_module' is installed"),
        ("no/such.py:Task", "there is no file"),
        ("quadratic", r"did you mean quadratics\?"),
        ("own.py:", "no task is called"),
        ("data", "is the data set that task.data names"),
    ):
        with pytest.raises(ValueError, match=message):
            open_task(name)
    with pytest.raises(ValueError, match="no split 'beyond'"):
        open_task(f"{own}:Riddles", split="beyond")
    with pytest.raises(ValueError, match=r"did you mean quadratics\?"):
        load_recipe(overrides=["task.name=quadratic"])
