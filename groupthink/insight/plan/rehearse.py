"""What a measuring process does: the run's own engine and learner, on a few of its problems, for a few seconds.

At depth 0 it takes the model as it is, with its weights; at any other a model of so many layers, its weights drawn at
random, in place of one that is large or whose weights are not there: what a step takes grows with the layers by a
straight line, of which two depths are two points.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from groupthink.insight.plan.cluster.rates import fitted_drawing
from groupthink.insight.plan.machine import held_by
from groupthink.insight.plan.measure import Rehearsal
from groupthink.insight.plan.shape import ModelShape, read_shape, shape_of
from groupthink.insight.plan.staff import Staff, staff_of
from groupthink.insight.plan.workload import (
    Workload,
    even_operations,
    group_of,
    operations,
    problems_of,
    step_operations,
)
from groupthink.model.allocator import keep_freed_memory
from groupthink.model.attention import register_attention
from groupthink.model.chat import Chat
from groupthink.model.demonstrations import encode_demonstrations
from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.model.loading import find_device, load_model, load_tokenizer, read_config, stored_dtype
from groupthink.model.lora import add_lora
from groupthink.model.threads import find_processes
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.recipe import BY_REWARDS, Recipe, load_recipe
from groupthink.records import Batch, Group, Problem, Report, Response, Score
from groupthink.reward.judge import Judge
from groupthink.rollout.engine import Engine, Sampling
from groupthink.rollout.fastest import fastest
from groupthink.rollout.generate import generate
from groupthink.rollout.open import open_engine
from groupthink.rollout.worker_engine import WorkerEngine
from groupthink.run.directory import Run
from groupthink.task import Task, close_task, open_task, open_tasks
from groupthink.task.context import leave_out_long
from groupthink.task.reply import reply_of

SECONDS = 5.0
"""For drawing, and again for learning, at each depth, beside what comes before the clock runs."""

FIRST_TOKENS = 8
"""Of each response at the first look."""

FASTEST_TOKENS = 16
"""Of each response while it is found how many processes draw fastest: a quarter of what a run draws for that."""

STOPS = 8
"""Responses that ended by themselves, from which a mean length may be reckoned."""

STEP = ("generate", "score", "learn", "sync", "record")
"""The phases of a step, in their order."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run would open."""

    task: Task
    chat: Chat
    engine: Engine
    learner: Learner
    shape: ModelShape
    staff: Staff
    worth: int  # processes that draw fastest


def main(words: Sequence[str], began: float) -> None:
    """Rehearse the recipe in the file `words[0]` at the depths that follow, and print the figures as JSON.

    `began`: when this process did, by `time.perf_counter`.
    """
    recipe, depths = load_recipe(words[0]), [int(word) for word in words[1:]]
    if recipe.stage == "sample":  # it has groups of its own size
        recipe = replace(recipe, rollout=replace(recipe.rollout, group_size=recipe.sample.responses))
    code, data = held()
    found = []
    for depth in depths:
        found.append(rehearse(recipe, depth, code, data, began))
        began = time.perf_counter()
    whole = (
        found[0]
        if len(found) == 1
        else at_depth(read_shape(recipe.model, recipe.trust_remote_code, recipe.layers).layers, depths, found)
    )
    print(json.dumps(asdict(whole)))


def held() -> tuple[int, int]:
    """Bytes of libraries and of their data in this process, as it is now; zeros where the system does not say."""
    its = held_by("self")
    return (its["Rss"] - its["Anonymous"], its["Anonymous"]) if its else (0, 0)


def at_depth(layers: int, depths: Sequence[int], found: Sequence[Rehearsal]) -> Rehearsal:
    """What it would be with so many layers, by a straight line through what was found at two depths."""
    low, high = found

    def line(first: float, second: float) -> float:
        return first + max(0.0, second - first) * (layers - depths[0]) / (depths[1] - depths[0])

    return replace(
        high,
        seconds={phase: line(taken, high.seconds[phase]) for phase, taken in low.seconds.items()},
        response_seconds=line(low.response_seconds, high.response_seconds),
        update=line(low.update, high.update),
        drawing=(
            (
                line(low.drawing[0], high.drawing[0]),
                line(low.drawing[1], high.drawing[1]),
                line(low.drawing[2], high.drawing[2]),
            )
            if low.drawing and high.drawing
            else None
        ),
        start_seconds=low.start_seconds,  # into which the libraries' import falls; reading weights is not seen
    )


