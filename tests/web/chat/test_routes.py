"""What the chat page is answered: the models of a run, side by side, scored by the run's own rewards."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest
from pyarrow import parquet

from groupthink.chain import read_chain
from groupthink.web.chat import models as chat_models
from groupthink.web.chat.answers import Answers
from groupthink.web.chat.judge import ChatJudge, Known, find_known
from groupthink.web.chat.models import kept_models, place_of
from groupthink.web.chat.question import read_question
from groupthink.web.reading.places import Places
from groupthink.web.reading.settings import recipe_of
from groupthink.web.serve.fields import BadRequest
from tests.warm import Warm, module
from tests.web.made import begin_run, row, write_step


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with the run `zero`: two steps, each with its checkpoint."""
    folder = tmp_path_factory.mktemp("runs")
    settings = ["steps=2", "checkpoint_every=1", "task.problems_per_step=2", "evaluate.problems=4"]
    settings += ["rollout.group_size=4", "evaluate.samples=2", "policy.processes=1", "rollout.processes=1"]
    process = Warm(module, "groupthink.cli", "train", "--run", folder / "zero", *settings, merged=True)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return folder


@pytest.fixture(scope="module")
def places(runs) -> Places:
    return Places(runs)


@pytest.fixture(scope="module")
def known(runs) -> Known:
    """A problem that the run was measured by."""
    row = parquet.read_table(runs / "zero" / "evaluations" / "after.parquet").to_pylist()[0]
    return Known(row["prompt"], row["problem"], row["expected"])  # the prompt in the place of its name


async def ask(answers, question, leaves=None):
    """The lines of an answer; `leaves`: after so many of them no more are wanted."""
    found = []
    async with aclosing(answers.lines(read_question(question))) as lines:
        async for some in lines:
            assert some.endswith(b"\n")
            found += [json.loads(line) for line in some.splitlines()]
            if leaves is not None and len(found) >= leaves:
                break
    return found


def asked(places, *questions):
    """What is answered to each question, in one event loop."""

    async def every():
        answers = Answers(places.folder)
        try:
            return [await ask(answers, question) for question in questions]
        finally:
            answers.close()

    return asyncio.run(every())


def question(text, *models, **more):
    return {"models": list(models), "messages": [{"role": "user", "content": text}], **more}


def done(lines):
    return [line["done"] for line in lines if "done" in line]


def test_the_models_of_a_run_and_nano(places):
    ids = {model.id: model for model in kept_models(places, "zero")}
    assert list(ids) == ["zero@0", "zero@1", "zero@2", "zero@model", "nano"]
    assert ids["zero@0"] == ("zero@0", "before", "zero", 0)
    assert ids["zero@2"].title == "step 2" and ids["nano"].run is None
    assert [one.id for one in kept_models(places, None)] == ["nano"]
    with pytest.raises(LookupError):
        kept_models(places, "other")


@pytest.mark.parametrize(
    "id",
    ["", "zero", "zero@", "zero@9", "zero@-1", "zero@model/..", "../zero@0", "zero/@0", "@0", "zero@0/", "x" * 5000],
)
def test_no_id_leads_out_of_a_run(places, id):
    with pytest.raises(LookupError):
        place_of(places, id)


