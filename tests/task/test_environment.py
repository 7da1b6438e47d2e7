"""An environment of `verifiers` as a task, by one that is made up; tests_peers/verifiers has real ones."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from groupthink.recipe import load_recipe
from groupthink.records import Group, Response
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.stage.grade import grade
from groupthink.stage.named import require_named
from groupthink.task import close_task, notes_of, open_task, open_tasks
from groupthink.task.aside import Failed
from groupthink.task.environment import EACH, OPENING, SECONDS
from groupthink.task.environment_aside import Asked, Described, Scored
from groupthink.task.hashed import share_of
from groupthink.task.reply import reply_of
from groupthink.task.settings import TaskSettings
from tests.here import Here

NAME = "verifiers:guess"


class Guessing:
    """Guess a number from 0 to 19; a wrong guess is told whether it is too low, and may be mended once."""

    def __init__(self, held_out=None, replies=True):
        self.described = Described(
            "Guessing", [Asked(f"guess {n}", str(n)) for n in range(20)], held_out, replies, notes=("a note",)
        )

    def describe(self):
        return self.described

    async def reply(self, place, turns):
        if len(turns) > 1 or turns[0] == str(place):
            return None
        return ({"role": "user", "content": "too low" if int(turns[0]) < place else "too high"},)

    async def score(self, place, talks):
        if any(talk[-1] == "poison" for talk in talks):
            raise Failed("took more than 300 s")
        return [self._scored(place, talk) for talk in talks]

    def _scored(self, place, talk):
        right = talk[-1].rpartition("</think>")[2] == str(place)
        return Scored((1.0 if right else 0.0) + 0.2 * (len(talk) == 1), right and len(talk) == 1, f"turns {len(talk)}")

    async def close(self):
        self.closed = True


@pytest.fixture
def guessing(monkeypatch):
    """What the next environment is; the library is taken for installed, and its process is this one."""
    environment = Guessing()
    monkeypatch.setattr("groupthink.task.environment.need", lambda *what: None)
    monkeypatch.setattr("groupthink.task.environment.Aside", Here)
    monkeypatch.setattr("groupthink.task.environment_aside.opened", lambda source: environment)
    monkeypatch.setattr("groupthink.task.environment_aside._run", in_a_thread)  # the judge has a loop of its own here
    return environment


def in_a_thread(coroutine):
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, coroutine).result()


def response(*turns):
    none = np.zeros(1, np.float32)
    talk = turns if len(turns) > 1 else ()
    return Response(np.zeros(1, np.int64), np.ones(1, bool), none, none, none, "".join(turns), "stop", 0, talk)


def group(problem, *responses):
    return Group(problem, np.array([1]), responses)


def of_place(task, place):
    return next(problem for problem in task.sample(0, task.size) if problem.info["place"] == place)


def some_place(task):
    return task.sample(0, 1)[0].info["place"]


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "verifiers", None)
    with pytest.raises(ValueError, match=r"verifiers:guess needs the package verifiers.*groupthink\[verifiers\]"):
        open_task(NAME)


def test_a_share_of_its_problems_is_held_out_by_a_hash(guessing):
    task = open_task(NAME, settings=TaskSettings(held_out=0.3))
    held = [problem.prompt for problem in task.held_out(20)]
    assert held == [f"guess {n}" for n in range(20) if share_of(f'["guess {n}", "{n}", {{}}, ""]') < 0.3] and held
    assert task.size == 20 - len(held)
    drawn = task.sample(0, task.size)
    assert {problem.prompt for problem in drawn} | set(held) == {f"guess {n}" for n in range(20)}
    assert all(problem.prompt == f"guess {problem.info['place']}" == f"guess {problem.answer}" for problem in drawn)
    assert notes_of(task) == (
        f"verifiers:guess (Guessing): {task.size} problems, and {len(held)} held out (by a hash of the problem)",
        "a note",
    )


def test_its_own_problems_for_evaluation_are_held_out_and_never_trained_on(guessing):
    guessing.described = Guessing([Asked("guess 3", "3"), Asked("another", "7")]).described
    task = open_task(NAME)
    assert [(problem.prompt, problem.info["place"]) for problem in task.held_out(9)] == [
        ("guess 3", 20),
        ("another", 21),
    ]
    assert task.size == 19 and "guess 3" not in {problem.prompt for problem in task.sample(0, 19)}


def test_problems_of_one_prompt_differ_by_what_it_hides(guessing):
    asked = [Asked("guess", str(n), {"level": n}) for n in range(20)]
    told = [Asked("guess", None, rest=f'{{"board": [{n}]}}') for n in range(20)]
    guessing.described = Described("Guessing", asked + told + asked + [Asked("guess ", "3", {"level": 3})], None, True)
    task = open_task(NAME, settings=TaskSettings(held_out=0.3))
    problems = task.sample(0, task.size) + task.held_out(99)
    assert len(task.held_out(99)) > 1 and sorted(problem.info["place"] for problem in problems) == list(range(40))


def test_without_a_problem_to_measure_by_it_is_refused(guessing):
    with pytest.raises(ValueError, match=r"leaves no problem to hold out.*task\.held_out"):
        open_task(NAME, settings=TaskSettings(held_out=0))
    with pytest.raises(ValueError, match="has no split 'test'"):
        open_task(NAME, split="test")


def test_a_response_is_scored_by_all_of_its_turns(guessing):
    task = open_task(NAME)
    place = some_place(task)
    asked = group(
        of_place(task, place),
        response(f"<think>hm</think>{place}"),
        response("7", "<reply>", f"<think>so</think>{place}"),
        response("<think>7</think>-1"),
    )
    settings = RewardSettings(accuracy=2.0, format=0.0, brevity=0.0, environment=0.5)
    [scores] = Judge(settings, task).score([asked])
    assert [score.parts["environment"] for score in scores] == [1.2, 1.0, 0.2]
    assert [score.parts["accuracy"] for score in scores] == [1.0, 0.0, 0.0]  # right is what earns all that there is
    assert [score.value for score in scores] == pytest.approx([2.6, 0.5, 0.1])
    assert [score.extracted for score in scores] == [str(place), str(place), "-1"]
    assert [score.note for score in scores] == ["turns 1", "turns 2", "turns 1"]


def test_it_is_told_what_the_prompt_has_opened(guessing):
    heard = []

    async def score(place, talks):
        heard.extend(talks)
        return [Guessing._scored(guessing, place, talk) for talk in talks]

    guessing.score = score
    task = open_tasks(TaskSettings(mixture=(NAME, "arithmetic")))
    (problem,) = task.sample(0, 1)
    asked = group(problem, response("cut short"), response("hm</think>7", "<reply>", "so</think>8"))
    settings = RewardSettings(format=0.0, brevity=0.0, environment=1.0)
    [scores] = Judge(settings, task, opening="<think>").score([asked])
    assert heard == [["<think>cut short"], ["<think>hm</think>7", "<think>so</think>8"]]
    assert [score.extracted for score in scores] == [None, "8"]
    assert [one.extracted for one in grade(task, [asked], opening="<think>")[0]] == [None, "8"]
    heard.clear()
    grade(task, [asked], opening="<think></think>")
    assert heard[0] == ["cut short"]


def test_what_cannot_be_scored_takes_nothing_from_other_groups_and_does_not_count(guessing, caplog):
    task = open_task(NAME)
    one, other = task.sample(0, 2)
    whole = task.assess([group(one, response("poison"), response("1")), group(other, response(str(other.answer)))])
    assert [[each.reward for each in row] for row in whole] == [[None, None], [1.2]]
    assert whole[0][0].verdict.right is None and "took more than 300 s" in whole[0][0].verdict.note
    poisoned = group(one, response("poison"), response("1"))
    [scores] = Judge(RewardSettings(environment=1.0), task).score([poisoned])
    assert [(score.parts["environment"], score.parts["accuracy"]) for score in scores] == [(None, None)] * 2
    [[graded, _]] = grade(task, [poisoned])
    assert graded.right is None and "took more than 300 s" in graded.why
    assert caplog.text.count("could not score responses") == 1


def test_its_time_is_by_the_conversations_and_each_process_may_take_long_to_open(guessing, monkeypatch):
    task = open_task(NAME)
    one, other = task.sample(0, 2)
    allowed, aside = [], task._aside
    assert aside.opening == OPENING and aside.seconds == SECONDS
    scored = aside.call
    monkeypatch.setattr(aside, "call", lambda *given: allowed.append(aside.seconds) or scored(*given))
    task.assess([group(one, response("poison"), response("1")), group(other, response("1"))])
    assert allowed == [SECONDS + 3 * EACH, SECONDS + 2 * EACH, SECONDS + EACH] and aside.seconds == SECONDS


def test_an_answer_alone_is_scored_as_one_turn(guessing):
    task = open_task(NAME)
    place = some_place(task)
    assert task.verify(of_place(task, place), str(place)).right
    assert task.verify(of_place(task, place), "-1").right is False


def test_its_replies_are_messages(guessing):
    task = open_task(NAME)
    problem = of_place(task, some_place(task))
    say = reply_of(task)
    assert say(problem, ("-1",)) == ({"role": "user", "content": "too low"},)
    assert say(problem, (str(problem.answer),)) is None
    assert say(problem, ("-1", "too low", "9")) is None
    guessing.described = Guessing(replies=False).described
    assert reply_of(open_task(NAME)) is None


def test_a_reply_that_fails_ends_the_response_and_is_logged(guessing, caplog):
    task = open_task(NAME)
    guessing.reply = failing
    assert reply_of(task)(of_place(task, some_place(task)), ("seven",)) is None
    assert "verifiers:guess could not reply to verifiers:guess/train/" in caplog.text


async def failing(place, turns):
    raise Failed("ValueError: invalid literal")


def test_a_mixture_scores_each_by_its_own_task(guessing):
    task = open_tasks(TaskSettings(mixture=(NAME, "arithmetic")))
    guess, sum_ = task.sample(0, 2)
    assert (guess.task, sum_.task) == (NAME, "arithmetic")
    settings = RewardSettings(accuracy=1.0, format=0.0, brevity=0.0, environment=1.0)
    scores = Judge(settings, task).score([group(sum_, response(str(sum_.answer))), group(guess, response("-1"))])
    assert [(row[0].parts["accuracy"], row[0].parts["environment"]) for row in scores] == [(1.0, None), (0.0, 0.2)]


def test_a_weight_without_an_environment_is_refused(guessing):
    for settings in (TaskSettings(), TaskSettings(mixture=("quadratics", "arithmetic"))):
        with pytest.raises(ValueError, match=r"reward\.environment is 1, and no environment gives a reward"):
            Judge(RewardSettings(environment=1.0), open_tasks(settings))


def test_such_a_weight_is_refused_before_anything_is_begun(guessing):
    with pytest.raises(ValueError, match=r"reward\.environment is 1, and no environment gives a reward"):
        require_named(load_recipe(overrides=["reward.environment=1"]))
    require_named(load_recipe(overrides=["reward.environment=1", "stage=sft"]))  # which has no rewards
    require_named(load_recipe(overrides=["reward.environment=1", f"task.name={NAME}"]))
    assert guessing.closed


def test_a_loader_is_known_by_its_name(guessing):
    task = open_task("own.py:load_environment", settings=TaskSettings(arguments={"load_environment:level": 2}))
    assert task.name == "own.py:load_environment" == task.sample(0, 1)[0].task
    assert task._source.place == "own.py:load_environment" and task._source.arguments == '{"level": 2}'


def test_closing_lets_it_end_what_it_has_running(guessing):
    close_task(open_task(NAME))
    assert guessing.closed