def rehearse(recipe: Recipe, depth: int, code: int, data: int, began: float) -> Rehearsal:
    """Draw, judge and learn on some of a step's problems."""
    notes: list[str] = []
    with open_parts(recipe, depth, notes) as parts:
        start = time.perf_counter() - began
        parts.engine.load(parts.learner.weights)
        problems = parts.task.sample(0, recipe.task.problems_per_step)
        prompt = float(np.mean([len(parts.chat.encode(problem.prompt)) for problem in problems]))
        groups, rate, load = draw(recipe, parts, problems, prompt, seen=not depth)
        per_response = rate * even_operations(parts.shape, load, len(problems), recipe.rollout.group_size)
        per_response /= len(problems) * recipe.rollout.group_size
        drawing = draw_shares(recipe, parts, problems, prompt, rate) if recipe.scale.wanted else None
        scores, judging = score(recipe, parts, groups, depth, notes)
        update, lengths = 0.0, lengths_of(groups, recipe.rollout.max_tokens) if not depth else ()
        if not depth and recipe.stage in BY_REWARDS and to_their_end(groups, recipe.rollout.max_tokens):
            load = replace(load, response=preferred_length(groups, scores, load.response, notes))
        whole = even_operations(parts.shape, load, len(problems), recipe.rollout.group_size)
        seconds = {"generate": rate * whole}
        if recipe.stage == "sft":
            load, groups = demonstrated(recipe, parts)
            seconds["generate"] = 0.0
        else:
            seconds["score"] = judging * problems_of(recipe) * group_of(recipe)
        if recipe.stage != "sample":
            if torch.cuda.is_available():
                parts.engine.release()  # as a run does before it learns
            # The first update waits for the processes that learn, as it does in a run.
            start += timed(partial(parts.learner.update, batch_of(recipe, two_of(groups))))[0]
            seconds["learn"], update, batch, report = learn(recipe, parts, groups, load)
            seconds["sync"] = sync(parts)
            if recipe.stage != "sft":
                share = problems_of(recipe) * group_of(recipe) * load.response / max(len(batch.token_ids_M), 1)
                seconds["record"] = record(recipe, groups, scores, batch, report) * share
        return Rehearsal(
            seconds={phase: seconds.get(phase, 0.0) for phase in STEP},
            response_seconds=per_response + 2 * judging,  # which an evaluation does twice: strictly, and leniently
            start_seconds=start,
            worth=parts.worth,
            prompt=load.prompt,
            response=load.response,
            seen=load.measured,
            notes=tuple(notes),
            code=code,
            data=data,
            update=update,
            lengths=lengths,
            drawing=drawing,
        )


# -- the parts --


@contextmanager
def open_parts(recipe: Recipe, depth: int, notes: list[str]) -> Iterator[Parts]:
    """The parts of a run, as `stage/workshop.py` opens them, but that nothing is written."""
    keep_freed_memory()
    device = find_device()
    with ExitStack() as closing:
        task = open_tasks(recipe.task, recipe.seed)
        closing.callback(close_task, task)
        model = policy(recipe, depth, device)
        chat = chat_of(recipe, notes)
        shape = shape_of(model) if depth else read_shape(recipe.model, recipe.trust_remote_code, recipe.layers)
        if too_long := leave_out_long(task, chat.encode, shape.context, recipe.rollout.max_tokens):
            notes.append(f"{len(too_long)} problems are too long for the model and are left out, such as {too_long[0]}")
        drawn = bare(recipe, depth, device) if recipe.lora.rank else model
        if recipe.lora.rank:
            add_lora(model, recipe.lora, recipe.seed)
        if recipe.policy.recompute_layers:
            checkpoint_layers(model)
        if recipe.rollout.engine == "vllm":
            notes.append("vLLM was not started: how long drawing takes was measured with the embedded engine")
        if recipe.task.rounds > 1:
            notes.append(
                f"one round of a step was measured; task.rounds={recipe.task.rounds} may draw so many times that"
            )
        if recipe.scale.engines and device.type == "cpu":
            torch.set_num_threads(max(1, int(recipe.scale.engine_cpus)))  # as Ray has an engine's process begin
        # What a run would settle goes by the whole model.
        real = shape if not depth else read_shape(recipe.model, recipe.trust_remote_code, recipe.layers)
        rollout = replace(recipe.rollout, engine="torch", lag=0, processes=staff_of(recipe, real, device.type).drawing)
        engine = open_engine(drawn, chat.tokenizer, rollout, device)
        closing.callback(lambda: engine.close())
        worth = find_processes(drawn)
        if isinstance(engine, WorkerEngine) and not recipe.rollout.processes:
            problems = task.sample(0, recipe.task.problems_per_step)
            worth = fastest(engine, chat, problems, recipe.rollout, recipe.seed, FASTEST_TOKENS)
            engine = engine.keep(worth)
        staff = staff_of(recipe, real, device.type, worth)
        learner = Learner(
            model,
            reference(recipe, depth, device),
            # One update is measured, whatever the recipe makes of a batch.
            replace(recipe.policy, processes=staff.learning, threads=staff.threads, minibatches=1, epochs=1),
            recipe.objective_of_stage,
            total_steps=max(recipe.steps, 1),
            temperature=recipe.rollout.temperature,
            device=device,
        )
        closing.callback(learner.close)
        yield Parts(task, chat, engine, learner, shape, staff, worth)


