"""The learner: owns the policy while it learns, and moves it by one batch at a time."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from groupthink.model.lora import has_lora, merged_tensors
from groupthink.model.saving import read_tensors, restore_policy, save_policy
from groupthink.model.threads import physical_cores, using_threads
from groupthink.policy.columns import find_columns, only_live_groups_teach
from groupthink.policy.cut import cut, live_groups, responses_of, share, split, take, tokens_of
from groupthink.policy.guard import Guard
from groupthink.policy.memory import ALONE, OutOfMemory, give_back
from groupthink.policy.objective.entropy import applied_bonus, next_bonus
from groupthink.policy.objective.functions import find_surrogate
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.optimizer import load_optimizer, make_optimizer, save_optimizer, zero_gradients
from groupthink.policy.passes import Backward, Forward, MicroBatch, Passes
from groupthink.policy.schedule import rate_share
from groupthink.policy.settings import PolicySettings
from groupthink.policy.team import SideBySide, Team
from groupthink.policy.trace import Trace
from groupthink.records import Batch, Report, Weights

REFERENCE = "reference.safetensors"
"""In a checkpoint, where the reference is not the policy that the run began with."""

STATE = "learner.json"
"""In a checkpoint, the counts and whatever else is no tensor."""

Pass = TypeVar("Pass", Forward, Backward)


class Learner:
    """Updates a policy by an objective. It has no random state: the same batches give the same weights.

    `reference` is needed where the objective has a KL term, unless the model learns by LoRA: without one it is then the
    model without its adapter. It follows the policy where the objective says so, and is held fixed otherwise. It may be
    another model, of any shape and precision, that has the same tokens: a teacher.
    `total_steps` is the length of the learning rate's schedule, in calls of `update`. `temperature` is the one that
    responses were sampled at: logits are divided by it, as they were then. `side_by_side`: who makes the passes; None:
    this process, and as many beside it as the settings say.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        reference: PreTrainedModel | None,
        settings: PolicySettings,
        objective: ObjectiveSettings,
        *,
        total_steps: int,
        temperature: float,
        device: torch.device | str = "cpu",
        side_by_side: Callable[[Passes], SideBySide] | None = None,
    ):
        if objective.kl > 0 and reference is None and not has_lora(model):
            raise ValueError(f"objective.kl={objective.kl} needs a reference policy: give one, or set objective.kl=0")
        if objective.reference_every and objective.reference_mixing < 1 and model.dtype.itemsize < 4:
            raise ValueError(
                f"objective.reference_mixing={objective.reference_mixing} moves a reference in {model.dtype} by less "
                'than it can hold: set policy.dtype="float32", or reference_mixing=1'
            )
        find_surrogate(objective.surrogate)  # a user's own may not load: better now than after the first rollouts
        self.model = model.to(device)
        self.settings = settings
        self.objective = objective
        self.total_steps = total_steps
        self.steps = 0  # calls of update so far
        self.updates = 0  # of the weights so far
        self.tokens = 0  # response tokens learned from so far
        self.guard = Guard()
        self.restarts: list[str] = []  # it is no process of its own
        self.bonus = objective.entropy_bonus  # on entropy; steered where the objective says so
        self.entropy: float | None = None  # nats, mean over the tokens of the last update
        self.threads = settings.threads or physical_cores()
        self.micro_batch_tokens = settings.micro_batch_tokens  # less, once that did not fit into memory
        self.reference = reference.to(device) if reference is not None and objective.kl > 0 else None
        passes = Passes(self.model, self.reference, objective, temperature)
        self.team = side_by_side(passes) if side_by_side else self._team(passes)
        named = self.model.named_parameters()  # tied ones once
        self.parameters = {name: parameter for name, parameter in named if parameter.requires_grad}
        self.optimizer = make_optimizer(settings.optimizer, self.parameters, settings)

    def _team(self, passes: Passes) -> Team:
        processes = max(1, self.settings.processes)
        return Team(passes, self.model, self.reference, processes=processes, threads=self.threads)

    @property
    def weights(self) -> Weights:
        """The policy as it is. These tensors are the model's own, and change with the next update.

        (With LoRA, those that the adapter is merged into are copies.)
        """
        return Weights(version=self.steps, tensors=merged_tensors(self.model))

    def reference_logprobs(self, batch: Batch) -> np.ndarray:
        """The log-probabilities [M] (float32, nats) of a batch's tokens under the reference."""
        with using_threads(self.threads):
            return self._forward("reference", batch, np.arange(len(batch.group_B))).logprobs_M

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        """The policy's laws [R, V] of the token that follows each sequence of token ids, as logarithms, in nats."""
        with using_threads(self.threads):
            return self.team.laws(beginnings)

    def update(self, batch: Batch, reference_logprobs_M: np.ndarray | None = None) -> Report:
        """Learn from a batch: `epochs` passes over it, `minibatches` updates in each.

        Groups without advantages have no policy gradient. Where no other term has one either they are not
        computed, and their tokens are NaN in the report's columns; the weights count them all the same.
        `reference_logprobs_M`: what `reference_logprobs` found, where it was asked before.
        """
        settings, live = self.settings, live_groups(batch)
        groups = live if only_live_groups_teach(self.objective) else np.arange(len(batch.prompts))
        computed = responses_of(batch, groups)
        traced = responses_of(batch, (live if len(live) else groups)[: settings.traced_groups])
        parts = [np.intersect1d(part, computed) for part in split(batch, settings.minibatches)]
        rate, bonus = self._set_learning_rate(), self._applied_bonus
        self.guard.next_batch()
        with using_threads(self.threads):
            found = find_columns(
                batch,
                self.objective,
                lambda whose: self._forward(whose, batch, computed),
                parts,
                reference_logprobs_M=reference_logprobs_M,
                seed=self.steps,
            )
            before_M = self._forward("policy", batch, traced).logprobs_M
            trace = Trace(batch, found, self.objective, settings.epochs)
            for _ in range(settings.epochs):
                for responses in parts:
                    self._update_once(batch, responses, found.columns, trace)
            # Before and after are packed alike, so that rounding is the same in both.
            change_M = self._forward("policy", batch, traced).logprobs_M - before_M
        self.steps += 1
        self.tokens += len(batch.token_ids_M)
        figures = {
            "learning_rate": rate,
            "num_tokens": float(self.tokens),
            "skipped_updates": float(self.guard.skipped),
            "micro_batch_tokens": float(self.micro_batch_tokens),
            "entropy_coef": bonus,
        }
        return trace.report(change_M, figures)

    def _steer_entropy(self, entropies: np.ndarray) -> None:
        """Take in the entropies of an update's tokens; of no tokens there is nothing to learn."""
        objective = self.objective
        if len(entropies):
            self.entropy = float(entropies.mean(dtype=np.float64))
            if objective.entropy_step:
                target, step = objective.entropy_target, objective.entropy_step
                self.bonus = next_bonus(self.bonus, self.entropy, target=target, step=step)

    @property
    def _applied_bonus(self) -> float:
        objective = self.objective
        return applied_bonus(self.bonus, self.entropy, target=objective.entropy_target, step=objective.entropy_step)

    def close(self) -> None:
        """End the processes that learn beside this one."""
        self.team.close()

    def write_model(self, folder: Path) -> None:
        """Write the policy in Hugging Face format into `folder`."""
        save_policy(self.model, folder)

    def save(self, folder: Path) -> None:
        """Write the policy in Hugging Face format into `folder`, and what `restore` needs beside it."""
        self.write_model(folder)
        save_optimizer(folder / "optimizer.safetensors", self.optimizer, self.parameters)
        if self._reference_moves:
            save_file(dict(self._reference_parameters()), folder / REFERENCE)
        self._write_state(folder)

    def _write_state(self, folder: Path) -> None:
        """All that is neither a tensor nor a setting."""
        state = {
            "steps": self.steps,
            "updates": self.updates,
            "tokens": self.tokens,
            "guard": asdict(self.guard),
            "bonus": self.bonus,
            "entropy": self.entropy,
            "micro_batch_tokens": self.micro_batch_tokens,
        }
        (folder / STATE).write_text(json.dumps(state, indent=2) + "\n")

    @torch.no_grad()
    def restore(self, folder: Path) -> None:
        """Go back to what `save` wrote, bit for bit, in the model's own tensors.

        Raises ValueError where another model was saved there.
        """
        self._restore_tensors(folder)
        self.team.changed()
        if self._reference_moves:
            self.team.changed("reference")
        state = json.loads((folder / STATE).read_text())
        self.steps, self.updates, self.tokens = state["steps"], state["updates"], state["tokens"]
        self.guard = Guard(**state["guard"])
        self.bonus, self.entropy = state["bonus"], state["entropy"]
        self.micro_batch_tokens = state["micro_batch_tokens"]

    def _restore_tensors(self, folder: Path) -> None:
        restore_policy(self.model, folder)
        if self._reference_moves:
            held = read_tensors(folder / REFERENCE)
            for name, parameter in self._reference_parameters():
                parameter.copy_(held[name])
        load_optimizer(folder / "optimizer.safetensors", self.optimizer, self.parameters)

    @property
    def _reference_moves(self) -> bool:
        return self.reference is not None and self.objective.reference_every > 0

    def _reference_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        assert self.reference is not None
        return self.reference.named_parameters()

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

    def _update_once(
        self, batch: Batch, responses: np.ndarray, columns: Mapping[str, np.ndarray], trace: Trace
    ) -> None:
        """One update from some of the responses, in micro-batches."""
        # The weights share out one mean over the whole batch; of its equal minibatches each has its part.
        scale = float(self.settings.minibatches)
        parts, found = self._gradient(batch, responses, columns, scale)
        entropies = [np.zeros(0, np.float32)]
        for part, seen in zip(parts, found, strict=True):
            tokens = tokens_of(batch, part)
            trace.note_tokens(tokens, seen)
            entropies.append(seen.entropies_M[batch.weights_M[tokens] > 0])
        loss = sum(seen.loss for seen in found)
        norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.settings.max_grad_norm))
        trace.note_update(loss, norm)
        if self.guard.allows(loss, norm, lambda: self._whence(batch, responses, columns)):
            self.optimizer.step()
            self.team.changed()
            self.updates += 1
            self._steer_entropy(np.concatenate(entropies))
            self._refresh_reference()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def _refresh_reference(self) -> None:
        """Take the reference towards the policy, every so many updates (R1: the whole way, every 400)."""
        every, mixing = self.objective.reference_every, self.objective.reference_mixing
        if self.reference is None or not every or self.updates % every:
            return
        for held, parameter in zip(self.reference.parameters(), self.model.parameters(), strict=True):
            held.lerp_(parameter, mixing)
        self.team.changed("reference")

    def _gradient(
        self, batch: Batch, responses: np.ndarray, columns: Mapping[str, np.ndarray], scale: float
    ) -> tuple[list[np.ndarray], list[Backward]]:
        """Make the gradient of the loss over `responses`; the micro-batches, and what was seen of each."""

        def backward(shares: list[list[np.ndarray]]) -> list[Backward]:
            zero_gradients(self.parameters)  # and not None: a step without live groups is an update like any other
            return self.team.backward(
                [[self._micro_batch(batch, part, columns, scale) for part in parts] for parts in shares]
            )

        return self._in_memory(batch, responses, backward)

    def _micro_batch(
        self, batch: Batch, responses: np.ndarray, columns: Mapping[str, np.ndarray], scale: float
    ) -> MicroBatch:
        tokens = tokens_of(batch, responses)
        its = {name: column[tokens] for name, column in columns.items()}
        return MicroBatch(take(batch, responses), its, scale, self._applied_bonus)

    def _forward(self, whose: str, batch: Batch, responses: np.ndarray) -> Forward:
        """Columns over the whole batch (float32, nats) of the tokens of `responses`; NaN for the others."""

        def forward(shares: list[list[np.ndarray]]) -> list[Forward]:
            return self.team.forward([[take(batch, part) for part in parts] for parts in shares], whose)

        columns = Forward(*(np.full(len(batch.token_ids_M), np.nan, np.float32) for _ in range(2)))
        parts, found = self._in_memory(batch, responses, forward)
        for part, seen in zip(parts, found, strict=True):
            tokens = tokens_of(batch, part)
            columns.logprobs_M[tokens], columns.entropies_M[tokens] = seen.logprobs_M, seen.entropies_M
        return columns

    def _in_memory(
        self, batch: Batch, responses: np.ndarray, do: Callable[[list[list[np.ndarray]]], list[Pass]]
    ) -> tuple[list[np.ndarray], list[Pass]]:
        """The micro-batches, and what `do` finds of each; where they do not fit, they are halved for good."""
        while True:
            shares = [cut(batch, part, self.micro_batch_tokens) for part in share(batch, responses, self.team.size)]
            parts = [part for parts in shares for part in parts]
            try:
                return parts, do(shares)
            except OutOfMemory:
                if all(len(part) == 1 for part in parts):
                    raise OutOfMemory(ALONE) from None
            give_back()
            self.micro_batch_tokens //= 2

    def _whence(self, batch: Batch, responses: np.ndarray, columns: Mapping[str, np.ndarray]) -> str:
        """In words, the first response whose own loss or gradient is not finite."""
        for response in responses:
            _, [seen] = self._gradient(batch, np.array([response]), columns, 1.0)
            norm = nn.utils.get_total_norm([parameter.grad for parameter in self.parameters.values()])
            if not (math.isfinite(seen.loss) and math.isfinite(norm)):
                group = batch.group_B[response]
                place = int((batch.group_B[:response] == group).sum())
                return f"The first to blame is response {place + 1} to problem {group + 1} of this step."
        return "No single response is to blame: their sum is not finite."
