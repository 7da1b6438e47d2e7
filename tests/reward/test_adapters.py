import asyncio
import dataclasses
import json
import textwrap

import numpy as np
import pytest

from groupthink.reward.functions import as_reward, load_function
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.task import open_tasks
from groupthink.task.quadratics import Quadratics
from groupthink.task.settings import TaskSettings

# What a user has written for TRL: text or chat, columns of the data set, progress, None for other tasks.
TRL_FILE = """
import asyncio
import re


def reward_len(completions, **kwargs):
    return [float(len(completion)) for completion in completions]


def format_reward(completions, **kwargs):
    pattern = r"^<think>.*?</think>[^<]+$"
    contents = [completion[0]["content"] for completion in completions]
    return [1.0 if re.match(pattern, content) else 0.0 for content in contents]


def accuracy_reward(completions, solution, **kwargs):
    return [float(text.endswith(truth)) for text, truth in zip(completions, solution)]


def only_algebra(prompts, completions, subject, **kwargs):
    return [1.0 if of == "algebra" else None for of in subject]


def shorter_later(completions, completion_ids, trainer_state, log_extra=None, log_metric=None, **kwargs):
    log_extra("length", [len(ids) for ids in completion_ids])
    log_metric("longest", max(map(len, completion_ids)))
    return [-float(len(ids)) if trainer_state.global_step > 3 else 0.0 for ids in completion_ids]


async def asked_elsewhere(prompts, completions, **kwargs):
    await asyncio.sleep(0)
    return [float(prompt in completion) for prompt, completion in zip(prompts, completions)]


class Overlong:
    def __init__(self, longest):
        self.longest = longest

    def __call__(self, completion_ids: list[list[int]], **kwargs) -> list[float]:
        return [-1.0 if len(ids) > self.longest else 0.0 for ids in completion_ids]


overlong = Overlong(100)


def counts_words(completions):
    return [float("=" in text) for text in completions]
"""

# What a user has written for verl, of both kinds that it knows, and what its own scorers look like.
VERL_FILE = """
def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    assert extra_info["index"] == 7
    right = solution_str.split("</think>")[-1] == ground_truth
    return {"score": 1.0 if right else -1.0, "acc": right, "pred": solution_str[-20:]}


def by_source(data_source: str, solution_str: str, ground_truth: str, extra_info=None) -> float:
    return {"lighteval/MATH": 1.0}.get(data_source, 0.0)


async def asked_elsewhere(data_source, solution_str, ground_truth, extra_info):
    return bool(ground_truth in solution_str)


def plain(solution_str, ground_truth, method="strict", format_score=0.0, score=1.0):
    return score if ground_truth in solution_str else format_score


def without_score(data_source, solution_str, ground_truth, extra_info):
    return {"acc": 1.0}
"""


@pytest.fixture
def rewards(group, tmp_path):
    """The values of the function called `name` in a file of this text, for the group."""

    def values(text, name, of=group):
        file = tmp_path / "theirs.py"
        file.write_text(textwrap.dedent(text))
        return asyncio.run(as_reward(load_function(f"{file}:{name}"), name)(of))

    return values


def with_problem(group, **changes):
    return dataclasses.replace(group, problem=dataclasses.replace(group.problem, **changes))


def test_a_file_for_trl_runs_unchanged_on_text(rewards, group):
    assert rewards(TRL_FILE, "reward_len") == [len(response.text) for response in group.responses]
    assert rewards(TRL_FILE, "accuracy_reward") == [1.0, 1.0, 0.0]
    assert rewards(TRL_FILE, "asked_elsewhere") == [0.0, 0.0, 0.0]
    assert rewards(TRL_FILE, "overlong") == [0.0, -1.0, 0.0]
    assert rewards(TRL_FILE, "counts_words") == [1.0, 1.0, 1.0]


def test_completions_are_messages_where_the_prompt_is(rewards, group):
    chat = with_problem(group, prompt=({"role": "user", "content": "Solve x^2-5x+6=0"},))
    assert rewards(TRL_FILE, "format_reward", chat) == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError) as raised:
        rewards(TRL_FILE, "format_reward")
    assert any("as TRL calls its rewards" in note for note in raised.value.__notes__)


def test_columns_of_the_data_are_given_for_each_response_and_none_does_not_count(rewards, group):
    assert rewards(TRL_FILE, "only_algebra", with_problem(group, info={"subject": "algebra"})) == [1.0, 1.0, 1.0]
    assert rewards(TRL_FILE, "only_algebra", with_problem(group, info={"subject": "law"})) == [None, None, None]


def test_a_column_of_the_data_goes_before_the_answer(rewards, group):
    assert rewards(TRL_FILE, "accuracy_reward", with_problem(group, info={"solution": "x=-2"})) == [0.0, 0.0, 1.0]


