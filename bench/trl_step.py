"""TRL's side of `vs_trl.py`: `GRPOTrainer`, with groupthink's rewards and problems, stopped between steps.

Runs in TRL's environment; of groupthink it imports only what needs no torch: problems, answers, rewards.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
import transformers
import trl
from datasets import Dataset
from transformers import AutoTokenizer, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from turns import Phases, Spec, Turns, keep_to_core, lot

from groupthink.chain import read_chain
from groupthink.reward.accuracy import accuracy, verify
from groupthink.reward.brevity import brevity
from groupthink.reward.format import adherence
from groupthink.reward.settings import RewardSettings
from groupthink.task import open_task


def main(spec: Spec, micro_batch: int, generation: dict[str, Any]) -> None:
    turns = Turns()
    keep_to_core(spec.core)
    torch.set_num_threads(spec.threads)
    tokenizer = AutoTokenizer.from_pretrained(spec.model, padding_side="left")
    task = open_task("quadratics", spec.seed)
    problems = [problem for step in range(spec.steps) for problem in task.sample(step, spec.problems)]
    rows = [
        {"prompt": [{"role": "user", "content": problem.prompt}], "index": index}
        for index, problem in enumerate(problems)
    ]
    weights = RewardSettings()

    def reward(completions: Sequence, completion_ids: Sequence, index: Sequence[int], **_: Any) -> list[float]:
        """What groupthink's judge gives."""
        if not spec.rules:
            return [lot(list(token_ids)) for token_ids in completion_ids]
        values = []
        for completion, token_ids, row in zip(completions, completion_ids, index, strict=True):
            chain = read_chain(completion[0]["content"])
            verdict = verify(task, problems[row], chain.answer)
            finish = "stop" if token_ids[-1] == tokenizer.eos_token_id else "length"
            short = brevity(len(token_ids), right=verdict.right, brief=weights.brief, long=weights.long)
            parts = (accuracy(verdict), adherence(chain, finish), short)
            shares = (weights.accuracy, weights.format, weights.brevity)
            values.append(sum(share * part for share, part in zip(shares, parts, strict=True)))
        return values

    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=spec.model,
            reward_funcs=reward,
            args=settings(spec, micro_batch, generation, folder),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(InTurn(turns, Phases(), trainer, spec))
        trainer.train()


def settings(spec: Spec, micro_batch: int, generation: dict[str, Any], folder: str) -> GRPOConfig:
    """groupthink's default objective in TRL's words, with all that is not the step itself turned off."""
    responses = spec.problems * spec.group_size
    return GRPOConfig(
        output_dir=folder,
        max_steps=spec.steps * spec.updates,
        # One generation batch, cut into micro-batches, makes the updates of a step.
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=responses // micro_batch // spec.updates,
        steps_per_generation=responses // micro_batch,
        num_generations=spec.group_size,
        max_completion_length=spec.max_tokens,
        temperature=1.0,
        beta=spec.kl,
        loss_type="grpo",
        scale_rewards="none",
        learning_rate=spec.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup", "linear": "linear"}[spec.schedule],
        warmup_steps=spec.warmup * spec.updates,
        adam_beta2=0.99,
        max_grad_norm=1.0,
        shuffle_dataset=False,
        seed=spec.seed,
        model_init_kwargs={"dtype": spec.dtype},
        use_cpu=spec.device == "cpu",
        bf16=spec.dtype == "bfloat16",
        fp16=False,
        gradient_checkpointing=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        report_to="none",
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        **generation,
    )


class InTurn(TrainerCallback):
    """Holds the trainer between steps until one is asked for. A step lasts from the asking to its update's end."""

    def __init__(self, turns: Turns, phases: Phases, trainer: GRPOTrainer, spec: Spec):
        self.turns = turns
        self.turns.save = trainer.save_model
        self.phases = phases
        self.metrics = trainer._metrics["train"]
        self.group_size, self.updates = spec.group_size, spec.updates
        self.drawn: dict[str, Any] = {}
        self._generate = trainer._generate
        trainer._generate = self._watched

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        versions = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}
        self.turns.answer(versions=versions)
        self._wait(control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.updates:
            return  # further updates from this batch are to come
        figures = self.phases.figures()
        self.turns.answer(**figures, **self.drawn, reward=self.metrics["reward"][-1], kl=self.metrics["kl"][-1])
        self._wait(control)

    def _wait(self, control: Any) -> None:
        if not self.turns.asked():
            control.should_training_stop = True
        self.phases.start()

    def _watched(self, prompts: list) -> tuple:
        with self.phases("generate"):
            outcome = self._generate(prompts)
        prompt_ids, completion_ids = outcome[:2]
        lengths = [len(token_ids) for token_ids in completion_ids]
        self.drawn = {
            "prompt_tokens": sum(map(len, prompt_ids)) // self.group_size,
            "tokens": sum(lengths),
            "longest": max(lengths),
        }
        return outcome


if __name__ == "__main__":
    main(Spec.from_json(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
