"""Whether a cluster has room: what each part takes of the ledger, and the memory that it fills, machine by machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from groupthink.insight.plan.cluster.machines import Node
from groupthink.insight.plan.machine import TYPICAL
from groupthink.insight.plan.memory import (
    CUDA_CONTEXT,
    REMADE,
    SINGLE,
    VLLM,
    activation_bytes,
    drawing_bytes,
    item_of,
    reference_bytes,
)
from groupthink.insight.plan.shape import ModelShape
from groupthink.insight.plan.staff import Staff
from groupthink.insight.plan.workload import Workload
from groupthink.model.threads import SMALL
from groupthink.recipe import Recipe

BUCKETS = 2 * 64 * 2**20
"""Bytes of weights on their way, that an engine holds beside its own: a bucket, and the next one."""

Bytes = Mapping[str, float]
"""By what they are for."""


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of actor: what one of it takes."""

    name: str  # engine, learner or reward
    count: int
    cpus: float
    gpus: float
    held: Bytes  # where it computes: on its GPU where it has one
    host: Bytes  # beside that, of its machine's own memory, where it computes on a GPU
    least: int | None = None  # with so many the run begins; None: with all

    @property
    def needed(self) -> int:
        """How many there must be for the run to begin."""
        return self.count if self.least is None else self.least

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @property
    def memory(self) -> float:
        """Bytes of the machine's own memory."""
        return sum((self.host if self.gpus else self.held).values())


@dataclass(frozen=True, slots=True)
class Full:
    """What a machine is to hold."""

    node: str
    parts: Mapping[str, int]  # how many of each kind
    needed: float  # bytes, of its own memory
    free: float | None

    @property
    def fits(self) -> bool:
        return self.free is None or self.needed <= self.free


@dataclass(frozen=True, slots=True)
class Room:
    parts: tuple[Part, ...]
    machines: tuple[Full, ...]
    lacks: tuple[str, ...]  # in words; empty: there is room for all

    @property
    def fits(self) -> bool:
        return not self.lacks


def room_of(
    parts: Sequence[Part],
    nodes: Sequence[Node],
    *,
    store: float,
    driver: float = 0.0,
    pack: bool,
    slack: float = 0.0,
) -> Room:
    """Parts dealt out as Ray would: where most is free, or `pack` where there is already something.

    `store`: bytes of weights on their way, on each machine that has an engine or a learner. `driver`: bytes that the
    first machine is to hold beside, where the driver is one of the cluster's. `slack`: the share by which all of this
    may be too much.
    """
    free = [[node.cpus, node.gpus] for node in nodes]
    dealt: list[dict[str, int]] = [{} for _ in nodes]
    lacks = []
    largest = sorted(parts, key=lambda part: (-part.gpus, -part.cpus))
    needed_first = [(part, 0, part.needed) for part in largest] + [(part, part.needed, part.count) for part in largest]
    for part, first, last in needed_first:
        for done in range(first, last):
            able = [place for place, its in enumerate(free) if its[0] >= part.cpus and its[1] >= part.gpus]
            if not able:
                if done < part.needed:
                    lacks.append(
                        f"{part.needed} {part.name}s take {_taken(part)} each, and there is room for {done}: "
                        "add machines" + (f", or set scale.{part.name}s={done}" if done else "")
                    )
                break
            most = min if pack else max
            place = most(able, key=lambda place: (free[place][1], free[place][0]))
            free[place] = [free[place][0] - part.cpus, free[place][1] - part.gpus]
            dealt[place][part.name] = dealt[place].get(part.name, 0) + 1
    by_name = {part.name: part for part in parts}
    machines = []
    for place, node in enumerate(nodes):
        needed = sum(by_name[name].memory * count for name, count in dealt[place].items())
        needed += store * (1 if dealt[place] else 0) + (driver if place == 0 else 0.0)
        machines.append(Full(node.name, dealt[place], needed, node.memory))
    lacks += [
        f"{full.node} is to hold {full.needed / 1e9:.1f} GB, of which {full.free / 1e9:.1f} GB are free"
        for full in machines
        if full.free is not None and full.needed * (1 - slack) > full.free
    ]
    sizes = [node.gpu_memory for node in nodes if node.gpus and node.gpu_memory]
    lacks += [
        f"one {part.name} fills {sum(part.held.values()) / 1e9:.1f} GB of its GPU, and the smallest has "
        f"{min(sizes) * part.gpus / 1e9:.0f} GB for it"
        for part in parts
        if part.gpus and sizes and sum(part.held.values()) * (1 - slack) > min(sizes) * part.gpus
    ]
    return Room(tuple(parts), tuple(machines), tuple(lacks))