def test_a_link_out_of_a_run_is_no_model(places, runs, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    link = runs / "zero" / "checkpoints" / "step-000007"
    link.symlink_to(tmp_path)
    try:
        with pytest.raises(LookupError):
            place_of(places, "zero@7")
    finally:
        link.unlink()


def test_two_models_answer_side_by_side(places, known):
    asking = question(known.problem, "zero@0", "zero@model", n=3, seed=1, max_tokens=150, run="zero")
    (lines,) = asked(places, asking)
    ready, *told, end = lines
    assert (ready, end) == ({"ready": True}, {"end": True})
    for model in (0, 1):
        for index in range(3):
            of_it = [line for line in told if (line["model"], line["response"]) == (model, index)]
            (one,) = done(of_it)
            assert of_it[-1]["done"] is one
            for part in ("reasoning", "answer"):
                text = "".join(line["text"] for line in of_it if line.get("part") == part)
                assert text == (one[part] or "")
            assert one["finish"] in ("stop", "length") and one["tokens"] > 0
            assert set(one["parts"]) == {"accuracy", "format", "brevity"}
            weights = {"accuracy": 0.6, "format": 0.2, "brevity": 0.2}
            assert one["reward"] == pytest.approx(sum(weights[name] * part for name, part in one["parts"].items()))
            assert one["right"] == (one["parts"]["accuracy"] == 1) and one["note"]
            assert one["formed"] == (one["parts"]["format"] == 1)
    (again,) = asked(places, asking)
    key = lambda one: (one["reasoning"], one["answer"])  # noqa: E731
    assert sorted(map(key, done(again)), key=str) == sorted(map(key, done(lines)), key=str)


def test_what_nobody_knows_the_answer_to_is_not_scored(places):
    (lines, expected) = asked(
        places, question("Hello", "nano", n=2, max_tokens=20), question("Hello", "nano", max_tokens=20, expected="x=1")
    )
    for one in done(lines):
        assert (one["reward"], one["parts"], one["right"]) == (None, {}, None)
    assert done(expected)[0]["reward"] is not None and done(expected)[0]["right"] in (True, False)


def test_what_is_not_wanted_any_more_is_not_drawn(places):
    async def leave():
        answers = Answers(places.folder)
        await ask(answers, question("Solve x^2-5x+6=0", "nano", n=64, temperature=2.0), leaves=3)
        (model,) = await answers.models.get(["nano"])
        running = model.running
        for _ in range(500):
            if not running.rows:
                break
            await asyncio.sleep(0.01)
        assert running.rows == 0 and running.cancelled > 0
        answers.close()

    asyncio.run(leave())


def test_no_more_models_are_open_than_may_be(places, monkeypatch):
    monkeypatch.setattr(chat_models, "MOST", 2)

    async def several():
        answers = Answers(places.folder)
        models = answers.models
        for id in ("zero@0", "nano", "zero@1", "nano", "zero@model"):
            await ask(answers, question("Solve x^2-5x+6=0", id, max_tokens=5))
        assert [Path(place).name for place, _ in models._open] == ["nano", "model"]
        assert all(one.questions == 0 for one in models._open.values())
        held = await models.get(["nano", "zero@0"])  # which are being asked, and stay
        waits = asyncio.create_task(models.get(["zero@1", "nano"]))
        given_up = asyncio.create_task(models.get(["nano"]))
        await asyncio.sleep(0.3)
        assert not waits.done() and len(models._open) == 2
        assert held[0].running.failed is held[1].running.failed is None
        given_up.cancel()  # whoever waits may go
        models.leave(held[1])
        found = await waits
        assert found[1] is held[0] and held[1].running.failed is not None
        assert [Path(place).name for place, _ in models._open] == ["step-000001", "nano"]
        answers.close()

    asyncio.run(several())


def test_models_that_are_open_beside_each_other_share_the_memory(places, monkeypatch):
    monkeypatch.setattr("groupthink.web.serve.opened.free_memory", lambda device: 3_000_000)

    async def both():
        answers = Answers(places.folder)
        models = await answers.models.get(["zero@0", "nano", "zero@0"])
        assert models[0] is models[2] and models[0].questions == 2
        for one in models:
            lanes = one.running.lanes
            assert sum(lane.memory for lane in lanes) == pytest.approx(3_000_000 / 2 / chat_models.MOST)
        answers.close()

    asyncio.run(both())


def test_the_answer_is_looked_for_once_and_no_whole_rollouts_are_read(places, known, monkeypatch):
    read, whole = [], parquet.read_table

    def noted(file, **more):
        read.append((file, more["columns"]))
        return whole(file, **more)

    monkeypatch.setattr(parquet, "read_table", noted)
    (lines,) = asked(places, question(known.problem, "zero@0", "nano", max_tokens=20, run="zero"))
    assert all(one["reward"] is not None for one in done(lines))
    files = [file for file, _ in read]
    assert len(files) == len({*files}) > 0
    assert all({*columns} <= {"prompt", "problem", "task", "expected"} for _, columns in read)


@pytest.mark.parametrize(
    "change, param",
    [
        ({"models": []}, "models"),
        ({"models": ["nano"] * 3}, "models"),
        ({"models": "nano"}, "models"),
        ({"models": [1]}, "models"),
        ({"n": 65}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"messages": []}, "messages"),
        ({"expected": 5}, "expected"),
        ({"run": 5}, "run"),
        ({"top_pp": 1}, "top_pp"),
    ],
)
def test_questions_that_are_none(change, param):
    body = {"models": ["nano"], "messages": [{"role": "user", "content": "x"}]}
    read_question(body)
    with pytest.raises(BadRequest) as error:
        read_question(body | change)
    assert error.value.param == param


def test_what_a_run_knows_of_a_prompt(runs, known):
    rows = parquet.read_table(runs / "zero" / "rollouts" / "step-000001.parquet").to_pylist()
    for prompt, expected in ((known.problem, known.expected), (rows[0]["prompt"], rows[0]["expected"])):
        found = find_known(runs / "zero", [{"role": "user", "content": prompt}])
        assert found is not None and (found.task, found.expected) == ("quadratics", expected)
    assert find_known(runs / "zero", [{"role": "user", "content": "Hello"}]) is None


def test_a_prompt_of_messages_is_known_as_well(tmp_path):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Solve x²=1"}]
    run = begin_run(tmp_path / "run")
    write_step(run, 0, [row(0, "x=1", prompt=json.dumps(messages)), row(1, "x=1", prompt=json.dumps(messages[1:]))])
    assert find_known(run, messages) == find_known(run, messages[1:]) == Known("quadratics/1", "quadratics", "x=2, x=3")
    assert find_known(run, messages[:1]) is None


def test_what_was_said_before_makes_it_another_question(runs, known):
    assert find_known(runs / "zero", [{"role": "user", "content": known.problem}] * 2) is None


def judged(recipe, known, *texts):
    from tests.web.responses import response

    judge = ChatJudge(recipe, known, ({"role": "user", "content": "?"},), "")
    try:
        return judge.score([response(text) for text in texts])
    finally:
        judge.close()


def test_nothing_that_a_run_brings_along_is_run(runs):
    from dataclasses import replace

    recipe = recipe_of(runs / "zero")
    reward = replace(recipe.reward, functions={"/no/such/file.py:f": 1.0}, judge=1.0, code=1.0)
    task = replace(recipe.task, name="/no/such/file.py:Riddles")
    judge = replace(recipe.judge, url="http://192.0.2.1/v1", model="nobody")
    strange = replace(recipe, reward=reward, task=task, judge=judge)
    right, wrong = judged(strange, Known("p", "q", "72"), "<think>8*9</think>72", "<think>8*9</think>71")
    assert (right["right"], wrong["right"]) == (True, False) and right["reward"] > wrong["reward"]
    assert right["note"].endswith("left out here: code, judge, /no/such/file.py:f")
    assert set(right["parts"]) == {"accuracy", "format", "brevity"}


def test_an_expected_answer_that_is_none_is_no_crash(runs):
    (found,) = judged(recipe_of(runs / "zero"), Known("chat", "quadratics", "no idea"), "<think>8*9</think>x=2")
    assert found["right"] is False
    assert read_chain("<think>8*9</think>x=2").well_formed
