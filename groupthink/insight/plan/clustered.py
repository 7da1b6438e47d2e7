"""The part of a plan that speaks of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

from groupthink.insight.plan.cluster.machines import Node
from groupthink.insight.plan.cluster.rehearsed import device_of, layout_of, rates_of, steps_of
from groupthink.insight.plan.cluster.room import Part, Room, parts_of, room_of, store_bytes
from groupthink.insight.plan.cluster.verdict import Cluster, Verdict
from groupthink.insight.plan.machine import free_memory
from groupthink.insight.plan.measure import Rehearsal
from groupthink.insight.plan.shape import ModelShape
from groupthink.insight.plan.workload import Workload
from groupthink.model.loading import find_device
from groupthink.model.threads import physical_cores
from groupthink.recipe import BY_SAMPLES, Recipe


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What a run takes of a cluster. Time is None where it could not be measured or simulated."""

    nodes: tuple[Node, ...]
    room: Room
    time: Verdict | None
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return self.room.fits


def this_machine(recipe: Recipe) -> Node:
    """The cluster that a run starts where no address is given: it has as many cores as are asked for, in words."""
    import torch

    gpus = torch.cuda.device_count()
    memory = free_memory("cuda") if gpus else None
    cores = physical_cores()
    return Node("this machine", max(cores, recipe.scale.cpus), gpus, free_memory("cpu"), memory, cores)


def room_on(
    nodes: Sequence[Node], recipe: Recipe, shape: ModelShape, load: Workload, *, driver: float, slack: float = 0.0
) -> Room:
    """Whether the actors of a recipe have room on `nodes`: see `room_of`."""
    return room_of(
        parts_of(recipe, shape, load),
        nodes,
        store=store_bytes(recipe, shape),
        driver=driver,
        pack=recipe.scale.placement == "pack",
        slack=slack,
    )


def small_gpus(parts: Sequence[Part], nodes: Sequence[Node]) -> list[str]:
    """What may not fit: Ray tells the kind of a GPU, and some kinds come in two sizes."""
    sizes = [node.gpu_memory_least for node in nodes if node.gpus and node.gpu_memory_least]
    return [
        f"one {part.name} fills {sum(part.held.values()) / 1e9:.1f} GB of its GPU: if the cluster's have "
        f"{min(sizes) / 1e9:.0f} GB, and not twice that, it does not fit"
        for part in parts
        if part.gpus and sizes and sum(part.held.values()) > min(sizes) * part.gpus
    ]


def plan_cluster(
    recipe: Recipe,
    shape: ModelShape,
    load: Workload,
    found: Rehearsal | None,
    nodes: Sequence[Node] | None,
    driver: float,
) -> ClusterPlan | None:
    """The plan of what is to work on the cluster of `nodes`; None where nothing is.

    `nodes`: None where the cluster is started on this machine, which then holds the `driver`'s bytes, too.
    """
    if not recipe.scale.wanted:
        return None
    here = nodes is None
    its = (this_machine(recipe),) if nodes is None else tuple(nodes)
    room = room_on(its, recipe, shape, load, driver=driver if here else 0.0)
    notes = small_gpus(room.parts, its)
    time = None
    if here and recipe.scale.cpus > its[0].cores:
        notes.append(
            f"this machine has {its[0].cores:g} cores, and its engines, learners and rewards ask for "
            f"{recipe.scale.cpus:g}: they share them"
        )
    if recipe.stage not in BY_SAMPLES:
        notes.append(f"how long a step of stage={recipe.stage} takes on a cluster is not simulated")
    elif found is not None and found.drawing is not None:
        if device_of(recipe) == "cuda" and find_device().type != "cuda":
            notes.append(
                "engines and learners are to have GPUs, and this machine has none: run this on a machine of the "
                "cluster, where it can be measured how long a step takes"
            )
        else:
            time = Cluster(
                rates_of(recipe, shape, found, its, load), layout_of(recipe, its, here), steps_of(recipe, found, load)
            ).verdict()
            if not here:
                notes.append("the cluster's machines are taken to be as fast as this one")
            if len(its) > 1:
                notes.append("the network between machines is assumed, not measured")
    return ClusterPlan(its, room, time, tuple(notes))
