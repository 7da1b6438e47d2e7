"""Demonstrations in place of responses, for a stage that imitates them."""

import numpy as np

from groupthink.insight.plan.rehearsal.parts import Parts
from groupthink.insight.plan.workload import Workload
from groupthink.model.demonstrations import encode_demonstrations
from groupthink.recipe import Recipe
from groupthink.records import Group, Response
from groupthink.task import close_task, open_task


def demonstrated(recipe: Recipe, parts: Parts) -> tuple[Workload, list[Group]]:
    """Demonstrations, as responses that are imitated."""
    tasks = [open_task(name, recipe.seed, settings=recipe.task) for name in recipe.sft.tasks]
    problems, texts = [], []
    for index in range(recipe.sft.examples_per_step):
        task = tasks[index % len(tasks)]
        problems += task.sample(index, 1)
        texts.append(task.demonstrate(problems[-1], careful=True))
    for task in tasks:
        close_task(task)
    shown = [(problem.prompt, text) for problem, text in zip(problems, texts, strict=True)]
    encoded = zip(problems, *encode_demonstrations(parts.chat, shown), strict=True)
    groups = [Group(problem, prompt_ids, (_response(token_ids),)) for problem, prompt_ids, token_ids in encoded]
    prompt = float(np.mean([len(group.prompt_ids) for group in groups]))
    return Workload(prompt, float(np.mean([len(group.responses[0]) for group in groups])), True), groups


def _response(token_ids: np.ndarray) -> Response:
    nothing = np.zeros(len(token_ids), np.float32)
    return Response(
        token_ids_T=token_ids,
        sampled_T=np.ones(len(token_ids), bool),
        logprobs_T=nothing,
        drawn_logprobs_T=nothing,
        versions_T=np.zeros(len(token_ids), np.int64),
        text="",
        finish="stop",
        seed=0,
    )
