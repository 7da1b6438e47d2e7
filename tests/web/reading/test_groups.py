"""Groups, responses and steps of runs whose figures are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from groupthink.records import Group
from groupthink.run.directory import Run
from groupthink.web.reading.groups import read_group
from groupthink.web.reading.responses import read_response
from groupthink.web.reading.steps import read_step
from groupthink.web.reading.visits import read_problem
from tests.web.reading.making import (
    PROMPT,
    RIGHT,
    WRONG,
    ask,
    encode,
    judge,
    paid,
    respond,
    run_of,
    settings,
    step_of,
    three,
)


@pytest.fixture
def run(tmp_path):
    """Two steps of two groups: one of 1.0, 0.8, 0.2, of which the first was traced, and one whose rewards are equal."""
    with run_of(tmp_path / "r", [[[1.0, 0.8, 0.2], [0.5, 0.5, 0.5]]] * 2, change={0: 0.25, 2: -0.125}) as run:
        yield run


def test_a_group_is_all_five_steps(run):
    found = read_group(run.path, 1, 0, "some/r")
    assert (found["run"], found["step"], found["group"], found["groups"]) == ("some/r", 1, 0, 2)
    assert (found["first"], found["last"], found["problem"]) == (0, 1, "quadratics/train/0/2")
    assert (found["prompt"], found["expected"], found["estimator"]) == ("Solve x^2-5x+6=0", "x=2, x=3", "center")
    assert found["mean"] == 0.666667 and found["gradient"] and found["why_none"] is None
    assert found["arithmetic"]["each"] == ["1.0 - 0.667 = +0.333", "0.8 - 0.667 = +0.133", "0.2 - 0.667 = -0.467"]
    first, second, third = found["responses"]
    assert (first["reasoning"], first["answer"], first["formed"]) == ("2*3=6", "x=2, x=3", True)
    assert (first["reward"], first["parts"], first["sum"]) == (1.0, {"accuracy": 1.0}, "1 x 1 = 1")
    assert (first["right"], second["right"], first["length"]) == (True, False, len(encode(RIGHT)) + 1)
    assert first["change"] == 0.25 and first["change_sum"] == 0.25 * first["length"]
    assert (first["logprob"], first["drawn"]) == (-0.5, -0.5)
    assert first["written"] == {"reward": "1", "parts": {"accuracy": {"value": "1", "weight": "1", "share": "1"}}}
    assert found["traced"] == {"groups": [0], "most": 1}
    assert second["change"] is None and third["change"] == -0.125
    log_ratio = -0.7 + 0.5  # of the reference to the policy
    assert first["kl"] == pytest.approx(np.exp(log_ratio) - log_ratio - 1, rel=1e-5)
    assert (first["entropy"], first["clipped"], first["versions"], first["turns"]) == (0.3, 0.0, [1], None)
    json.dumps(found, allow_nan=False)


def test_responses_stand_by_advantage(tmp_path):
    with run_of(tmp_path / "r", [[[0.2, 1.0, 0.5], [1, 1, 0]]]) as run:
        found = read_group(run.path, 0, 0)
    assert [one["response"] for one in found["responses"]] == [1, 2, 0]
    assert [one["advantage"] for one in found["responses"]] == pytest.approx([0.433333, -0.0666667, -0.366667])
    assert found["arithmetic"]["each"][0] == "1.0 - 0.567 = +0.433"


def test_a_group_of_equals_has_no_gradient(run):
    found = read_group(run.path, 0, 1)
    assert not found["gradient"]
    assert found["why_none"].startswith("All 3 responses earned 0.5, so each is exactly the average.")
    assert "KL" in found["why_none"]  # objective.kl is 0.001
    assert found["traced"]["groups"] == [0]  # it is told which one was
    assert [one["response"] for one in found["responses"]] == [0, 1, 2]
    assert [one["parts"] for one in found["responses"]] == [{"accuracy": 0.5}] * 3


@pytest.mark.parametrize(
    ("words", "rewards", "why"),
    [
        (
            ["advantage.estimator=pass_at_k", "advantage.k=2"],
            [0.2, 0.1, 0.0],
            "Every set of 2 responses passes, or none",
        ),
        (["advantage.estimator=maxrl"], [0.5, -0.5, 0.0], "not above 0.0001"),
        (["objective.kl=0"], [1.0, 1.0, 1.0], "All 3 responses earned 1, so each is exactly the average."),
    ],
)
def test_why_there_is_none(tmp_path, words, rewards, why):
    with run_of(tmp_path / "r", [[rewards, [1, 0, 0]]], *words) as run:
        found = read_group(run.path, 0, 0)
    assert not found["gradient"] and why in found["why_none"]
    assert ("KL" in found["why_none"]) == ("objective.kl=0" not in words)


def test_responses_that_are_left_out_give_none(tmp_path):
    recipe = settings("steps=1", "objective.overlong=masked")
    with Run.create(tmp_path / "r", recipe) as run:
        texts = ((RIGHT, "stop"), (WRONG, "stop"), (RIGHT, "length"))
        group = Group(ask(), encode(PROMPT), tuple(respond(text, finish=end) for text, end in texts))
        scores = [[judge(paid(value), recipe) for value in (0.0, 0.0, 1.0)]]
        run.record(0, *step_of([group], scores, recipe, advantages_PG=np.array([[0.0, 0.0, 1.0]])))
        found = read_group(run.path, 0, 0)
    assert not found["gradient"] and "objective.overlong" in found["why_none"]


def test_what_is_not_there_is_said(run, tmp_path):
    with pytest.raises(LookupError, match="steps 0 to 1"):
        read_group(run.path, 7, 0)
    with pytest.raises(LookupError, match="has no group 2: it has 2"):
        read_group(run.path, 0, 2)
    with pytest.raises(LookupError, match="has no group -1"):
        read_group(run.path, 0, -1)
    with pytest.raises(LookupError, match="no response 3"):
        read_response(run.path, 0, 0, 3)
    with pytest.raises(LookupError, match="steps 0 to 1"):
        read_step(run.path, 2)
    with run_of(tmp_path / "new", []) as new, pytest.raises(LookupError, match="no responses are kept"):
        read_step(new.path, 0)


def test_a_file_that_is_damaged_is_named(run):
    file = run.path / "rollouts/step-000000.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    for read in (lambda: read_step(run.path, 0), lambda: read_group(run.path, 0, 0)):
        with pytest.raises(ValueError, match=r"step-000000\.parquet cannot be read"):
            read()


def test_a_step_is_its_groups(run):
    found = read_step(run.path, 0)
    assert (found["run"], found["first"], found["last"], found["parts"]) == ("r", 0, 1, ["accuracy"])
    assert found["metrics"]["reward"] == pytest.approx(3.5 / 6, rel=1e-5) and found["metrics"]["time/learn"] == 2.0
    one, other = found["groups"]
    assert (one["kind"], one["gradient"], one["mean"]) == ("mixed", True, 0.666667)
    assert (other["kind"], other["gradient"], other["prompt"]) == ("wrong", False, "Solve x^2-5x+6=0")
    first = one["responses"][0]
    assert first == {
        "response": 0,
        "reward": 1.0,
        "advantage": 0.333333,
        "right": True,
        "length": len(encode(RIGHT)) + 1,
        "finish": "stop",
        "extracted": None,
        "formed": True,
        "note": "",
        "parts": {"accuracy": 1.0},
        "change": 0.25,
    }
    assert one["responses"][1]["change"] is None
    json.dumps(found, allow_nan=False)


def test_kinds_of_groups(tmp_path):
    recipe = settings("steps=1")
    parts = [(1, 1, 1), (0, 0, 0), (1, 0, 1), (None, None, None), (None, 1, 1)]
    with Run.create(tmp_path / "r", recipe) as run:
        scores = [[judge({"accuracy": one}, recipe) for one in row] for row in parts]
        run.record(0, *step_of([three(number) for number in range(5)], scores, recipe))
        found = read_step(run.path, 0)
    assert [group["kind"] for group in found["groups"]] == ["right", "wrong", "mixed", "unknown", "right"]
    assert [one["right"] for one in found["groups"][4]["responses"]] == [None, True, True]


def test_what_is_only_drawn(tmp_path):
    """The stage `sample`: no advantages, no learner."""
    recipe = settings("stage=sample", "sample.problems=2", "sample.responses=3")
    with Run.create(tmp_path / "r", recipe) as run:
        scores = [[judge(paid(value), recipe) for value in (0.0, 1.0, 1.0)]] * 2
        run.record_sampled(0, [three(0), three(1)], scores, {"generate": 1.0})
        step, group, response = read_step(run.path, 0), read_group(run.path, 0, 0), read_response(run.path, 0, 0, 1)
    assert [one["advantage"] for one in step["groups"][0]["responses"]] == [None] * 3
    assert [one["response"] for one in group["responses"]] == [1, 2, 0]  # by reward
    assert group["traced"]["groups"] == []
    assert group["estimator"] is None and "only draws and judges" in group["why_none"]
    assert group["arithmetic"]["each"] is None and group["arithmetic"]["mean"] == "(0.0 + 1.0 + 1.0) / 3 = 0.667"
    assert group["responses"][0]["logprob"] is None and group["responses"][0]["clipped"] is None
    assert set(response["tokens"]["learner_logprob"]) == {None} and set(response["tokens"]["logprob"]) == {-0.5}
    json.dumps([step, group, response], allow_nan=False)


def test_without_a_reference_there_is_no_kl(tmp_path):
    with run_of(tmp_path / "r", [[[1, 0, 0], [1, 1, 0]]], reference=None) as run:
        assert read_group(run.path, 0, 0)["responses"][0]["kl"] is None
        assert set(read_response(run.path, 0, 0, 0)["tokens"]["kl"]) == {None}


def test_a_response_token_by_token(run):
    found = read_response(run.path, 0, 0, 0)
    tokens, length = found["tokens"], len(encode(RIGHT)) + 1
    assert found["pieces"] == "exact" and "".join(tokens["text"]) == f"{RIGHT}<|end|>"
    assert tokens["text"][:3] == ["<think>", "2", "*"] and all(len(column) == length for column in tokens.values())
    assert set(tokens["logprob"]) == {-0.5} and set(tokens["ratio"]) == {1.0} and set(tokens["change"]) == {0.25}
    assert set(tokens["reference_logprob"]) == {-0.7} and set(tokens["clipped"]) == {False}
    assert set(tokens["advantage"]) == {0.333333} and set(tokens["version"]) == {0}
    assert (found["equation"], found["order"], found["responses"]) == ("1.0 - 0.667 = +0.333", [0, 1, 2], 3)
    assert (found["problem"], found["expected"], found["text"]) == ("quadratics/train/0/0", "x=2, x=3", RIGHT)
    json.dumps(found, allow_nan=False)


def test_a_response_of_several_turns(tmp_path):
    """What the task replied was not drawn: it counts in no mean, and has no figures."""
    recipe = settings("steps=1")
    one = respond("12*7")
    reply = encode("=84")
    ids = np.concatenate([one.token_ids_T, reply, respond("84").token_ids_T])
    sampled = np.ones(len(ids), bool)
    sampled[len(one) : len(one) + 3] = False
    logprobs = np.where(sampled, np.float32(-0.5), np.float32(0))
    talk = replace(
        one,
        token_ids_T=ids,
        sampled_T=sampled,
        logprobs_T=logprobs,
        drawn_logprobs_T=logprobs,
        versions_T=np.where(sampled, 0, -1),
        text="12*7<|end|>=8484",
    )
    with Run.create(tmp_path / "r", recipe) as run:
        group = Group(ask(), encode(PROMPT), (talk, respond(RIGHT), respond(WRONG)))
        scores = [[judge(paid(value), recipe) for value in (1.0, 0.0, 0.0)]]
        run.record(0, *step_of([group], scores, recipe, change={0: 0.5}))
        found = read_response(run.path, 0, 0, 0)
    assert found["turns"] == [
        {"who": "policy", "text": "12*7<|end|>"},
        {"who": "task", "text": "=84"},
        {"who": "policy", "text": "84<|end|>"},
    ]
    assert found["length"] == 8 and found["logprob"] == -0.5 and found["change_sum"] == 4.0 and found["versions"] == [0]
    assert found["tokens"]["logprob"][5:8] == [None] * 3 and found["tokens"]["version"][5:8] == [None] * 3
    assert found["tokens"]["sampled"][4:9] == [True, False, False, False, True]


def test_a_chain_that_the_prompt_has_opened(tmp_path):
    recipe = settings("steps=1")
    with Run.create(tmp_path / "r", recipe) as run:
        group = Group(ask(), encode(f"{PROMPT}<think>\n"), tuple(map(respond, ("2*3=6</think>x=2", "x", "y"))))
        scores = [[judge(paid(value), recipe) for value in (1.0, 0.0, 0.0)]]
        run.record(0, *step_of([group], scores, recipe))
        first = read_group(run.path, 0, 0)["responses"][0]
        assert (first["reasoning"], first["answer"], first["formed"]) == ("2*3=6", "x=2", True)
        assert [one["formed"] for one in read_step(run.path, 0)["groups"][0]["responses"]] == [True, False, False]
        row = {"kind": "sampled", "problem": ask().id, "prompt": "Solve", "text": "2*3=6", "right": False}
        run.write_evaluation("before", [row | {"length": 5}], {"pass@1": 0.0})
        found = read_problem(run.path, ask().id)
        chains = [(one["reasoning"], one["answer"]) for one in found["visits"][0]["responses"]]
        assert chains == [("2*3=6", "x=2"), ("x", None), ("y", None)]
        (asked,) = found["evaluations"][0]["responses"]
        assert (asked["reasoning"], asked["answer"]) == ("2*3=6", None)  # by the same template


def test_without_a_tokenizer_tokens_are_their_numbers(tmp_path):
    with run_of(tmp_path / "r", [[[1, 0, 0], [1, 1, 0]]], "model=someone/model") as run:
        found = read_response(run.path, 0, 0, 0)
    assert found["pieces"] == "ids" and found["tokens"]["text"][0] == f"[{found['tokens']['id'][0]}]"


def test_messages_are_told_one_by_one(tmp_path):
    messages = ({"role": "system", "content": "Be brief"}, {"role": "user", "content": "2+2"})
    recipe = settings("steps=1")
    with Run.create(tmp_path / "r", recipe) as run:
        problem = replace(ask(), prompt=messages, answer=None)
        scores = [[judge(paid(value), recipe) for value in (1.0, 0.0, 0.0)]]
        run.record(0, *step_of([replace(three(), problem=problem)], scores, recipe))
        assert read_group(run.path, 0, 0)["prompt"] == list(messages)
        assert read_group(run.path, 0, 0)["expected"] is None
        assert read_step(run.path, 0)["groups"][0]["prompt"] == "2+2"


def test_hostile_text_stays_text(tmp_path):
    """Whatever a model writes is given as it was stored, and can be told as JSON."""
    texts = ("\ud800<script>", "\x00\x1b[2J\u202e", "[{" * 2000)
    recipe = settings("steps=1")
    with Run.create(tmp_path / "r", recipe) as run:
        prompt = '[{"role": 1}, 2]'
        group = Group(
            replace(ask(), prompt=prompt), encode(PROMPT), tuple(replace(respond("x"), text=one) for one in texts)
        )
        scores = [[judge(paid(value), recipe) for value in (1.0, 0.5, 0.0)]]
        run.record(0, *step_of([group], scores, recipe))
        found = read_group(run.path, 0, 0)
    assert [one["text"] for one in found["responses"]] == ["\\ud800<script>", texts[1], texts[2]]
    assert found["prompt"] == prompt
    json.dumps(found, allow_nan=False).encode()
