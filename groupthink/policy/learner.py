"""The learner: owns the policy while it learns, and moves it by one batch at a time."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from groupthink.model.loading import load_model
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.model.threads import physical_cores, using_threads
from groupthink.policy.cut import cut, live_groups, responses_of, split, tokens_of
from groupthink.policy.guard import Guard
from groupthink.policy.objective import clipped_high, clipped_low, clipped_surrogate, imitation, importance_ratio, k3
from groupthink.policy.optimizer import adamw, load_optimizer, save_optimizer
from groupthink.policy.schedule import rate_share
from groupthink.policy.settings import PolicySettings
from groupthink.policy.trace import TokenFigures, Trace
from groupthink.records import Batch, Report, Weights


class Learner:
    """Updates a policy by GRPO. It has no random state: the same batches give the same weights.

    `reference` is held fixed, and is needed where `settings.kl` is above 0. `total_steps` is the length of
    the learning rate's schedule, in calls of `update`. `temperature` is the one that responses were
    sampled at: logits are divided by it, as they were then. `imitate`: the batches are demonstrations, which
    have no importance ratio; their likelihood is raised instead of the clipped surrogate.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        reference: PreTrainedModel | None,
        settings: PolicySettings,
        *,
        total_steps: int,
        temperature: float,
        device: torch.device | str = "cpu",
        imitate: bool = False,
    ):
        if settings.kl > 0 and reference is None:
            raise ValueError(f"policy.kl={settings.kl} needs a reference policy: give one, or set policy.kl=0")
        self.model = model.to(device)
        self.settings = settings
        self.total_steps = total_steps
        self.temperature = temperature
        self.imitate = imitate
        self.device = torch.device(device)
        self.steps = 0  # calls of update so far
        self.tokens = 0  # response tokens learned from so far
        self.guard = Guard()
        self.scorer = TokenScorer(self.model)
        self.reference = TokenScorer(reference.to(device)) if reference is not None and settings.kl > 0 else None
        self.parameters = dict(self.model.named_parameters())  # tied ones once
        self.optimizer = adamw(self.parameters, settings)

    @property
    def weights(self) -> Weights:
        """The policy as it is: these tensors are the model's own, and change with the next update."""
        return Weights(version=self.steps, tensors=self.model.state_dict())

    def update(self, batch: Batch) -> Report:
        """Learn from a batch: `epochs` passes over it, `minibatches` updates in each.

        Groups of equal rewards have no policy gradient. Where there is no KL term either they are not
        computed, and their tokens are NaN in the report's columns; the weights count them all the same.
        """
        settings, live = self.settings, live_groups(batch)
        groups = np.arange(len(batch.prompts)) if settings.kl > 0 else live
        computed = responses_of(batch, groups)
        traced = responses_of(batch, live[: settings.traced_groups])
        rate = self._set_learning_rate()
        with using_threads(settings.threads or physical_cores()):
            reference_M = self._logprobs(self.reference, batch, computed) if self.reference else None
            before_M = self._logprobs(self.scorer, batch, traced)
            trace = Trace(batch, reference_M)
            for _ in range(settings.epochs):
                for responses in split(batch, settings.minibatches):
                    self._update_once(batch, np.intersect1d(responses, computed), trace)
            # Before and after are packed alike, so that rounding is the same in both.
            change_M = self._logprobs(self.scorer, batch, traced) - before_M
        self.steps += 1
        self.tokens += len(batch.token_ids_M)
        figures = {
            "learning_rate": rate,
            "num_tokens": float(self.tokens),
            "skipped_updates": float(self.guard.skipped),
        }
        return trace.report(change_M, figures)

    def save(self, folder: Path) -> None:
        """Write the policy in Hugging Face format into `folder`, and what `restore` needs beside it."""
        self.model.save_pretrained(folder)
        save_optimizer(folder / "optimizer.safetensors", self.optimizer, self.parameters)
        state = {"steps": self.steps, "tokens": self.tokens, "guard": asdict(self.guard)}
        (folder / "learner.json").write_text(json.dumps(state, indent=2) + "\n")

    @torch.no_grad()
    def restore(self, folder: Path) -> None:
        """Go back to what `save` wrote, bit for bit, in the model's own tensors.

        Raises ValueError where another model was saved there.
        """
        saved = dict(load_model(folder, dtype=self.model.dtype).named_parameters())
        if _shapes(saved) != _shapes(self.parameters):
            raise ValueError(f"{folder} holds another model than the one that is learning: restore into its own")
        for name, parameter in self.parameters.items():
            parameter.copy_(saved[name])
        load_optimizer(folder / "optimizer.safetensors", self.optimizer, self.parameters)
        state = json.loads((folder / "learner.json").read_text())
        self.steps, self.tokens = state["steps"], state["tokens"]
        self.guard = Guard(**state["guard"])

    def _set_learning_rate(self) -> float:
        settings = self.settings
        share = rate_share(
            self.steps,
            total_steps=self.total_steps,
            warmup_steps=settings.warmup_steps,
            schedule=settings.schedule,
            final_share=settings.final_share,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * share
        return settings.learning_rate * share

    def _update_once(self, batch: Batch, responses: np.ndarray, trace: Trace) -> None:
        """One update from some of the responses, in micro-batches."""
        for parameter in self.parameters.values():
            # Zero, not None: a step without live groups is then an update like any other.
            parameter.grad = torch.zeros_like(parameter)
        parts = cut(batch, responses, self.settings.micro_batch_tokens)
        loss = sum(self._backward(batch, part, trace) for part in parts)
        norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.settings.max_grad_norm))
        trace.note_update(loss, norm)
        if self.guard.allows(loss, norm):
            self.optimizer.step()
        self.optimizer.zero_grad()

    def _backward(self, batch: Batch, responses: np.ndarray, trace: Trace) -> float:
        """Add the gradient of a micro-batch to the parameters'; its share of the loss."""
        settings, tokens = self.settings, tokens_of(batch, responses)
        logprobs_M, entropies_M = self._forward(self.scorer, batch, responses)
        old_M, advantages_M, weights_M = (
            self._tensor(column[tokens]) for column in (batch.old_logprobs_M, batch.advantages_M, batch.weights_M)
        )
        ratio_M = importance_ratio(logprobs_M, old_M)
        if self.imitate:
            losses_M = imitation(logprobs_M, advantages_M)
        else:
            losses_M = clipped_surrogate(ratio_M, advantages_M, low=settings.clip_low, high=settings.clip_high)
        if trace.reference_logprobs_M is not None:
            losses_M = losses_M + settings.kl * k3(logprobs_M, self._tensor(trace.reference_logprobs_M[tokens]))
        # The weights share out one mean over the whole batch; of its equal minibatches each has its part.
        loss = settings.minibatches * (weights_M * losses_M).sum()
        loss.backward()
        figures = TokenFigures(
            logprobs_M=logprobs_M.detach(),
            entropies_M=entropies_M.detach(),
            ratio_M=ratio_M.detach(),
            low_M=clipped_low(ratio_M, advantages_M, low=settings.clip_low),
            high_M=clipped_high(ratio_M, advantages_M, high=settings.clip_high),
        )
        trace.note_tokens(tokens, figures)
        return float(loss.detach())

    @torch.no_grad()
    def _logprobs(self, scorer: TokenScorer, batch: Batch, responses: np.ndarray) -> np.ndarray:
        """The log-probabilities (float32, nats) of the tokens of `responses`; NaN for the others."""
        logprobs_M = np.full(len(batch.token_ids_M), np.nan, np.float32)
        for part in cut(batch, responses, self.settings.micro_batch_tokens):
            logprobs_M[tokens_of(batch, part)] = self._forward(scorer, batch, part)[0].cpu().numpy()
        return logprobs_M

    def _forward(self, scorer: TokenScorer, batch: Batch, responses: np.ndarray) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of the tokens of `responses`, each prompt computed once."""
        spans = [batch.token_ids_M[batch.starts[one] : batch.starts[one + 1]] for one in responses]
        packed = pack(batch.prompts, spans, batch.group_B[responses]).to(self.device)
        return scorer(packed, self.temperature)

    def _tensor(self, column: np.ndarray) -> Tensor:
        return torch.from_numpy(column).to(self.device)


def _shapes(parameters: dict[str, nn.Parameter]) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in parameters.items()}
