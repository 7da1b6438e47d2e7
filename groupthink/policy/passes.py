"""Forward and backward passes over one micro-batch: what an update computes, and nothing of what it decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from groupthink.model.lora import adapter_off, has_lora
from groupthink.model.packing import Packed, pack
from groupthink.model.scoring import TokenScorer
from groupthink.policy.objective.loss import Losses, reach_of, token_losses
from groupthink.policy.objective.reduction import local_weights
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.tokens import Tokens
from groupthink.records import Batch


@dataclass(frozen=True, eq=False, slots=True)
class MicroBatch:
    """Responses whose gradient is made at once."""

    batch: Batch  # these responses alone
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)  # fields of `Tokens` that the batch does not hold
    scale: float = 1.0  # of the loss
    entropy_bonus: float = 0.0  # the objective's, as it stands now


@dataclass(frozen=True, eq=False, slots=True)
class Forward:
    """Columns of a forward pass, float32 (float64 of such a model), in nats."""

    logprobs_M: np.ndarray
    entropies_M: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class Backward:
    """What was seen of a micro-batch while its gradient was made."""

    loss: float  # its share of the loss
    logprobs_M: np.ndarray  # nats
    entropies_M: np.ndarray  # nats
    ratio_M: np.ndarray
    low_M: np.ndarray  # bool; clipped because the ratio is low
    high_M: np.ndarray  # bool; clipped because the ratio is high
    stale_M: np.ndarray  # bool; left out as stale negatives


class Passes:
    """Passes of a policy and of its reference, in this process. `temperature` divides the logits.

    The reference of a policy that learns by LoRA is, where none is given, the policy without its adapter.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        reference: PreTrainedModel | None,
        objective: ObjectiveSettings,
        temperature: float,
    ):
        self.scorers = {"policy": TokenScorer(policy)}
        if reference is not None:
            self.scorers["reference"] = TokenScorer(reference)
        self.policy = policy
        self.objective = objective
        self.temperature = temperature

    @property
    def device(self) -> torch.device:
        return self.policy.device

    @torch.no_grad()
    def forward(self, batch: Batch, whose: str) -> Forward:
        """The log-probabilities of a batch's tokens, and the entropies, under the "policy" or the "reference"."""
        if whose not in self.scorers and has_lora(self.policy):
            with adapter_off(self.policy):
                return self.forward(batch, "policy")
        logprobs_M, entropies_M = self.scorers[whose](self._pack(batch), self.temperature)
        return Forward(_numpy(logprobs_M), _numpy(entropies_M))

    @torch.no_grad()
    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        """The policy's laws [R, V] of the token that follows each beginning, as logarithms, in nats."""
        anything = [np.zeros(1, np.int64)] * len(beginnings)
        packed = pack(beginnings, anything, np.arange(len(beginnings))).to(self.device)
        return _numpy(self.scorers["policy"].laws(packed, self.temperature))

    def backward(self, micro: MicroBatch) -> Backward:
        """Add the gradient of a micro-batch to the policy's."""
        objective = replace(self.objective, entropy_bonus=micro.entropy_bonus)
        columns, seen = self._columns(micro), list[Losses]()

        def loss_of(logprobs_M: Tensor, entropies_M: Tensor, where: slice) -> Tensor:
            its = {name: column[where] for name, column in columns.items()}
            its["response_M"] = its["response_M"] - its["response_M"][0]  # counted from the first that is seen here
            tokens = Tokens(logprobs_M=logprobs_M, entropies_M=entropies_M, **its)
            seen.append(token_losses(tokens, objective))
            return micro.scale * (tokens.weights_M * seen[-1].losses_M).sum()

        packed = self._pack(micro.batch)
        loss, logprobs_M, entropies_M = self.scorers["policy"](packed, self.temperature, loss_of, reach_of(objective))
        loss.backward()
        return Backward(
            loss=float(loss.detach()),
            logprobs_M=_numpy(logprobs_M),
            entropies_M=_numpy(entropies_M),
            ratio_M=_numpy(torch.cat([part.ratio_M for part in seen])),
            low_M=_numpy(torch.cat([part.low_M for part in seen])),
            high_M=_numpy(torch.cat([part.high_M for part in seen])),
            stale_M=_numpy(torch.cat([part.stale_M for part in seen])),
        )

    def _columns(self, micro: MicroBatch) -> dict[str, Tensor]:
        """The fields of `Tokens` that do not come from the model."""
        batch = micro.batch
        columns = {
            "old_logprobs_M": batch.old_logprobs_M,
            "advantages_M": batch.advantages_M,
            "weights_M": local_weights(batch.weights_M, batch.starts)
            if self.objective.reduction == "micro_batch_mean"
            else batch.weights_M,
            "sampled_M": batch.sampled_M,
            "response_M": np.repeat(np.arange(len(batch.group_B)), np.diff(batch.starts)),
            **micro.columns,
        }
        return {name: torch.from_numpy(column).to(self.device) for name, column in columns.items()}

    def _pack(self, batch: Batch) -> Packed:
        """The responses of a batch, each prompt computed once."""
        responses = np.split(batch.token_ids_M, batch.starts[1:-1])
        return pack(batch.prompts, responses, batch.group_B).to(self.device)


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
