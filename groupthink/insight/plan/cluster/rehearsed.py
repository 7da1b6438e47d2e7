"""The rates of a run's parts, from what a rehearsal on this machine has measured of one of each."""

from collections.abc import Sequence
from math import inf

from groupthink.insight.plan.cluster.machines import Node
from groupthink.insight.plan.cluster.rates import Drawing, Groups, Layout, Learning, Rates, Sending, draw_lengths
from groupthink.insight.plan.measure import Rehearsal
from groupthink.insight.plan.memory import SINGLE, item_of
from groupthink.insight.plan.shape import ModelShape
from groupthink.insight.plan.workload import Workload, group_of, problems_of, tokens_of
from groupthink.model.threads import SMALL, physical_cores
from groupthink.recipe import Recipe

PUT = 1.0e9
"""Bytes a second at which a process takes checksums of its weights and puts them into the store of its machine."""

TAKE = 0.6e9
"""Bytes a second at which an engine writes what has come to its own, takes checksums, and makes what it decodes with
anew to compare. Both are assumed, near what 160 MB took on one core of a server."""

ARRIVE = 0.05
"""Seconds for word of new weights to reach an engine, and for its answer."""

CALL = 0.05
"""Seconds for a batch to reach the learners, and for their report to come back."""

BETWEEN = {("cpu", True): 1e9, ("cpu", False): 1.2e9, ("cuda", True): 1e11, ("cuda", False): 1.2e10}
"""Bytes a second of a learner's way to the others, by what computes and whether all are on one machine. Assumed: gloo
through a machine's own network, 10 Gbit/s Ethernet, NVLink at a third of what an H100 has, 100 Gbit/s for a GPU."""

TRACES = 2
"""Looks at some responses, before an update and after it."""

ROWS = 20_000
"""Responses that are simulated, at most, for each layout: more would say the same, and take longer."""

FEWEST = 4
"""Steps that count, at least, beside those before and after them."""


def rates_of(recipe: Recipe, shape: ModelShape, found: Rehearsal, nodes: Sequence[Node], load: Workload) -> Rates:
    """Rates of one engine and one learner, as fast as on this machine."""
    scale, weights = recipe.scale, float(shape.parameters * item_of(recipe))
    device = device_of(recipe)
    alone = len(nodes) == 1
    whole = device == "cpu" and shape.parameters < SMALL
    update = min(found.update, found.seconds["learn"])
    assert found.drawing is not None
    return Rates(
        drawing=Drawing(*found.drawing),
        learning=Learning(
            token=(found.seconds["learn"] - update) / tokens_of(recipe, load),
            update=update,
            fixed=CALL if scale.learners else 0.0,
            weights=weights,
            gradients=float(shape.parameters * SINGLE),
            **gathers_of(recipe, whole),
            micro_batch_tokens=recipe.policy.micro_batch_tokens,
            bandwidth=BETWEEN[device, alone],
        ),
        sending=Sending(
            put=weights / PUT,
            fetch=weights / BETWEEN["cpu", False],
            take=ARRIVE + weights / TAKE + found.seconds["sync"],
        ),
        prompt=load.prompt,
        score=found.seconds["score"] / max(1, scale.rewards),
        record=found.seconds["record"],
    )


def gathers_of(recipe: Recipe, whole: bool) -> dict[str, int]:
    """How often weights are gathered, as `Learning` has it. `whole`: a model that is gathered at once stays so for a
    pass's way back, and for all passes without a gradient that follow each other."""
    reference = 1 if recipe.objective_of_stage.kl else 0
    if whole:
        return {"gathers": 1, "forward": 0, "looks": TRACES + reference}
    return {"gathers": 2, "forward": reference, "looks": TRACES}


def layout_of(recipe: Recipe, nodes: Sequence[Node], here: bool) -> Layout:
    """`here`: the cluster is to be this machine alone."""
    scale, rollout = recipe.scale, recipe.rollout
    cores: tuple[float, ...] = (inf,) * max(1, len(nodes))
    if device_of(recipe) == "cpu":
        cores = (float(physical_cores()),) if here else tuple(max(node.speed, 1.0) for node in nodes)
    return Layout(
        engines=max(1, scale.engines),
        learners=max(1, scale.learners),
        lag=rollout.lag,
        at_once=bool(rollout.lag) and rollout.lag_by == "time",
        prompts=scale.prompts if scale.engines else problems_of(recipe) * (1 + rollout.lag),
        machines=cores,
        engine_cores=max(1.0, scale.engine_cpus),
        learner_cores=max(1.0, scale.learner_cpus),
    )


def device_of(recipe: Recipe) -> str:
    """What engines and learners compute on."""
    return "cuda" if recipe.scale.engine_gpus or recipe.scale.learner_gpus else "cpu"


def steps_of(recipe: Recipe, found: Rehearsal, load: Workload) -> list[Groups]:
    """Lengths of the responses of some steps: like those that were seen, with the mean that the plan goes by."""
    problems, group_size, lag = problems_of(recipe), group_of(recipe), recipe.rollout.lag
    count = max(FEWEST, min(3 * FEWEST, ROWS // (problems * group_size))) + 2 * lag + 1
    seen = found.lengths or (round(load.response),)
    mean = sum(seen) / len(seen)
    lengths = [max(1, min(recipe.rollout.max_tokens, round(length * load.response / mean))) for length in seen]
    return draw_lengths(lengths, problems, group_size, count, recipe.seed)
