"""The log-probability of each token of a response: what rollouts record, and what the learner moves."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from groupthink.model.attention import make_segments, transformers_attention
from groupthink.model.fast_body import FastBody, agrees
from groupthink.model.logprobs import Finish, Head, LossOf, laws, score, score_loss
from groupthink.model.packing import Packed, pack

Reach = Literal["token", "response", "pack"]
"""What the loss of a token depends on: itself alone, its response, or all that is packed with it."""

TOLERANCE = {torch.float64: 1e-3, torch.float32: 0.02, torch.float16: 0.2, torch.bfloat16: 0.5}
"""Relative, of hidden states of the median token: rounding in a deep model stays below it, in float32 even where a GPU
multiplies in TF32, and another function is mostly far beyond. (Some tokens a router may send elsewhere by a rounding.)
"""


class TokenScorer(nn.Module):
    """A causal language model as a function from packed tokens to log-probabilities.

    Body and head are called inside this one `forward`, which is what a sharding wrapper must see. Logits are made
    for learned positions only, and never all held (see `logprobs`).

    `fast`: the hand-written body does the work wherever it can. False: the model's own does.

    Raises ValueError for an architecture that packing would change, or that does to its logits what is not known.
    """

    def __init__(self, model: PreTrainedModel, *, fast: bool = True):
        super().__init__()
        self.model = model
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                # An embedding's `padding_idx` zeroes that row's gradient. There is no padding here; a policy
                # may draw the pad token as any other (and some use it as their end), so its row must learn.
                module.padding_idx = None
        self.finish = try_out(model)
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
        hidden_MH, head = self._hidden(packed), self._head()
        if loss_of is None:
            return score(hidden_MH, packed.targets_M, head, temperature)
        ends = {"token": None, "response": packed.ends, "pack": packed.ends[-1:]}[reach]
        return score_loss(hidden_MH, packed.targets_M, head, temperature, loss_of, ends)

    def laws(self, packed: Packed, temperature: float) -> Tensor:
        """The laws [M, V] that the targets are drawn from, as logarithms (nats), whatever the targets are."""
        return laws(self._hidden(packed), self._head(), temperature)

    def _hidden(self, packed: Packed) -> Tensor:
        fast = self.fast if self.fast is not None and self.fast.takes(packed) else None
        hidden_NH = run_body(self.model, packed) if fast is None else fast(packed)
        return hidden_NH[packed.before_M]

    def _head(self) -> Head:
        vocabulary = self.model.config.get_text_config().vocab_size
        return Head(self.model.get_output_embeddings(), vocabulary, self.finish)


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


@torch.inference_mode(False)  # wherever it is called from: there is a gradient to be made
def try_out(model: PreTrainedModel) -> Finish:
    """`finish_of` a model whose packed hidden states are, on a probe, those of each sequence alone.

    Those alone are made with transformers' own attention. Raises ValueError where they differ.
    """
    packed = _probe(model)
    sequences = [torch.cat(span) for span in packed.spans if len(span.prompt)]
    hidden_NH = _require_apart(model, packed, sequences[1])
    with torch.no_grad(), transformers_attention(model):
        rows = [packed.token_ids_N[None, sequence] for sequence in sequences]
        alone = [model.base_model(row, use_cache=False).last_hidden_state for row in rows]
        logits = model(rows[0], use_cache=False).logits
    _require_same(model, hidden_NH[torch.cat(sequences)], torch.cat(alone, dim=1)[0])
    return finish_of(model, alone[0], logits)


def finish_of(model: PreTrainedModel, hidden: Tensor, logits: Tensor) -> Finish:
    """What an architecture does to the output of its head: a soft cap (Gemma), a scale (Granite, Cohere), or nothing.

    Checked against the `logits` that the model makes of `hidden` states; raises ValueError where they differ.
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
        ours = finish(model.get_output_embeddings()(hidden))
    if not torch.allclose(ours, logits, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"{type(model).__name__} changes its logits in a way that groupthink does not know "
            f"(they differ by {(ours - logits).abs().max().item():.2g}); use another model, or teach it to finish_of"
        )
    return finish


def _probe(model: PreTrainedModel) -> Packed:
    """Two responses to one prompt and one to another, of unequal lengths, within what the model can take."""
    config = model.config.get_text_config()
    longest = min(14, getattr(config, "max_position_embeddings", None) or 14)
    draw = np.random.default_rng(0)
    prompts = [draw.integers(0, config.vocab_size, min(length, (longest + 1) // 2)) for length in (6, 4)]
    groups, responses = (0, 0, 1), []
    for length, group in zip((5, 9, 8), groups, strict=True):
        room = longest - len(prompts[group]) + 1  # the last token of a response is no input
        responses.append(draw.integers(0, config.vocab_size, min(length, room)))
    return pack(prompts, responses, groups).to(model.device)


def _require_apart(model: PreTrainedModel, packed: Packed, sequence: Tensor) -> Tensor:
    """The hidden states [N, hidden] of a pack, of which those of `sequence` depend on its own tokens alone.

    Raises ValueError where they do not. The gradient tells: in any precision it is zero but for what they depend on,
    whereas a weak dependence changes hidden states of bfloat16 by less than rounding does.
    """
    embedded: list[Tensor] = []

    def cut_here(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    embeddings = model.get_input_embeddings()
    with torch.enable_grad(), embeddings.register_forward_hook(cut_here):
        hidden_NH = _run_unknown_body(model, packed)
        own_TH = hidden_NH[sequence]
        # Unequal weights: what leaves a layer norm has the same sum whatever went in.
        weights_TH = torch.linspace(-1, 1, own_TH.numel(), dtype=own_TH.dtype, device=own_TH.device).view_as(own_TH)
        (by_embedded,) = torch.autograd.grad((weights_TH * own_TH).sum(), embedded)
        by_embedded[0, sequence] = 0
    if not hidden_NH.isfinite().all():
        raise ValueError(
            f"the hidden states of {type(model).__name__} are not finite: "
            f"its weights are damaged, or {model.dtype} is too narrow for it"
        )
    if by_embedded.any():
        raise ValueError(
            f"{type(model).__name__} has layers that carry something from token to token otherwise than by attention "
            "(convolution, linear attention, recurrence): packed, it would go from one response into the next; "
            "use a model whose layers join tokens by attention alone, as Qwen3's do"
        )
    return hidden_NH.detach()


def _run_unknown_body(model: PreTrainedModel, packed: Packed) -> Tensor:
    """`run_body`, with ValueError for an architecture that never asks for attention, or not in transformers' way."""
    try:
        return run_body(model, packed)
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__} does not take packed tokens ({error}): "
            "use a model whose attention transformers lets one choose, as Qwen3's"
        ) from error


def _require_same(model: PreTrainedModel, ours_TH: Tensor, theirs_TH: Tensor) -> None:
    """Raise ValueError where two ways to the same hidden states differ by more than rounding."""
    sizes_T = theirs_TH.float().norm(dim=1)
    off = ((ours_TH - theirs_TH).float().norm(dim=1).median() / sizes_T.median()).item()
    if not off <= TOLERANCE.get(model.dtype, TOLERANCE[torch.bfloat16]):
        raise ValueError(
            f"{type(model).__name__} has attention that is another function than groupthink's: hidden states of packed "
            f"tokens differ from transformers' own by {off:.2g} of their size; use another model, or teach it to attend"
        )
