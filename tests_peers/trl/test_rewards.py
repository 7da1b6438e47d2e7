"""Rewards for TRL are called as TRL calls them."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from trl import GRPOTrainer
from trl.rewards import get_soft_overlong_punishment, think_format_reward

from groupthink.records import Group, Problem, Prompt, Response
from groupthink.reward.functions import as_reward

TEXT = "Solve x^2-5x+6=0"
CHAT = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT})
TEXTS = ("<think>2*3=6</think>x=2, x=3", "x=2", "<think>a<think>b</think>x=1")


def group_of(prompt: Prompt) -> Group:
    problem = Problem("a/0", "a", prompt, "x=2, x=3", {"solution": "x=2, x=3", "answer": "as given", "level": 3})
    return Group(problem, np.array([1]), tuple(_response(text, 4 * (j + 1)) for j, text in enumerate(TEXTS)))


@pytest.mark.parametrize("prompt", [TEXT, CHAT])
def test_the_arguments_are_trl_s(prompt: Prompt, compared: Callable[[], None]):
    theirs, ours = _recorded(), _recorded()
    group = group_of(prompt)
    values = _by_trl(theirs, group)
    assert asyncio.run(as_reward(ours, "ours")(group)) == values
    (given,), (to_us,) = theirs.calls, ours.calls
    assert {name: given[name] for name in given if name not in LIVE} == {
        name: to_us[name] for name in given if name not in LIVE
    }
    assert set(given) <= set(to_us)
    assert given["trainer_state"].global_step == to_us["trainer_state"].global_step == 7
    compared()


@pytest.mark.parametrize("reward", [think_format_reward, get_soft_overlong_punishment(10, 4)])
def test_trl_s_own_rewards_give_what_they_give_there(reward: Callable[..., Any], compared: Callable[[], None]):
    group = group_of(CHAT)
    values = asyncio.run(as_reward(reward, "trl")(group))
    assert values == _by_trl(reward, group) and len(set(values)) > 1
    compared()


LIVE = ("trainer_state", "log_extra", "log_metric")  # objects of the trainer's


def _recorded() -> Callable[..., list[float]]:
    def reward(completions: list[Any], **kwargs: Any) -> list[float]:
        reward.calls.append({"completions": completions, **kwargs})  # type: ignore[attr-defined]
        return [float(len(completions)) + i for i in range(len(completions))]

    reward.calls = []  # type: ignore[attr-defined]
    return reward


def _by_trl(reward: Callable[..., Any], group: Group) -> list[float]:
    """What TRL's trainer makes of a reward, where these are the responses."""
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device=torch.device("cpu"), is_main_process=True),
        args=SimpleNamespace(report_to=[]),
        state=SimpleNamespace(global_step=7),
        reward_funcs=[reward],
        reward_processing_classes=[None],
        reward_func_names=["reward"],
        environments=None,
        _log_completion_extra=lambda column, values: None,
        _log_metric=lambda name, value: None,
    )
    chat = not isinstance(group.problem.prompt, str)
    prompt = [dict(message) for message in group.problem.prompt] if chat else group.problem.prompt  # type: ignore[arg-type]
    texts = [response.text for response in group.responses]
    rewards = GRPOTrainer._calculate_rewards(
        trainer,
        [{"prompt": prompt, **group.problem.info} for _ in texts],
        [prompt for _ in texts],
        [[{"role": "assistant", "content": text}] if chat else text for text in texts],
        [response.token_ids_T.tolist() for response in group.responses],
    )
    return rewards[:, 0].tolist()


def _response(text: str, tokens: int) -> Response:
    nothing = np.zeros(tokens, np.float32)
    return Response(
        np.arange(tokens), np.ones(tokens, bool), nothing, nothing, np.full(tokens, 7), text, "stop", seed=0
    )
