"""Tasks of the user's: classes and functions, named in a recipe."""

import pytest

from groupthink.recipe import load_recipe
from groupthink.task import close_task, notes_of, open_task, open_tasks
from groupthink.task.adaptive import Adaptive
from groupthink.task.columns import key_of
from groupthink.task.hashed import share_of
from groupthink.task.mixture import mix_tasks
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


class Growing(Riddles):
    """Its riddles follow from how earlier ones went."""

    notes = ["grows"]

    def sample(self, step, n):
        return [Problem(f"{self.level}/{step * n + i}", "any", "riddle " * self.level, "key") for i in range(n)]

    def observe(self, problem, right, responses):
        self.level += right

    def state(self):
        return {"level": self.level}

    def restore(self, state):
        self.level = state["level"]


class Forgetful(Riddles):
    def observe(self, problem, right, responses):
        pass


class Finite(Riddles):
    """Six riddles in an order of each epoch's own, every other one long."""

    size = 6

    def sample(self, step, n):
        indices = [divmod(index, 6) for index in range(step * n, (step + 1) * n)]
        numbers = [(place + epoch) % 6 for epoch, place in indices]
        return [Problem(f"{k}", "any", "riddle " * (1 + 9 * (k % 2)), "key") for k in numbers]


class Endless(Riddles):
    def sample(self, step, n):
        return [Problem(f"{i}", "any", "riddle " * (1 + i % 3), "key") for i in range(step * n, (step + 1) * n)]


class Odd(Riddles):
    size = "large"


def long_ones(seed, index):
    return "riddle " * (1 + index % 3), index


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


def test_a_reply_is_text_or_messages(own, monkeypatch):
    task = open_task(f"{own}:Talking")
    (problem,) = task.sample(0, 1)
    said = {"role": "user", "content": "go on"}
    for given, taken in (((said,), (said,)), ([said, said], (said, said)), ("go on", "go on"), (None, None)):
        monkeypatch.setattr(task.task, "reply", lambda problem, turns, given=given: given)
        assert reply_of(task)(problem, ["?"]) == taken
    for given in (7, (), ("go on",), ({"role": "user"},), said):
        monkeypatch.setattr(task.task, "reply", lambda problem, turns, given=given: given)
        with pytest.raises(ValueError, match="return text, a tuple of messages with role and content, or None"):
            reply_of(task)(problem, ["?"])


def test_a_class_that_adapts_is_one_that_adapts(own):
    task, twin = (open_task(f"{own}:Growing") for _ in range(2))
    assert isinstance(task, Adaptive) and not isinstance(open_task(f"{own}:Riddles"), Adaptive)
    assert notes_of(task) == ("grows",) and task.size is None
    mixture = mix_tasks([task, open_task("arithmetic")])
    for problem in mixture.sample(0, 2):
        mixture.observe(problem, 2, 4)
    assert mixture.state() == {f"{own}:Growing": {"level": 3}} and task.sample(0, 1)[0].id == "3/0"
    twin.restore(task.state())
    assert twin.sample(2, 4) == task.sample(2, 4)


def short(problem):
    return len(problem.prompt) < 20


def test_what_does_not_fit_is_left_out_of_a_finite_task_and_named(own):
    task = open_task(f"{own}:Finite")
    assert task.size == 6 and task.sample(0, 2)[1].id == "1"
    assert task.keep(short, "too long") == ["1", "3", "5"] and task.size == 3
    drawn = [problem.id for problem in task.sample(0, 6)]
    assert sorted(drawn[:3]) == sorted(drawn[3:]) == ["0", "2", "4"] and drawn[:3] != drawn[3:]
    assert [problem.id for step in range(3) for problem in task.sample(step, 2)] == drawn
    with pytest.raises(ValueError, match=r"no problem of .*Finite is left to train on: too long"):
        open_task(f"{own}:Finite").keep(lambda problem: False, "too long")


def test_in_place_of_what_does_not_fit_stands_the_next_where_there_is_no_end(own):
    task = open_task(f"{own}:Endless")
    assert task.keep(short, "too long") == [] and task.size is None
    assert [problem.id for problem in task.sample(0, 6)] == ["0", "1", "3", "3", "4", "6"]
    assert task.sample(0, 6)[4:] == task.sample(2, 2)
    assert open_task(f"{own}:Growing").keep(short, "too long") == []  # looked at when they come
    task.keep(lambda problem: False, "too long")
    with pytest.raises(ValueError, match="200 problems in a row, from number 0 on, are too long"):
        task.sample(0, 1)
    with pytest.raises(ValueError, match="all 3 held-out problems are too long"):
        task.held_out(3)


def test_a_function_passes_over_what_does_not_fit(own):
    task = open_task(f"{own}:long_ones", settings=TaskSettings(held_out=0.4))
    task.keep(lambda problem: len(problem.prompt) < 10, "too long")
    held_out = share_of(key_of("riddle ")) < 0.4
    drawn = task.held_out(9) if held_out else task.sample(0, 9)
    assert {problem.prompt for problem in drawn} == {"riddle "}
    with pytest.raises(ValueError, match="or all are too long for the model"):
        task.sample(0, 1) if held_out else task.held_out(1)


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
        ("Forgetful", "has `observe`, and no state and no restore"),
        ("Odd", "its `size` is 'large': give the number"),
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
