"""The log-probability of each token of a response: what rollouts record, and what the learner moves."""

from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from groupthink.model.attention import make_segments
from groupthink.model.fast_body import FastBody, agrees
from groupthink.model.logprobs import Finish, Head, LossOf, score, score_loss
from groupthink.model.packing import Packed

Reach = Literal["token", "response", "pack"]
"""What the loss of a token depends on: itself alone, its response, or all that is packed with it."""


class TokenScorer(nn.Module):
    """A causal language model as a function from packed tokens to log-probabilities.

    Body and head are called inside this one `forward`, which is what a sharding wrapper must see. Logits are made
    for learned positions only, and never all held (see `logprobs`).

    `fast`: the hand-written body does the work wherever it can. False: the model's own does.
    """

    def __init__(self, model: PreTrainedModel, *, fast: bool = True):
        super().__init__()
        self.model = model
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                # An embedding's `padding_idx` zeroes that row's gradient. There is no padding here; a policy
                # may draw the pad token as any other (and some use it as their end), so its row must learn.
                module.padding_idx = None
        self.finish = finish_of(model)
        by_hand = FastBody(model) if fast and FastBody.knows(model) else None
        self.fast = by_hand if by_hand is not None and agrees(by_hand, model, run_body) else None

    def forward(
        self, packed: Packed, temperature: float, loss_of: LossOf | None = None, reach: Reach = "token"
    ) -> tuple[Tensor, ...]:
        """`logprobs_M` of the targets and `entropies_M` of the laws that they are drawn from, in nats, float32.

        Logits are divided by `temperature` before the log-softmax. (A float64 model gives float64.)

        With `loss_of`, a sum of losses: (loss, logprobs_M, entropies_M), of which the loss alone carries the gradient.
        `reach` says what the loss of a token depends on. Where that is the token or its response, logits are not made
        twice, which costs a quarter less where the tokens are many and the vocabulary is large.
        """
        fast = self.fast if self.fast is not None and self.fast.takes(packed) else None
        hidden_NH = run_body(self.model, packed) if fast is None else fast(packed)
        hidden_MH = hidden_NH[packed.before_M]
        vocabulary = self.model.config.get_text_config().vocab_size
        head = Head(self.model.get_output_embeddings(), vocabulary, self.finish)
        if loss_of is None:
            return score(hidden_MH, packed.targets_M, head, temperature)
        ends = {"token": None, "response": packed.ends, "pack": packed.ends[-1:]}[reach]
        return score_loss(hidden_MH, packed.targets_M, head, temperature, loss_of, ends)


def run_body(model: PreTrainedModel, packed: Packed) -> Tensor:
    """The hidden states [N, hidden] of packed tokens, after the last norm."""
    if model.config._attn_implementation != "groupthink":
        raise ValueError(
            f"packed tokens need groupthink's attention, and the model has {model.config._attn_implementation!r}: "
            "load it with load_model"
        )
    sequences = [torch.cat(span) for span in packed.spans if len(span.prompt)]
    segments = make_segments(sequences, len(packed.token_ids_N))
    # Four dimensions: transformers then builds no mask of its own. `attend` goes by the segments.
    no_mask = torch.empty(1, 1, 0, 0, dtype=torch.bool, device=packed.token_ids_N.device)
    return model.base_model(
        input_ids=packed.token_ids_N[None],
        position_ids=packed.position_ids_N[None],
        attention_mask=no_mask,
        segments=segments.to(packed.token_ids_N.device),
        use_cache=False,
    ).last_hidden_state[0]


def finish_of(model: PreTrainedModel) -> Finish:
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

    finish = Finish(cap, scale)
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
