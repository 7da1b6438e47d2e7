"""The memory of a run at its peak, by what it is for, from the shapes of what is held.

Everything here is arithmetic on counts. A process keeps what it has freed (`model/allocator.py`), so that what it needs
while it draws and what it needs while it learns are not added up: the larger of the two counts. What processes share
through mapped files counts once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import ceil

import torch

from groupthink.insight.plan.machine import Libraries, total_memory
from groupthink.insight.plan.shape import ModelShape, read_shape
from groupthink.insight.plan.staff import Staff
from groupthink.insight.plan.workload import Workload, group_of, responses_of
from groupthink.model import native as learning_in_c
from groupthink.model.fast_body import LONGEST, ROWS
from groupthink.model.llama import Shape
from groupthink.model.loading import read_config, stored_dtype
from groupthink.model.logprobs import block_bytes, chunk_bytes
from groupthink.model.threads import SMALL
from groupthink.recipe import Recipe
from groupthink.rollout import native as drawing_in_c
from groupthink.rollout.fast import GRAIN, GROWTH
from groupthink.rollout.native import PAGE, PANEL
from groupthink.rollout.pages import GPU_PAGE
from groupthink.run.checkpoints import KEEP

SINGLE = 4
"""Bytes of a float32."""

QUANTISED = 0.53
"""Bytes of a weight in 4 bits, with its share of the constants, quantised again (arXiv 2305.14314, section 3)."""

ROWS_AT_ONCE = 256
"""Responses that one engine draws at a time, at most (`TorchEngine`)."""

CUDA_CONTEXT = 600 * 2**20
"""Bytes of a GPU that CUDA and its libraries take, before anything is there."""

HEAP = 1.15
"""What the C library takes for what comes and goes in a backward pass, over what is asked of it."""

REMADE = 3.7
"""The decoder's layouts of the weights in a process beside the first one: that which it draws from, the next, and what
the C library keeps of earlier ones. Measured with a model of 40 million parameters."""

VLLM = 900 * 2**20
"""Bytes of vLLM's own process, beside weights, keys and values, on a CPU."""

Parts = dict[str, float]
"""Bytes by what they are for, in the order in which they are told."""

TOKEN = 29
"""Bytes of a token in a batch, with the reference's log-probability."""

