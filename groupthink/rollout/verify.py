"""Is a decoder the same function as the model's own forward pass? Asked at load, on a probe."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from groupthink.rollout.decoder import Decoder

TOLERANCE = {torch.float64: 2e-5, torch.float32: 2e-5, torch.bfloat16: 0.05, torch.float16: 0.01}
"""Nats, as `differ` has them."""


SPREAD = 6
"""How many times the median law's difference the worst law's may be, in the lower precisions."""

LONG = 35
"""Tokens of the longest prompt of the probe, and of what follows it: past the first page of keys and values."""


@torch.inference_mode()
def agrees(decoder: Decoder, model: PreTrainedModel) -> bool:
    """Compare log-probabilities after prompts of unequal lengths, and after the tokens that follow them."""
    rng = np.random.default_rng(0)
    config = model.config.get_text_config()
    steps = min(LONG, (getattr(config, "max_position_embeddings", None) or 4 * LONG) // 4)
    prompts = [rng.integers(0, config.vocab_size, length) for length in (3, steps, 1)]
    copies = (2, 1, 1)
    sequences = [list(prompt) for prompt, n in zip(prompts, copies, strict=True) for _ in range(n)]
    pairs = []

    def compare(logits_BV: torch.Tensor) -> None:
        for row, sequence in enumerate(sequences):
            token_ids = torch.tensor([sequence], device=model.device)
            theirs = model(token_ids, use_cache=False).logits[0, -1].float().log_softmax(-1)
            pairs.append((logits_BV[row].float().log_softmax(-1), theirs))

    decoder.reserve(len(sequences), 2 * steps + 1)
    compare(decoder.admit(prompts, copies))
    for step in range(steps):
        if step == 2:  # the second sequence has finished: the last one takes its place
            sequences[1] = sequences.pop()
            decoder.move([len(sequences)], [1], len(sequences))
        drawn = rng.integers(0, config.vocab_size, len(sequences))
        for sequence, token in zip(sequences, drawn, strict=True):
            sequence.append(token)
        logits_BV = decoder.decode(torch.from_numpy(drawn).to(model.device))
        if step < 4 or step == steps - 1:
            compare(logits_BV)
    decoder.move([], [], 0)
    decoder.release()
    return differ(pairs, exact=model.dtype.itemsize >= 4) <= TOLERANCE.get(model.dtype, 0.0)  # NaN agrees with nothing


def differ(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]], *, exact: bool) -> float:
    """How far pairs of laws, ours and the model's own, lie apart, in nats.

    In float32 (`exact`) where they do so most. In the lower precisions two orders of adding may give an unlikely token
    some tenths of a nat more, for logits of 16 are 1/8 apart in bfloat16: what counts is the mean over a law's tokens,
    each by its probability. A function that is wrong everywhere moves the median law; one that is wrong somewhere moves
    the worst, by far more than SPREAD times as much.
    """
    if exact:
        return torch.stack([(ours_V - theirs_V).abs().max() for ours_V, theirs_V in pairs]).max().item()  # NaN stays
    if any(ours_V.isnan().any() for ours_V, _ in pairs):
        return float("nan")
    means = torch.stack([((ours_V - theirs_V).abs() * theirs_V.exp()).nansum() for ours_V, theirs_V in pairs])
    return max(means.median().item(), means.max().item() / SPREAD)