def policy(recipe: Recipe, depth: int, device: torch.device) -> PreTrainedModel:
    if recipe.lora.quantised and not depth:
        from groupthink.model.quantised import load_quantised

        return load_quantised(
            recipe.model,
            device=device,
            dtype=getattr(torch, recipe.policy.dtype),
            trust_remote_code=recipe.trust_remote_code,
        )
    return bare(recipe, depth, device)


def bare(recipe: Recipe, depth: int, device: torch.device) -> PreTrainedModel:
    """The model without an adapter: with its weights, or with so many layers and any weights."""
    dtype = getattr(torch, recipe.policy.dtype)
    return built(recipe.model, depth or recipe.layers, dtype, device, recipe.trust_remote_code)


def reference(recipe: Recipe, depth: int, device: torch.device) -> PreTrainedModel | None:
    """What KL is measured to: a teacher has at a depth as many layers more, or fewer, as it has in all."""
    if recipe.stage == "distill":
        name, trusted = recipe.distill.teacher, recipe.trust_remote_code
        config, student = read_config(name, trust_remote_code=trusted), read_shape(recipe.model, trusted, recipe.layers)
        share = config.get_text_config().num_hidden_layers / student.layers
        layers = max(1, round(depth * share)) if depth else 0
        return built(name, layers, stored_dtype(config), device, trusted)
    return bare(recipe, depth, device) if recipe.objective_of_stage.kl and not recipe.lora.rank else None


def built(name: str, layers: int, dtype: torch.dtype, device: torch.device, trusted: bool) -> PreTrainedModel:
    """A model with its weights; or, where `layers` are named, with so many layers and any weights."""
    if not layers:
        return load_model(name, device=device, dtype=dtype, trust_remote_code=trusted)
    register_attention()
    config = read_config(name, layers=layers, trust_remote_code=trusted)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation="groupthink", trust_remote_code=trusted
        )
    return model.eval()


def chat_of(recipe: Recipe, notes: list[str]) -> Chat:
    try:
        tokenizer = load_tokenizer(recipe.model, trust_remote_code=recipe.trust_remote_code)
    except (OSError, ValueError):
        notes.append("the model's tokenizer is not here: prompts are taken to be as long as in characters")
        return Chat(build_tokenizer())
    return Chat(tokenizer, recipe.chat)


# -- the phases --


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    found = do()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, found


def draw(
    recipe: Recipe, parts: Parts, problems: Sequence[Problem], prompt: float, *, seen: bool
) -> tuple[list[Group], float, Workload]:
    """Groups, the seconds that an operation of theirs takes, and how long responses are.

    First few problems, then all of them, then more tokens of each, as long as there is time.
    """
    sampling, limit = Sampling.of(recipe.rollout), recipe.rollout.max_tokens
    few, tokens = min(parts.staff.drawing, len(problems)), min(FIRST_TOKENS, limit)
    _drawn(parts, problems[:few], replace(sampling, max_tokens=tokens), recipe.seed)  # which wakes who draws
    spent, took, groups, count = 0.0, 0.0, list[Group](), few
    while True:
        spent_now, drawn = timed(partial(_drawn, parts, problems[:count], replace(sampling, max_tokens=tokens)))
        groups, took, spent = drawn, spent_now, spent + spent_now
        ended = all(response.finish == "stop" for group in groups for response in group.responses)
        if count == len(problems) and (ended or tokens == limit):
            break
        more = (len(problems), tokens) if count < len(problems) else (count, min(4 * tokens, limit))
        after = more[0] * operations(parts.shape, [prompt], [[float(more[1])] * sampling.n])
        if spent + took * after / count_of(parts.shape, groups) > SECONDS:
            break
        count, tokens = more
    times, sizes = [took], [count_of(parts.shape, groups)]
    while spent + took < SECONDS and len(times) < 3:  # cheap: once more, with other responses
        seed = recipe.seed + len(times)
        took, groups = timed(partial(_drawn, parts, problems[:count], replace(sampling, max_tokens=tokens), seed))
        times.append(took)
        sizes.append(count_of(parts.shape, groups))
        spent += took
    load = Workload(prompt, *mean_length(groups, tokens, limit, seen=seen))
    return groups, median(one / size for one, size in zip(times, sizes, strict=True)), load