def _taken(part: Part) -> str:
    return " and ".join(f"{count:g} {kind}" for kind, count in (("CPU", part.cpus), ("GPU", part.gpus)) if count)


def parts_of(recipe: Recipe, shape: ModelShape, load: Workload) -> tuple[Part, ...]:
    """The actors that a recipe asks for, with the memory of one of each."""
    scale, found = recipe.scale, []
    if scale.engines:
        held = engine_bytes(recipe, shape, load, "cuda" if scale.engine_gpus else "cpu")
        host = {"libraries": TYPICAL.worker, "weights on their way": BUCKETS}
        found.append(
            Part("engine", scale.engines, scale.engine_cpus, scale.engine_gpus, held, host, scale.least_engines or None)
        )
    if scale.learners:
        held = learner_bytes(recipe, shape, load, "cuda" if scale.learner_gpus else "cpu")
        host = {"libraries": TYPICAL.worker, "opening": shape.parameters * SINGLE}
        found.append(Part("learner", scale.learners, scale.learner_cpus, scale.learner_gpus, held, host))
    if scale.rewards:
        found.append(Part("reward", scale.rewards, 1.0, 0.0, {"libraries": TYPICAL.worker}, {}))
    return tuple(found)


def store_bytes(recipe: Recipe, shape: ModelShape) -> float:
    """Weights in a machine's store: those of each step that is on its way, and the next; if they go through it."""
    if recipe.scale.transport != "store":
        return 0.0
    return (2 + recipe.rollout.lag) * shape.parameters * item_of(recipe)


def learner_bytes(recipe: Recipe, shape: ModelShape, load: Workload, device: str) -> Bytes:
    """Of one of several: its rows of weights, gradients and moments, all in float32; and what it gathers for a pass.

    A layer is gathered while it computes, and the next one on its way; what is no layer (embeddings, head) for the
    whole pass. A small model on a CPU is gathered whole.
    """
    count, item = recipe.scale.learners, item_of(recipe)
    own = shape.parameters * SINGLE / count
    reference = reference_bytes(recipe, shape) / item_of(recipe) * SINGLE / count
    layers = 2 * shape.body / max(1, shape.layers)
    gathered = shape.parameters - shape.body + layers
    if device == "cpu" and shape.parameters < SMALL:
        gathered = shape.parameters
    staff = Staff(drawing=1, learning=count, threads=max(1, int(recipe.scale.learner_cpus)), small=True)
    found = {
        "weights": own,
        "reference": reference,
        "gradients": own + gathered * SINGLE,
        "optimizer": 2 * own,
        "gathered": gathered * item,
        "weights on their way": 0 if recipe.scale.transport == "store" else shape.parameters * item / count,
        "activations": activation_bytes(recipe, shape, staff, load, device),
        "libraries": float(CUDA_CONTEXT if device == "cuda" else TYPICAL.worker),
    }
    return {name: size for name, size in found.items() if size}


def engine_bytes(recipe: Recipe, shape: ModelShape, load: Workload, device: str) -> Bytes:
    """Of one of several: a model of its own, what it decodes with, and keys and values of what it draws at a time."""
    scale, every = recipe.scale, shape.parameters * item_of(recipe)
    if recipe.rollout.engine == "vllm":
        processes = recipe.vllm.tensor_parallel
        beside = recipe.vllm.memory_gb * 2**30 if device == "cpu" else 0.0
        return {"weights": 2 * every, "cache": processes * beside, "libraries": float(processes * VLLM)}
    most = scale.engines * scale.prompts
    asked = replace(
        recipe,
        task=replace(
            recipe.task, problems_per_step=min(recipe.task.problems_per_step * (1 + recipe.rollout.lag), most)
        ),
        evaluate=replace(recipe.evaluate, problems=min(recipe.evaluate.problems, most)),
        rollout=replace(recipe.rollout, lag=0),
    )
    staff = Staff(drawing=scale.engines, learning=1, threads=max(1, ceil(scale.engine_cpus)), small=True)
    cache, copied = drawing_bytes(asked, shape, staff, load, device)
    return {
        "weights": every,
        "decoder": copied * (REMADE if device == "cpu" else 1.0),
        "cache": cache,
        "weights on their way": float(BUCKETS),
        "libraries": float(CUDA_CONTEXT if device == "cuda" else TYPICAL.worker),
    }
