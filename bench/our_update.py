"""groupthink's side of `learner.py`: `Learner.update` on given responses."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from limit import model_sizes, product_rates, update_operations
from turns import Phases, Spec, Turns, keep_to_core
from workload import Workload

from groupthink.model.allocator import keep_freed_memory
from groupthink.model.loading import load_model
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Batch, Group, Problem, Response


def main(spec: Spec, workload: Workload, micro_batch_tokens: int) -> None:
    turns = Turns()
    keep_to_core(spec.core)
    keep_freed_memory()  # as every run does
    torch.set_num_threads(1)
    model = load_model(spec.model)
    settings = PolicySettings(
        learning_rate=spec.learning_rate,
        warmup_steps=0,
        schedule="constant",
        micro_batch_tokens=micro_batch_tokens,
        processes=1,
        threads=1,
        traced_groups=0,
    )
    learner = Learner(
        model, None, settings, ObjectiveSettings(kl=spec.kl), total_steps=spec.steps, temperature=1.0, device="cpu"
    )
    batch = batch_of(workload)
    prompts = [len(prompt) for prompt in workload.prompts]
    operations = update_operations(prompts, workload.lengths, **model_sizes(model))

    turns.answer(versions={"torch": torch.__version__, "transformers": transformers.__version__})
    for _ in range(spec.steps):
        if not turns.asked():
            break
        phases = Phases()
        report = learner.update(batch)
        figures = phases.figures()
        turns.answer(**figures, grad_norm=report.metrics["grad_norm"], operations=operations, rates=product_rates())
    learner.close()


def batch_of(workload: Workload) -> Batch:
    parts = zip(workload.prompts, workload.responses, workload.logprobs, strict=True)
    groups = [
        Group(
            problem=Problem(id=f"bench/{index}", task="bench", prompt=""),
            prompt_ids=np.array(prompt),
            responses=tuple(map(response_of, responses, logprobs)),
        )
        for index, (prompt, responses, logprobs) in enumerate(parts)
    ]
    return assemble(groups, np.array(workload.advantages))


def response_of(token_ids: Sequence[int], logprobs: Sequence[float]) -> Response:
    logprobs_T = np.array(logprobs, np.float32)
    return Response(
        token_ids_T=np.array(token_ids),
        sampled_T=np.ones(len(token_ids), bool),
        logprobs_T=logprobs_T,
        drawn_logprobs_T=logprobs_T,
        versions_T=np.zeros(len(token_ids), int),
        text="",
        finish="length",
        seed=0,
    )


if __name__ == "__main__":
    # The fourth argument is settings of TRL's, which mean nothing here.
    main(Spec.from_json(sys.argv[1]), Workload.read(Path(sys.argv[2])), int(sys.argv[3]))