def _drawn(parts: Parts, problems: Sequence[Problem], sampling: Sampling, seed: int = 0) -> list[Group]:
    return generate(parts.engine, parts.chat, problems, sampling, seed, reply=reply_of(parts.task))


def mean_length(groups: Sequence[Group], asked: int, limit: int, *, seen: bool) -> tuple[float, bool]:
    """Tokens of a response on average, and whether the model's own say so.

    Where responses were cut earlier than a run would, an end is taken to be as likely at every token as it was in those
    that were seen: with r ends a token and a limit of L, the mean is (1 - (1 - r)^L) / r.
    """
    responses = [response for group in groups for response in group.responses]
    lengths, ends = [len(response) for response in responses], sum(one.finish == "stop" for one in responses)
    if not seen:
        return float(limit), False
    if asked >= limit or ends == len(responses):
        return float(np.mean(lengths)), True
    if ends < STOPS:
        return float(limit), False
    rate = ends / sum(lengths)
    return (1 - (1 - rate) ** limit) / rate, True


def draw_shares(
    recipe: Recipe, parts: Parts, problems: Sequence[Problem], prompt: float, rate: float
) -> tuple[float, float, float]:
    """How fast one of several engines draws what it will have at a time, and how fast it draws less (`Drawing`).

    `rate`: seconds of an operation, about.
    """
    sampling, scale = Sampling.of(recipe.rollout), recipe.scale
    asked = len(problems) * (1 + recipe.rollout.lag) / max(1, scale.engines)
    most = scale.prompts if scale.engines else len(problems)
    many = list(problems[: max(1, min(most, ceil(asked)))])
    tokens = sampling.max_tokens
    while (
        tokens > FIRST_TOKENS and rate * len(many) * _group_operations(parts, prompt, tokens, sampling.n) > SECONDS / 2
    ):
        tokens //= 2
    reading, _ = timed(partial(_drawn, parts, many, replace(sampling, max_tokens=1)))
    each = reading / len(many)
    batches = []
    few, fewer = (many[: len(many) // 4 or 1], sampling.n) if len(many) > 1 else (many, max(1, sampling.n // 4))
    for some, count in ((many, sampling.n), (few, fewer)):
        took, groups = timed(partial(_drawn, parts, some, replace(sampling, max_tokens=tokens, n=count)))
        lengths = [[len(response) for response in group.responses] for group in groups]
        batches.append((lengths, max(took - each * len(some), took / 10)))
    drawing = fitted_drawing(batches)
    return drawing.step, drawing.row, each


def _group_operations(parts: Parts, prompt: float, tokens: float, size: int) -> float:
    return operations(parts.shape, [prompt], [[tokens] * size])


def lengths_of(groups: Sequence[Group], limit: int) -> tuple[int, ...]:
    """Tokens of responses, where none was cut earlier than a run would."""
    if not to_their_end(groups, limit):
        return ()
    return tuple(len(response) for group in groups for response in group.responses)


def to_their_end(groups: Sequence[Group], limit: int) -> bool:
    """Whether no response was cut earlier than a run would."""
    responses = [response for group in groups for response in group.responses]
    return all(response.finish == "stop" or len(response) == limit for response in responses)


PREFERRED = 8
"""Responses that are better than their group's average, from which a length may be reckoned."""

LONGER = 1.1
"""How many times as long responses become, or as short, before it is worth saying."""


def preferred_length(groups: Sequence[Group], scores: Sequence[Sequence[Score]], now: float, notes: list[str]) -> float:
    """Tokens of the responses that the rewards prefer, which those of a run will soon be; `now` where these are few.

    Each response that is better than its group's average counts by how much it is: so the policy's gradient weighs it.
    """
    better: list[float] = []
    lengths: list[int] = []
    for group, judged in zip(groups, scores, strict=True):
        average = float(np.mean([score.value for score in judged]))
        better += [max(0.0, score.value - average) for score in judged]
        lengths += [len(response) for response in group.responses]
    if sum(each > 0 for each in better) < PREFERRED:
        return now
    preferred = float(np.average(lengths, weights=better))
    if not 1 / LONGER <= preferred / now <= LONGER:
        notes.append(
            f"responses have {now:.0f} tokens now, and those that the rewards prefer {preferred:.0f}: the plan goes by "
            "these, for a run soon writes as they are"
        )
    return preferred


def count_of(shape: ModelShape, groups: Sequence[Group]) -> float:
    """Operations of a forward pass over these groups."""
    lengths = [[len(response) for response in group.responses] for group in groups]
    return operations(shape, [len(group.prompt_ids) for group in groups], lengths)


def score(
    recipe: Recipe, parts: Parts, groups: list[Group], depth: int, notes: list[str]
) -> tuple[list[list[Score]], float]:
    """Scores, and the seconds that one takes. Nobody outside is asked, and nonsense is not judged."""
    parts_of_none = dict.fromkeys(recipe.reward.weights, 0.0)  # as many columns as are written down of real ones
    nothing = [[Score(0.0, parts_of_none) for _ in group.responses] for group in groups]
    if depth or recipe.stage == "sft":
        return nothing, 0.0
    if recipe.reward.judge:
        notes.append("reward.judge asks another model, which was left out: its time comes on top")
        return nothing, 0.0
    try:
        judge = Judge(recipe.reward, parts.task, opening=parts.chat.opening, code=recipe.code)
        seconds, scores = timed(lambda: judge.score(groups))
    except Exception as error:
        notes.append(f"the rewards were left out of the time, for they failed: {type(error).__name__}: {error}")
        return nothing, 0.0
    return scores, seconds / sum(len(group.responses) for group in groups)


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


def learn(recipe: Recipe, parts: Parts, groups: list[Group], load: Workload) -> tuple[float, float, Batch, Report]:
    """Seconds in which a step is learned from, by a line through an update of little and one of much; and those of
    them in which nothing would be, too.

    Much is as many groups as there is time for.
    """
    little, few = batch_of(recipe, two_of(groups)), count_of(parts.shape, two_of(groups))
    short, _ = timed(partial(parts.learner.update, little))
    spent, count = short, 1
    while True:
        much, many = batch_of(recipe, groups[:count]), count_of(parts.shape, groups[:count])
        took, report = timed(partial(parts.learner.update, much))
        spent += took
        slope = max(0.0, (took - short) / (many - few)) if many > few else 0.0
        each = max(slope * many / count, 1e-9)  # a further group
        more = min(len(groups), int((SECONDS - spent) / each))
        if more <= count:
            break
        count = more
    times = [took]
    while spent + took < SECONDS and len(times) < 3:
        again, report = timed(partial(parts.learner.update, much))
        times.append(again)
        spent += again
    long = median(times)
    slope = max(0.0, (long - short) / (many - few)) if many > few else 0.0
    fixed = max(0.0, long - slope * many)
    whole = step_operations(recipe, parts.shape, load)
    update = recipe.policy.epochs * recipe.policy.minibatches * fixed
    return update + recipe.policy.epochs * slope * whole, update, much, report


def two_of(groups: list[Group]) -> list[Group]:
    """One group, of its first two responses alone."""
    return [replace(groups[0], responses=groups[0].responses[:2])]


def batch_of(recipe: Recipe, groups: list[Group]) -> Batch:
    """Groups with advantages of any size, so that every one of them teaches something."""
    if recipe.stage == "sft":
        advantages_PG = np.ones((len(groups), 1))
        return assemble(groups, advantages_PG)
    size = len(groups[0].responses)
    signs = np.where(np.arange(size) % 2, -1.0, 1.0)
    return assemble(groups, np.tile(signs, (len(groups), 1)), recipe.objective, recipe.rollout.max_tokens)


def sync(parts: Parts) -> float:
    """Seconds for the engine to take the learner's weights, and to make sure of it."""

    def both() -> None:
        parts.engine.load(parts.learner.weights)
        parts.engine.verify(parts.learner.weights)

    return median(timed(both)[0] for _ in range(2))


def record(recipe: Recipe, groups: list[Group], scores: list[list[Score]], batch: Batch, report: Report) -> float:
    """Seconds in which the groups of a batch are written down."""
    kept, judged = groups[: len(batch.prompts)], scores[: len(batch.prompts)]
    advantages_PG = np.zeros((len(kept), len(kept[0].responses)))
    with TemporaryDirectory(prefix="groupthink-") as folder, Run.create(Path(folder) / "run", recipe) as run:

        def write(step: int) -> None:
            run.record(step, kept, judged, advantages_PG, batch, report, {})

        return min(timed(partial(write, step))[0] for step in range(3))  # the first imports much
