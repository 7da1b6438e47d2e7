"""What each rank of tests/scale/test_sharded_learner.py does: it is a program, of which several run side by side.

    python -m tests.scale.ranks RANK RANKS FOLDER

Each learner is made by 1, 2 and 4 of the ranks, from the same model; what they found lies in FOLDER afterwards.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from groupthink.advantage import whiten_tokens
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.scale.sharded_learner import ShardedLearner
from tests.policy.conftest import _make_groups, _make_model

OTHERS = {
    "clipped and corrected": ("dapo", {"correction": "truncate_token", "correction_high": 1.1, "kl": 0.1}),
    "steered entropy": ("grpo", {"entropy_bonus": 0.01, "entropy_step": 0.001, "entropy_target": 1.0}),
    "picked by entropy": ("dapo", {"focus": "top_entropy"}),
    "a moving reference": ("grpo", {"kl": 0.1, "reference_every": 1, "reference_mixing": 0.5}),
}
OBJECTIVES = {name: ObjectiveSettings.of_row(name) for name in ROWS if name != "bnpo"} | {
    name: ObjectiveSettings.of_row(row, **settings) for name, (row, settings) in OTHERS.items()
}
SIZES = (1, 2, 4)


def main() -> None:
    rank, ranks, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks, timeout=timedelta(seconds=240)
    )
    meshes = {size: DeviceMesh("cpu", list(range(size))) for size in SIZES}
    for name, objective in OBJECTIVES.items():
        alone = gradients(learner_of(objective, None), objective) if rank == 0 else None
        for size in SIZES:
            if rank < size:
                found = gradients(learner_of(objective, meshes[size]), objective)
                if alone is not None:
                    write(folder / f"gradient {name} {size}.json", far(found, alone))
    for size in SIZES:
        if rank < size:
            checkpoints(folder, meshes, size, rank)
    dist.barrier()


def learner_of(objective: ObjectiveSettings, mesh: DeviceMesh | None, **settings) -> Learner:
    """`micro_batch_tokens` cuts the batch into parts of which some ranks have more than others."""
    dtype = settings.pop("dtype", torch.float32)
    model = _make_model(0, dtype=dtype)
    reference = _make_model(1, dtype=dtype) if objective.kl else None
    its = PolicySettings(
        **{"threads": 1, "max_grad_norm": 1e9, "micro_batch_tokens": 24, "traced_groups": 2} | settings
    )
    schedule = {"total_steps": 10, "temperature": 0.9}
    if mesh is None:
        return Learner(model, reference, its, objective, **schedule)
    return ShardedLearner(model, reference, its, objective, mesh, **schedule)


def batch_of(objective: ObjectiveSettings, seed: int = 0):
    """Three groups of four responses, of 3 to 11 tokens; each token with its own advantage where objectives do so."""
    draw = np.random.default_rng(seed)
    batch = assemble(_make_groups(seed), draw.normal(size=(3, 4)), objective, 12)
    if objective.kl_place == "to_go":
        batch.advantages_M[:] = whiten_tokens(draw.normal(size=len(batch.token_ids_M)), batch.weights_M > 0)
    return batch


def gradients(learner: Learner, objective: ObjectiveSettings) -> dict[str, torch.Tensor]:
    """Of one update, and what was reported of it."""
    seen = {}

    def keep(*_):
        for name, parameter in learner.parameters.items():
            seen[name] = whole(parameter.grad).clone()

    learner.optimizer.register_step_pre_hook(keep)
    report = learner.update(batch_of(objective))
    for name in ("learner_logprobs_M", "entropies_M", "change_M"):
        seen[name] = torch.from_numpy(np.nan_to_num(getattr(report, name), nan=0.0))
    for name, value in report.metrics.items():
        seen[name] = torch.tensor([value])
    for name, parameter in learner.model.named_parameters():
        seen[f"{name} afterwards"] = whole(parameter.detach()).clone()
    return seen


def whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def far(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, float]:
    """By how much of its size each tensor differs."""
    assert found.keys() == expected.keys()
    return {
        name: float((found[name] - tensor).double().norm() / tensor.double().norm().clamp_min(1e-6))
        for name, tensor in expected.items()
    }


def checkpoints(folder: Path, meshes: dict[int, DeviceMesh], size: int, rank: int) -> None:
    """Two updates with a checkpoint between; the second made again from there, by other numbers of ranks."""
    for name, settings in {"float32": {}, "bfloat16": {"dtype": torch.bfloat16}}.items():
        objective, place = (
            OBJECTIVES["a moving reference" if name == "float32" else "dr_grpo"],
            folder / f"{name}-{size}",
        )
        settings |= {"learning_rate": 1e-2, "warmup_steps": 0}
        one = learner_of(objective, meshes[size], **settings)
        one.update(batch_of(objective, 1))
        if rank == 0:
            place.mkdir()
        dist.barrier(meshes[size].get_group())
        one.save(place)
        one.update(batch_of(objective, 2))
        after = {parameter: whole(tensor.detach()) for parameter, tensor in one.model.named_parameters()}
        for others in (None, *SIZES):
            if others is not None and (others > size or rank >= others):
                continue
            if others is None and rank:
                continue
            again = learner_of(objective, None if others is None else meshes[others], **settings)
            again.restore(place)
            again.update(batch_of(objective, 2))
            found = {parameter: whole(tensor.detach()) for parameter, tensor in again.model.named_parameters()}
            if rank == 0:
                write(folder / f"resumed {name} {size} {others}.json", far(found, after))


def write(path: Path, figures: dict[str, float]) -> None:
    path.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