NAMES = (
    *("weights", "reference", "gradients", "optimizer", "decoder", "cache", "activations", "batches", "processes"),
    "libraries",
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is needed of one device, at the peak."""

    device: str  # cpu, cuda or mps
    parts: Mapping[str, int]  # bytes
    free: int | None  # bytes that are there; None: unknown

    @property
    def needed(self) -> int:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return self.free is None or self.needed <= self.free


def needs(
    recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str, libraries: Libraries
) -> dict[str, dict[str, int]]:
    """Bytes at the peak by device and by what they are for.

    On a CPU that is the sum over the processes; with a GPU it is what the first device needs, and what the processes
    beside it hold of the machine's own memory.
    """
    found = {device: _one_device(recipe, shape, staff, load, device)}
    if device == "cpu":
        found["cpu"]["libraries"] = _libraries(recipe, staff, libraries)
    else:
        if found[device]:
            found[device]["libraries"] = CUDA_CONTEXT
        # Weights pass through on their way to the device.
        elsewhere = recipe.scale.engines and recipe.scale.learners
        every = 0 if elsewhere else shape.parameters * item_of(recipe)
        found["cpu"] = {"weights": every, "libraries": _libraries(recipe, staff, libraries)}
        if recipe.rollout.lag and not recipe.scale.engines:  # files of weights, and what is copied into them
            found["cpu"]["processes"] = (recipe.rollout.lag + 3) * every
    found["cpu"]["batches"] = _kept_batches(recipe, load)
    return {where: {name: round(parts[name]) for name in NAMES if parts.get(name)} for where, parts in found.items()}


def _one_device(recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str) -> Parts:
    """All but the libraries."""
    item, trained, adapted = item_of(recipe), shape.trained(recipe.lora), bool(recipe.lora.rank)
    every = shape.parameters * item
    cache, copied = drawing_bytes(recipe, shape, staff, load, device)
    if recipe.stage == "sample":  # nothing learns
        beside = _beside_drawing(recipe, shape, staff, load, device)
        return {"weights": every, "decoder": copied, "cache": cache, "processes": beside}
    if recipe.scale.engines or recipe.scale.learners:
        return _beside_a_cluster(recipe, shape, staff, load, device)
    # A GPU on which both draw and learn is given back what one holds before the other begins.
    in_turn = device == "cuda" and shape.by_hand
    steady: Parts = {
        "weights": weight_bytes(recipe, shape),
        "reference": reference_bytes(recipe, shape),
        "optimizer": optimizer_bytes(recipe, shape),
        # With an adapter the engine draws from a model of its own, into which it is merged.
        "decoder": copied + (every if adapted else 0.0),
        "cache": 0.0 if recipe.rollout.lag or in_turn else cache,  # with a lag another process draws
    }
    # After an update what an engine decodes with is made anew, before the old goes; an adapter is merged on its way.
    merged = sum(inputs * outputs for inputs, outputs in shape.linears.values()) * item if adapted else 0.0
    generate: Parts = {"decoder": merged + (0.0 if recipe.rollout.lag else copied)}
    if in_turn and not recipe.rollout.lag:
        generate["cache"] = cache
    learn: Parts = {
        "gradients": trained * SINGLE,
        "activations": activation_bytes(recipe, shape, staff, load, device),
    }
    peak = max((generate, learn), key=lambda parts: sum(parts.values()))
    found = {name: steady.get(name, 0.0) + peak.get(name, 0.0) for name in NAMES}
    found["processes"] = _beside_drawing(recipe, shape, staff, load, device) + _beside_learning(
        recipe, shape, staff, load, device
    )
    return found


def _beside_a_cluster(recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str) -> Parts:
    """What is left of a run in its own process, where engines, learners or both are elsewhere."""
    here = replace(recipe, scale=replace(recipe.scale, engines=0, learners=0, rewards=0, address=""))
    if recipe.scale.engines and recipe.scale.learners:
        return {}  # the outline of a model
    if recipe.scale.learners:  # an engine's, and weights that are gathered for it
        cache, copied = drawing_bytes(here, shape, staff, load, device)
        weights = 2 * shape.parameters * item_of(here)
        return {
            "weights": weights,
            "decoder": 2 * copied,
            "cache": cache,
            "processes": _beside_drawing(here, shape, staff, load, device),
        }
    alone = _one_device(
        replace(here, rollout=replace(here.rollout, lag=0)), shape, replace(staff, drawing=1), load, device
    )
    return {name: size for name, size in alone.items() if name not in ("decoder", "cache")}


def _kept_batches(recipe: Recipe, load: Workload) -> float:
    """Learners on a cluster that begin anew learn from what was learned from since the checkpoint before the newest."""
    if not recipe.scale.learners:
        return 0.0
    steps = min(recipe.steps, KEEP * recipe.checkpoint_every)
    return steps * responses_of(recipe) * load.response * TOKEN


def _beside_drawing(recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str) -> float:
    """What processes that draw hold beside the first one, and the files through which they are sent weights."""
    every = shape.parameters * item_of(recipe)
    if recipe.rollout.engine == "vllm":
        if device == "cuda":
            return recipe.vllm.memory_share * (total_memory(device) or 0)
        return 2 * every + recipe.vllm.tensor_parallel * (recipe.vllm.memory_gb * 2**30 + VLLM)
    cache, copied = drawing_bytes(recipe, shape, staff, load, device)
    own = every + REMADE * copied + cache  # a model of its own, and what it decodes with
    if recipe.rollout.lag:
        return own + ((recipe.rollout.lag + 2) * every if device == "cpu" else 0.0)
    return (staff.drawing - 1) * own + every if staff.drawing > 1 else 0.0


def _beside_learning(recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str) -> float:
    """The same of processes that learn. Each begins with a model of its own, whose room it keeps."""
    if staff.learning == 1:
        return 0.0
    every, reference = shape.parameters * item_of(recipe), reference_bytes(recipe, shape)
    began = max(every, reference)  # one after the other
    own = began + activation_bytes(recipe, shape, staff, load, device) + every  # a file of its gradient
    return (staff.learning - 1) * own + every + reference


def reference_bytes(recipe: Recipe, shape: ModelShape) -> float:
    """Those of a second model that is held, to which KL is measured: the policy as it was, or the teacher."""
    if recipe.stage == "distill":
        return teacher_bytes(recipe.distill.teacher, recipe.trust_remote_code)
    has_one = bool(recipe.objective_of_stage.kl) and not recipe.lora.rank
    return shape.parameters * item_of(recipe) if has_one else 0.0


@cache
def teacher_bytes(name: str, trust_remote_code: bool) -> int:
    """Those of a teacher, in the precision that it was saved in."""
    config = read_config(name, trust_remote_code=trust_remote_code)
    return read_shape(name, trust_remote_code).parameters * stored_dtype(config).itemsize


def item_of(recipe: Recipe) -> int:
    """Bytes of a weight while it is computed with."""
    return 2 if recipe.policy.dtype == "bfloat16" else SINGLE


def weight_bytes(recipe: Recipe, shape: ModelShape) -> float:
    """Those of the policy, an adapter included."""
    item = item_of(recipe)
    if not recipe.lora.rank:
        return shape.parameters * item
    adapter = shape.adapter(recipe.lora) * SINGLE
    if not recipe.lora.quantised:
        return shape.parameters * item + adapter
    small = sum(inputs * outputs for inputs, outputs in shape.linears.values())
    return small * QUANTISED + (shape.parameters - small) * item + adapter


def optimizer_bytes(recipe: Recipe, shape: ModelShape) -> float:
    """AdamW's two moments, and the masters of weights that are no float32."""
    trained = shape.trained(recipe.lora)
    moments = 2.05 if recipe.policy.optimizer == "adamw8bit" else 2 * SINGLE  # blocks of 256 have a scale each
    masters = SINGLE if item_of(recipe) < SINGLE and not recipe.lora.rank else 0
    return trained * (moments + masters)


# -- drawing --


def _in_c(recipe: Recipe, shape: ModelShape, device: str) -> bool:
    """Whether the native decoder draws."""
    sizes = (shape.hidden, shape.head_dim, shape.intermediate)
    fits = shape.gated and all(size % PANEL == 0 for size in sizes) and recipe.policy.dtype == "float32"
    return fits and device == "cpu" and shape.parameters < SMALL and drawing_in_c.library() is not None


def drawing_bytes(recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str) -> tuple[float, float]:
    """Of one process that draws: keys, values and logits; and the decoder's own layout of the weights."""
    if recipe.rollout.engine == "vllm":
        return 0.0, 0.0
    item, rows, prompts = item_of(recipe), *live_rows(recipe, staff)
    longest = load.prompt + load.response
    kept = 2 * shape.layers * shape.kv_heads * shape.head_dim * item  # of a token
    # The logits that are drawn from and those that follow them; torch's operations draw in float64 on a GPU.
    logits = rows * shape.vocabulary * (2 * SINGLE if device == "cpu" else 2 * SINGLE + 3 * 8)
    if device == "cuda" and shape.by_hand:
        pages = ceil(longest / GPU_PAGE) + 1
        fused = shape.layers * shape.hidden * (shape.qkv + 2 * shape.intermediate)
        return rows * (pages * GPU_PAGE * kept + 2 * shape.vocabulary * item), fused * item
    if _in_c(recipe, shape, device):
        held, before = pool_pages(rows, prompts, load)
        packed = shape.body + ceil(shape.vocabulary / PANEL) * PANEL * shape.hidden
        return (held + before) * PAGE * kept + logits, packed * SINGLE
    if shape.by_hand:
        room = ceil((longest + longest / GROWTH) / GRAIN) * GRAIN
        fused = shape.layers * shape.hidden * (shape.qkv + 2 * shape.intermediate)
        return rows * room * kept * (1 + 1 / shape.layers) + logits, fused * item
    return rows * longest * kept * (1 + 1 / shape.layers) + logits, 0.0


def live_rows(recipe: Recipe, staff: Staff) -> tuple[int, int]:
    """Responses that one process draws at a time, at most, and the prompts that they are of.

    Evaluations ask for more of them than steps do.
    """
    samples = (recipe.evaluate.samples, 1, recipe.evaluate.base_samples)
    asked = [] if recipe.stage == "sample" else [(recipe.evaluate.problems, count) for count in samples]
    if recipe.stage != "sft":
        asked.append((recipe.task.problems_per_step * (1 + recipe.rollout.lag), group_of(recipe)))
    found = []
    for problems, count in asked:
        prompts = min(ceil(problems / staff.drawing), max(1, ROWS_AT_ONCE // count))
        found.append((min(prompts * count, ROWS_AT_ONCE), prompts))
    return max(found, key=lambda pair: (pair[0], pair[1]))


def pool_pages(rows: int, prompts: int, load: Workload) -> tuple[int, int]:
    """The pages of a pool that has grown as rows did, and of the one before, from which it was copied.

    It grows as `rollout/pages.py` says: by what is missing, or to twice its size.
    """
    held = free = before = 0

    def take(count: int) -> None:
        nonlocal held, free, before
        if free < count:
            before, more = held, max(count - free, held)
            held, free = held + more, free + more
        free -= count

    for _ in range(prompts):
        take(ceil(load.prompt / PAGE))
    for _ in range(ceil(load.response / PAGE)):
        take(rows)
    return held, before


# -- learning --


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Counts of what one process computes at a time: means, and so no whole numbers."""

    responses: float
    targets: float  # tokens of responses
    tokens: float  # and of their prompts, each once
    repeated: float  # tokens of responses, each with its prompt
    pairs: float  # of a token and one before it in its sequence, those that are hidden included; prompts once


def micro_batch(recipe: Recipe, staff: Staff, load: Workload) -> MicroBatch:
    """The largest that `policy/cut.py` makes of a process's share, on average."""
    group, room = group_of(recipe), recipe.policy.micro_batch_tokens
    share = responses_of(recipe) / recipe.policy.minibatches / staff.learning
    whole = load.prompt + group * load.response
    fitting = room / whole * group if room >= whole else (room - load.prompt) // load.response
    responses = min(share, max(1.0, fitting))
    prompts = max(1.0, responses / group)
    targets = responses * load.response
    return MicroBatch(
        responses=responses,
        targets=targets,
        tokens=targets + prompts * load.prompt,
        repeated=targets + responses * load.prompt,
        pairs=targets * (load.prompt + load.response) + prompts * load.prompt**2,
    )


def activation_bytes(recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str) -> float:
    """What one process holds of a micro-batch in the midst of its backward pass, beside the weights' gradients."""
    batch, item = micro_batch(recipe, staff, load), item_of(recipe)
    kept = kept_bytes(recipe, shape, staff, load, device, batch)
    # Of the layer whose gradient is being made: of its inputs, and of its weights.
    inputs = 4 * shape.hidden + 2 * shape.qkv + shape.attended
    layer = (batch.tokens * inputs + min(batch.tokens, ROWS) * 4 * shape.intermediate) * item
    if not recipe.lora.rank:
        layer += 2 * shape.body / shape.layers * SINGLE
    logits = min(chunk_bytes(device), batch.targets * shape.vocabulary * SINGLE)
    blocks = min(2 * block_bytes(device), logits)
    head = 0 if recipe.lora.rank else shape.head * SINGLE
    hidden = 3 * batch.targets * shape.hidden * item
    held = kept + hidden + head + max(logits + blocks, layer + (head if shape.tied else 0))
    return held * HEAP if device == "cpu" else held


def _by_hand(recipe: Recipe, shape: ModelShape, device: str) -> bool:
    """Whether the hand-written passes learn."""
    plain = not recipe.lora.rank and not recipe.policy.recompute_layers and recipe.policy.dtype == "float32"
    return shape.gated and device == "cpu" and plain


def _between_in_c(shape: ModelShape, staff: Staff) -> bool:
    """Whether what stands between its matrix products is C, which keeps no probabilities."""
    sizes = Shape(shape.heads, shape.kv_heads, shape.head_dim, 0.0)
    return staff.threads == 1 and learning_in_c.can_compute(sizes, shape.hidden, shape.intermediate, torch.float32)


def kept_bytes(
    recipe: Recipe, shape: ModelShape, staff: Staff, load: Workload, device: str, batch: MicroBatch
) -> float:
    """What all layers keep of a micro-batch for the backward pass."""
    if _by_hand(recipe, shape, device):
        native = _between_in_c(shape, staff)
        if native or load.prompt + load.response <= LONGEST:
            last = 2 * shape.hidden + 3  # of the last norm, and the token itself
            floats = batch.tokens * (_floats_by_hand(shape) * shape.layers + last)
            # The probabilities of each layer, the mask of all, and the gradient of one.
            probabilities = 0.0 if native else batch.pairs * shape.heads * (shape.layers + 2)
            return (floats + probabilities) * SINGLE
    layer = batch.tokens * _floats_by_transformers(shape) + batch.repeated * (shape.qkv + shape.attended)
    if recipe.policy.recompute_layers:
        return (batch.tokens * shape.hidden * shape.layers + layer) * item_of(recipe)
    return layer * shape.layers * item_of(recipe)


def _floats_by_hand(shape: ModelShape) -> int:
    """Of a token in a layer: what `model/fast_body.py` saves."""
    norms = shape.rotated + shape.heads + shape.kv_heads if shape.qk_norm else 0
    return 2 * shape.hidden + 2 + shape.qkv + shape.attended + norms + shape.heads + 2 * shape.intermediate


def _floats_by_transformers(shape: ModelShape) -> int:
    """Of a token in a layer: what transformers' own forward pass saves, about, but for attention.

    Each norm its input, that over its size, and its output; each matrix product its input; the gate's two inputs, its
    sigmoid and its product.
    """
    norms = 3 * shape.rotated if shape.qk_norm else 0
    return 7 * shape.hidden + norms + shape.attended + 4 * shape.intermediate


def _libraries(recipe: Recipe, staff: Staff, libraries: Libraries) -> float:
    beside = staff.learning - 1 + (1 if recipe.rollout.lag and not recipe.scale.engines else staff.drawing - 1)
    if recipe.rollout.engine == "vllm":
        beside = staff.learning - 1
    return libraries.code + libraries.main + beside * libraries.worker