GSM8K_FILE = """
def correctness(completions, answer, **kwargs):
    truths = [text.split("####")[1].strip().replace(",", "") for text in answer]
    return [float(text.endswith(truth)) for text, truth in zip(completions, truths)]
"""


def test_a_column_is_given_as_the_data_set_has_it(rewards, group, respond, tmp_path):
    """As TRL gives it: with GSM8K's working, which a reward for GSM8K takes apart itself."""
    worked = [{"question": f"{i}?", "answer": f"It is <<{i}*1000={i}000>>.\n#### {i},000"} for i in range(1, 30)]
    (tmp_path / "gsm8k.jsonl").write_text("".join(json.dumps(row) + "\n" for row in worked))
    (problem,) = open_tasks(TaskSettings(data=f"{tmp_path.as_posix()}/gsm8k.jsonl")).sample(0, 1)
    responses = tuple(respond(f"<think>so</think>{text}") for text in (problem.answer, "none"))
    of_gsm8k = dataclasses.replace(group, problem=problem, responses=responses)
    assert rewards(GSM8K_FILE, "correctness", of_gsm8k) == [1.0, 0.0]


def test_the_training_state_knows_the_updates_of_the_weights_that_wrote(rewards, group):
    assert rewards(TRL_FILE, "shorter_later") == [0.0, 0.0, 0.0]
    later = tuple(dataclasses.replace(response, versions_T=np.full(len(response), 4)) for response in group.responses)
    assert rewards(TRL_FILE, "shorter_later", dataclasses.replace(group, responses=later)) == [-40.0, -200.0, -40.0]


def test_a_column_that_is_not_there_is_named_with_those_that_are(rewards, group):
    with pytest.raises(ValueError, match=r"asks for 'subject', which problem quadratics/0/0 has not: did you mean sub"):
        rewards(TRL_FILE, "only_algebra", with_problem(group, info={"subjects": "algebra"}))


def test_a_file_for_verl_runs_unchanged(rewards, group):
    info = {
        "data_source": "lighteval/MATH",
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "x=-8, x=-2"},
        "extra_info": {"index": 7, "split": "train"},
    }
    row = with_problem(group, info=info)
    assert rewards(VERL_FILE, "compute_score", row) == [-1.0, -1.0, 1.0]
    assert rewards(VERL_FILE, "by_source", row) == [1.0, 1.0, 1.0]
    assert rewards(VERL_FILE, "asked_elsewhere", row) == [0.0, 0.0, 1.0]
    assert rewards(VERL_FILE, "plain", row) == [0.0, 0.0, 1.0]


def test_verl_s_arguments_come_from_any_problem(rewards, group):
    assert rewards(VERL_FILE, "compute_score", with_problem(group, info={"index": 7})) == [1.0, 1.0, -1.0]
    assert rewards(VERL_FILE, "by_source") == [0.0, 0.0, 0.0]


def test_a_dict_without_a_score_is_an_error_that_says_what_it_has(rewards):
    with pytest.raises(ValueError, match=r"a dict without 'score' \(it has: acc") as raised:
        rewards(VERL_FILE, "without_score")
    assert any("reward without_score of response 0" in note for note in raised.value.__notes__)


def test_reasoning_gym_s_score_answer_has_the_answer_and_the_entry(rewards, group):
    file = """
    class Dataset:
        def score_answer(self, answer, entry):
            assert entry["metadata"]["difficulty"] == 2 and entry["question"].startswith("Solve")
            return 1.0 if answer == entry["answer"] else 0.01

    score_answer = Dataset().score_answer
    """
    for info in ({"difficulty": 2}, {"metadata": {"difficulty": 2}}):
        assert rewards(file, "score_answer", with_problem(group, info=info)) == [1.0, 1.0, 0.01]


def test_parameters_of_no_form_are_refused_with_the_forms(tmp_path):
    with pytest.raises(ValueError, match=r"my.py:f has the parameters \(completion, \*\*kwargs\): write f\(problem"):
        as_reward(lambda completion, **kwargs: 1.0, "my.py:f")
    with pytest.raises(ValueError, match=r"write f\(problem, response\)"):
        as_reward(lambda: 1.0, "my.py:f")


def test_lists_of_the_wrong_length_are_named_for_them_too(rewards):
    with pytest.raises(ValueError, match=r"reward short gave 1 values for the 3 responses"):
        rewards("def short(completions, **kwargs): return [1.0]", "short")


def test_the_judge_weighs_what_they_give(group, tmp_path):
    (tmp_path / "theirs.py").write_text(TRL_FILE)
    name = f"{tmp_path / 'theirs.py'}:overlong"
    [scores] = Judge(RewardSettings(functions={name: 0.5}), Quadratics()).score([group])
    assert [score.parts[name] for score in scores] == [0.0, -1.0, 0.0]
    assert [score.value for score in scores] == pytest.approx([1.0, 0.3, 0.2])
