"""What a run will take of this machine, before anything is loaded: parameters, memory, tokens, time; whether it fits.

Memory is reckoned from the shapes of what is held (`memory.py`), time from a few seconds of the run's own engine and
learner in another process (`rehearsal/`); where several are to work on a cluster, simulated from that (`cluster/`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from groupthink.insight.plan.changes import smallest
from groupthink.insight.plan.cluster.machines import Node
from groupthink.insight.plan.clustered import ClusterPlan, plan_cluster, room_on, this_machine
from groupthink.insight.plan.machine import TYPICAL, Libraries, free_memory, grown
from groupthink.insight.plan.measure import measure
from groupthink.insight.plan.memory import Memory, needs, optimizer_bytes, weight_bytes
from groupthink.insight.plan.printed import gigabytes
from groupthink.insight.plan.shape import ModelShape, read_shape
from groupthink.insight.plan.staff import Staff, staff_of
from groupthink.insight.plan.workload import Workload, tokens_of
from groupthink.model.loading import find_device
from groupthink.recipe import Recipe

CHECKPOINT = 300e6
"""Bytes a second, about, at which a checkpoint is written and its checksum taken."""

ERROR = 0.15
"""The share by which the memory that is reckoned may be too large: `require_room` refuses beyond it alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take. Bytes, tokens and seconds; figures of time are None where they could not be measured."""

    model: str
    architecture: str
    parameters: int  # of the model; those that are tied count once
    trained: int  # that learn: an adapter's alone, where there is one
    device: str  # cpu, cuda or mps
    staff: Staff
    memory: tuple[Memory, ...]  # of each device, the one that computes first
    memory_bytes: int  # at the peak, of the device that computes
    fits: bool
    changes: tuple[str, ...]  # key=value words with which it fits; empty where it does, or where nothing known helps
    prompt_tokens: float  # of a prompt, on average
    response_tokens: float  # of a response, on average
    assumed: str  # where these two come from
    tokens_per_step: int  # that are learned from, prompts included
    seconds: Mapping[str, float] | None  # of a step, by phase
    step_seconds: float | None
    total_seconds: float | None  # of all steps, evaluations and checkpoints
    notes: tuple[str, ...]  # what was left out, and why
    cluster: ClusterPlan | None = None  # where parts are to work on one


def plan(recipe: Recipe, tell: Callable[[str], None] | None = None, nodes: Sequence[Node] | None = None) -> Plan:
    """The plan of `recipe` on this machine. `tell` hears what takes its time.

    `nodes`: the machines of the cluster that is to be joined; None: one is started on this machine, if it is asked for.
    Raises ValueError where the model's config cannot be had, or is of an unknown kind.
    """
    shape, device = read_shape(recipe.model, recipe.trust_remote_code, recipe.layers), find_device().type
    staff, load, libraries = staff_of(recipe, shape, device), Workload.at_most(recipe), TYPICAL
    notes: list[str] = []
    seconds = total = worth = found = None
    if tell is not None:
        tell("measuring how long a step takes")
    fits = memories(recipe, shape, staff, load, device, libraries)[0].fits
    try:
        found = measure(recipe, shape, device, fits=fits)
    except RuntimeError as error:
        notes.append(str(error))
    else:
        notes += found.notes
        worth = found.worth
        staff = staff_of(recipe, shape, device, worth)
        load = Workload(found.prompt, found.response, found.seen)
        if found.code:
            libraries = grown(found.code, found.data)
        seconds = dict(found.seconds)
    memory = memories(recipe, shape, staff, load, device, libraries)
    driver = sum(one.needed for one in memory if one.device == "cpu")
    cluster = plan_cluster(recipe, shape, load, found, nodes, driver)
    if cluster is not None and seconds is not None and (recipe.scale.engines or recipe.scale.learners):
        notes += cluster.notes
        time = cluster.time
        seconds = None if time is None else {phase: share * time.seconds for phase, share in time.shares.items()}
    if seconds is not None and found is not None:
        response = found.response_seconds / max(1, recipe.scale.engines)
        total = _total(recipe, shape, seconds, response, found.start_seconds)
    here = all(one.fits for one in memory)
    fits = here and (cluster is None or cluster.fits)
    changes = () if here else smallest(recipe, _fitting(shape, device, load, libraries, worth)) or ()
    return Plan(
        model=recipe.model,
        architecture=shape.architecture,
        parameters=shape.parameters,
        trained=shape.trained(recipe.lora),
        device=device,
        staff=staff,
        memory=memory,
        memory_bytes=memory[0].needed,
        fits=fits,
        changes=changes,
        prompt_tokens=load.prompt,
        response_tokens=load.response,
        assumed=_assumed(recipe, load, seconds is not None),
        tokens_per_step=tokens_of(recipe, load),
        seconds=seconds,
        step_seconds=None if seconds is None else _step(recipe, seconds),
        total_seconds=total,
        notes=tuple(notes),
        cluster=cluster,
    )


def require_room(recipe: Recipe) -> None:
    """Raise ValueError where a run cannot fit into the memory of this machine, with what would make it fit.

    Nothing is measured: responses are taken to be as long as they may be, and micro-batches to be halved as far as they
    would be. Where the system does not say what is free, or the model is of an unknown kind, nothing is refused.
    """
    try:
        short = _lack_of_room(recipe)
    except Exception:
        return  # what is wrong with the model is said where it is loaded; odd figures of it are no reason to stop
    if short:
        raise ValueError(short)


def _lack_of_room(recipe: Recipe) -> str | None:
    """Why a run cannot fit, with what would make it fit; None where it may."""
    shape, device = read_shape(recipe.model, recipe.trust_remote_code, recipe.layers), find_device().type
    load = Workload.at_most(recipe)

    def fits(asked: Recipe) -> bool:
        least = replace(asked, policy=replace(asked.policy, micro_batch_tokens=1))  # one response at a time
        found = memories(least, shape, staff_of(asked, shape, device), load, device, TYPICAL)
        return all(one.free is None or one.needed * (1 - ERROR) <= one.free for one in found)

    if fits(recipe):
        return _lack_of_places(recipe, shape, load) if recipe.scale.wanted and not recipe.scale.address else None
    memory = memories(recipe, shape, staff_of(recipe, shape, device), load, device, TYPICAL)
    short = max(memory, key=lambda one: one.needed - (one.free or one.needed))
    changes = smallest(recipe, _fitting(shape, device, load, TYPICAL))
    advice = f"it fits with {' '.join(changes)}" if changes else "take a smaller model, or a larger machine"
    return (
        f"this run needs about {gigabytes(short.needed)} of memory on {short.device}, of which "
        f"{gigabytes(short.free or 0)} are free: {advice} (`groupthink check` shows what the memory is for)"
    )


def _lack_of_places(recipe: Recipe, shape: ModelShape, load: Workload) -> str | None:
    """The same of what is to work beside this process, on a cluster that is started on this machine."""
    least = replace(recipe, policy=replace(recipe.policy, micro_batch_tokens=1))
    room = room_on([this_machine(recipe)], least, shape, load, driver=0.0, slack=ERROR)
    return None if room.fits else f"this machine has no room for what [scale] asks for: {'; '.join(room.lacks)}"


def memories(
    recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str, libraries: Libraries
) -> tuple[Memory, ...]:
    """What is needed of each device, beside what it has; the one that computes first."""
    found = needs(recipe, shape, staff, load, device, libraries)
    return tuple(Memory(where, parts, free_memory(where)) for where, parts in found.items())


def _fitting(
    shape: ModelShape, device: str, load: Workload, libraries: Libraries, worth: int | None = None
) -> Callable[[Recipe], bool]:
    """Whether another recipe for the same model fits. `worth`: as `staff_of` takes it."""

    def fits(recipe: Recipe) -> bool:
        shorter = replace(load, response=min(load.response, recipe.rollout.max_tokens))
        staff = staff_of(recipe, shape, device, worth)
        return all(one.fits for one in memories(recipe, shape, staff, shorter, device, libraries))

    return fits


def _step(recipe: Recipe, seconds: Mapping[str, float]) -> float:
    """With a lag, drawing and all that follows it go on at once. (On a cluster what is waited for is simulated.)"""
    if not recipe.rollout.lag or recipe.scale.engines or recipe.scale.learners:
        return sum(seconds.values())
    return max(seconds["generate"], sum(seconds.values()) - seconds["generate"])


def _total(recipe: Recipe, shape: ModelShape, seconds: Mapping[str, float], response: float, start: float) -> float:
    """Seconds of a run from its start to its end."""
    steps, evaluate = recipe.steps, recipe.evaluate
    if recipe.stage == "sample":
        return start + steps * _step(recipe, seconds)
    asked = [evaluate.samples + 1] * (1 + ((steps - 1) // evaluate.every if evaluate.every and steps else 0))
    if recipe.stage == "sft":
        asked[-1] = evaluate.base_samples + 1 + evaluate.samples
    else:
        asked.append(evaluate.base_samples + 1 + evaluate.samples)
    evaluations = evaluate.problems * sum(asked) * response
    checkpoints = 1 + steps // recipe.checkpoint_every + (1 if steps % recipe.checkpoint_every else 0)
    written = checkpoints * (weight_bytes(recipe, shape) + optimizer_bytes(recipe, shape)) + weight_bytes(recipe, shape)
    return start + steps * _step(recipe, seconds) + evaluations + written / CHECKPOINT


def _assumed(recipe: Recipe, load: Workload, measured: bool) -> str:
    if load.measured and recipe.stage == "sample":
        return "the mean of responses of the model"
    if load.measured:
        kind = "demonstrations" if recipe.stage == "sft" else "responses of the model as it is now"
        return f"the mean of {kind}; responses may become longer or shorter as it learns"
    prompt = "prompts as they are" if measured else f"prompts of {load.prompt:.0f} tokens"
    return f"{prompt}, and every response as long as rollout.max_tokens allows: how long they are is not known before"
