"""TRL's side of `learner.py`: the training loop of `GRPOTrainer` on given sequences, stopped between updates."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
import trl
from datasets import Dataset
from transformers import AutoTokenizer, PrinterCallback, TrainerCallback
from trl import GRPOTrainer
from trl.trainer.utils import pad
from trl_step import settings
from turns import Phases, Spec, Turns, keep_to_core
from workload import Workload


def main(spec: Spec, workload: Workload, micro_batch: int, options: dict[str, Any]) -> None:
    turns = Turns()
    keep_to_core(spec.core)
    torch.set_num_threads(1)
    given = padded(workload)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=spec.model,
            reward_funcs=no_reward,
            args=settings(spec, micro_batch, options, folder),
            # A row for each prompt of each step; what it says is never looked at.
            train_dataset=Dataset.from_list([{"prompt": "-"}] * spec.problems * spec.steps),
            processing_class=AutoTokenizer.from_pretrained(spec.model, padding_side="left"),
        )
        trainer._generate_and_score_completions = lambda prompts: dict(given)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(InTurn(turns, Phases(), trainer))
        trainer.train()


def no_reward(completions: Sequence, **_: Any) -> list[float]:
    raise AssertionError("nothing is generated, so nothing is scored")


def padded(workload: Workload) -> dict[str, torch.Tensor]:
    """What the trainer's own generation hands to its loss: prompts padded on the left, responses on the right."""
    responses = [torch.tensor(response) for group in workload.responses for response in group]
    prompts = [
        torch.tensor(prompt) for prompt, group in zip(workload.prompts, workload.responses, strict=True) for _ in group
    ]
    logprobs = [torch.tensor(logprobs) for group in workload.logprobs for logprobs in group]
    completion_mask = pad([torch.ones_like(response) for response in responses])
    return {
        "prompt_ids": pad(prompts, padding_side="left"),
        "prompt_mask": pad([torch.ones_like(prompt) for prompt in prompts], padding_side="left"),
        "completion_ids": pad(responses),
        "completion_mask": completion_mask,
        "advantages": torch.tensor(workload.advantages).flatten(),
        "num_items_in_batch": completion_mask.sum(),
        "old_per_token_logps": pad(logprobs),
    }


class InTurn(TrainerCallback):
    """Holds the trainer between updates until one is asked for."""

    def __init__(self, turns: Turns, phases: Phases, trainer: GRPOTrainer):
        self.turns = turns
        self.phases = phases
        self.grad_norm = float("nan")
        self._clip = trainer._clip_grad_norm
        trainer._clip_grad_norm = self._watched

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        versions = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}
        self.turns.answer(versions=versions)
        self._wait(control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.turns.answer(**self.phases.figures(), grad_norm=self.grad_norm)
        self._wait(control)

    def _wait(self, control: Any) -> None:
        if not self.turns.asked():
            control.should_training_stop = True
        self.phases.start()

    def _watched(self, model: torch.nn.Module) -> torch.Tensor:
        norm = self._clip(model)
        self.grad_norm = float(norm)
        return norm


if __name__ == "__main__":
    main(Spec.from_json(sys.argv[1]), Workload.read(Path(sys.argv[2])), int(sys.argv[3]), json.loads(sys.argv[4]))
