"""TRL's trainer, whose model and engine are replaced by given numbers; all else in it is TRL's own code.

From rewards to the loss that is what `GRPOTrainer._generate_and_score_completions` (advantages, corrections of the
engine's mismatch, masks, counts) and `GRPOTrainer._compute_loss` do with them.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.experimental.gmpo import GMPOConfig, GMPOTrainer
from trl.trainer.utils import selective_log_softmax_and_entropy, split_tensor_dict

import groupthink.nano
from tests_peers.trl.rollouts import GROUP, MAX_TOKENS, WHOLE, Cut, Rollouts

MODEL = Path(groupthink.nano.__file__).parent / "model"  # whatever TRL can load: its numbers are never used

PLAIN = {"loss_type": "grpo", "scale_rewards": "none", "beta": 0.0, "vllm_importance_sampling_correction": False}
"""GRPO as groupthink's defaults have it, without a KL term; what a case says goes on top."""


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """What a side makes of the rollouts."""

    loss: float
    gradient_MV: Tensor  # with respect to the logits
    figures: dict[str, float]  # TRL's metrics

    @property
    def scale(self) -> float:
        return self.gradient_MV.abs().max().item()


class Given:
    """Mixed into one of TRL's trainers: replaces what it generates, scores and finds likely."""

    rollouts: Rollouts
    logits_MV: Tensor

    def _generate(self, prompts: list) -> tuple:
        """Responses in the order of their prompts; the one prompt token of response b is b."""
        rollouts, sizes = self.rollouts, torch.bincount(self.rollouts.response_M).tolist()
        token_ids, sampled, engine = (
            [part.tolist() for part in column.split(sizes)]
            for column in (rollouts.token_ids_M, rollouts.sampled_M.long(), rollouts.engine_logprobs_M)
        )
        prompt_ids, texts = [[response] for response in range(len(sizes))], [""] * len(sizes)
        return prompt_ids, token_ids, sampled, texts, engine if self.use_vllm else None, {}, None, None

    def _calculate_rewards(self, *_: Any) -> Tensor:
        return torch.from_numpy(self.rollouts.rewards_BK)

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor, None]:
        """Those of the policy that learns, where a gradient is asked for, else of the old policy or the reference."""
        rollouts, responses_B = self.rollouts, input_ids[:, 0]
        if torch.is_grad_enabled():
            logits_BTV = _padded(self.logits_MV, rollouts.response_M, responses_B, logits_to_keep)
            return *selective_log_softmax_and_entropy(logits_BTV, input_ids[:, 1:]), None
        logprobs_M = rollouts.reference_logprobs_M if model is self.ref_model else rollouts.old_logprobs_M
        logprobs_BT = _padded(logprobs_M, rollouts.response_M, responses_B, logits_to_keep)
        return logprobs_BT, torch.zeros_like(logprobs_BT), None


class GivenGRPO(Given, GRPOTrainer):
    pass


class GivenGMPO(Given, GMPOTrainer):
    pass


class GivenRLOO(Given, RLOOTrainer):
    def _generate(self, prompts: list) -> tuple:
        prompt_ids, token_ids, _, texts, *_ = super()._generate(prompts)
        return prompt_ids, token_ids, texts


TRAINERS = {
    "grpo": (GivenGRPO, GRPOConfig, PLAIN),
    "gmpo": (GivenGMPO, GMPOConfig, PLAIN),
    "rloo": (GivenRLOO, RLOOConfig, {}),
}


def their_trainer(rollouts: Rollouts, settings: dict[str, Any], *, kind: str = "grpo", cut: Cut = WHOLE) -> Any:
    """A trainer made by TRL's own constructor, with `settings` by TRL's names; `kind` is one of TRAINERS."""
    trainer_class, config_class, plain = TRAINERS[kind]
    settings = {**plain, **settings}
    responses, rewards = rollouts.rewards_BK.shape
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_class(
            model=str(MODEL),
            reward_funcs=[_never_called] * rewards,
            args=config_class(
                output_dir=folder,
                per_device_train_batch_size=responses // (cut.micro_batches * cut.mini_batches),
                gradient_accumulation_steps=cut.micro_batches,
                steps_per_generation=cut.micro_batches * cut.mini_batches,
                num_generations=GROUP,
                max_completion_length=MAX_TOKENS,
                num_iterations=2,  # the second update of a batch: ratios differ from 1
                bf16=False,
                use_cpu=True,
                report_to="none",
                **settings,
            ),
            train_dataset=Dataset.from_list([{"prompt": ""}]),
        )
    # vLLM need not be there for what TRL does with its log-probabilities.
    trainer.use_vllm = settings.get("vllm_importance_sampling_correction", False)
    # `train` sets these.
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = cut.micro_batches
    trainer.rollouts, trainer.logits_MV = rollouts, rollouts.logits_MV.clone().requires_grad_()
    return trainer


def their_batch(trainer: Any) -> dict[str, Tensor]:
    """The batch that TRL makes of the rollouts; "advantages" is [B]."""
    return trainer._generate_and_score_completions([{"prompt": ""}] * len(trainer.rollouts.rewards_BK))


def found_by_trl(rollouts: Rollouts, settings: dict[str, Any], *, kind: str = "grpo", cut: Cut = WHOLE) -> Found:
    """TRL's loss of the rollouts, summed over micro-batches, and its gradient."""
    trainer = their_trainer(rollouts, settings, kind=kind, cut=cut)
    parts = split_tensor_dict(their_batch(trainer), cut.micro_batches * cut.mini_batches)
    loss = sum(trainer._compute_loss(trainer.model, part) for part in parts[-cut.micro_batches :])
    (gradient_MV,) = torch.autograd.grad(loss, trainer.logits_MV)
    figures = {name: sum(values) / len(values) for name, values in trainer._metrics["train"].items()}
    return Found(loss.item(), gradient_MV, figures)


def _never_called(**_: Any) -> list[float]:
    raise AssertionError("the rewards are given")


def _padded(column_M: Tensor, response_M: Tensor, responses_B: Tensor, length: int) -> Tensor:
    """Rows [B, length, ...] of `responses_B`, padded on the right with 0."""
    rows = [column_M[response_M == response] for response in responses_B]
    return torch.stack([torch.cat([row, row.new_zeros(length - len(row), *row.shape[1:])]) for row in rows])
