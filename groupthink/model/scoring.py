"""The log-probability of each token of a response: what rollouts record, and what the learner moves."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from groupthink.model.packing import Packed

CHUNK = 2**25
"""Logits held at a time, in numbers: 128 MiB in float32."""


class TokenScorer(nn.Module):
    """A causal language model as a function from packed tokens to log-probabilities.

    Body and head are called inside this one `forward`, which is what a sharding wrapper must see. The
    logits are made for learned positions only, in chunks that the backward pass makes anew where they
    are many: the N x V logits are never held.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                # An embedding's `padding_idx` zeroes that row's gradient. There is no padding here; a policy
                # may draw the pad token as any other (and some use it as their end), so its row must learn.
                module.padding_idx = None
        self.finish_logits = finish_of(model)

    def forward(self, packed: Packed, temperature: float) -> tuple[Tensor, Tensor]:
        """`logprobs_M` of the targets and `entropies_M` of the laws that they are drawn from, in nats, float32.

        Logits are divided by `temperature` before the log-softmax. (A float64 model gives float64.)
        """
        hidden_M = run_body(self.model, packed)[packed.before_M]
        rows = max(1, CHUNK // self.model.config.get_text_config().vocab_size)
        if len(hidden_M) <= rows:
            return self._score(hidden_M, packed.targets_M, temperature)
        parts = [
            checkpoint(self._score, hidden, targets, temperature, use_reentrant=False)
            for hidden, targets in zip(hidden_M.split(rows), packed.targets_M.split(rows), strict=True)
        ]
        logprobs, entropies = zip(*parts, strict=True)
        return torch.cat(logprobs), torch.cat(entropies)

    def _score(self, hidden_M: Tensor, targets_M: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        logits_MV = self.finish_logits(self.model.get_output_embeddings()(hidden_M))
        logits_MV = logits_MV if logits_MV.dtype == torch.float64 else logits_MV.float()
        logprobs_MV = torch.log_softmax(logits_MV / temperature, dim=-1)
        logprobs_M = logprobs_MV.gather(1, targets_M[:, None])[:, 0]
        return logprobs_M, -(logprobs_MV.exp() * logprobs_MV).sum(-1)


def run_body(model: PreTrainedModel, packed: Packed) -> Tensor:
    """The hidden states [N, hidden] of packed tokens, after the last norm."""
    if model.config._attn_implementation != "groupthink":
        raise ValueError(
            f"packed tokens need groupthink's attention, and the model has {model.config._attn_implementation!r}: "
            "load it with load_model"
        )
    # Four dimensions: transformers then builds no mask of its own. `attend` goes by the segments.
    no_mask = torch.empty(1, 1, 0, 0, dtype=torch.bool, device=packed.token_ids_N.device)
    return model.base_model(
        input_ids=packed.token_ids_N[None],
        position_ids=packed.position_ids_N[None],
        attention_mask=no_mask,
        segments=packed.segments,
        use_cache=False,
    ).last_hidden_state[0]


def finish_of(model: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """What an architecture does to the output of its head: a soft cap (Gemma), a scale (Granite, Cohere), or nothing.

    Checked against the model's own forward pass; raises ValueError where they differ.
    """
    config = model.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    scale = 1.0
    if getattr(config, "logits_scaling", None) is not None:
        scale = 1 / config.logits_scaling
    elif getattr(config, "logit_scale", None) is not None:
        scale = config.logit_scale

    def finish(logits: Tensor) -> Tensor:
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        return logits if scale == 1.0 else logits * scale

    with torch.no_grad():
        probe = torch.arange(min(4, config.vocab_size), device=model.device)[None]
        theirs = model(probe, use_cache=False).logits
        hidden = model.base_model(probe, use_cache=False).last_hidden_state
        ours = finish(model.get_output_embeddings()(hidden))
    if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"{type(model).__name__} changes its logits in a way that groupthink does not know "
            f"(they differ by {(ours - theirs).abs().max().item():.2g}); use another model, or teach it to finish_of"
        )
    return finish
