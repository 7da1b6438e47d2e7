"""Is a decoder the same function as the model's own forward pass? Asked at load, on a probe."""

import numpy as np
import torch
from transformers import PreTrainedModel

from groupthink.rollout.decoder import Decoder

TOLERANCE = {torch.float64: 2e-5, torch.float32: 2e-5, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Nats. In the lower precisions two orders of adding differ by this much, and a wrong function by far more."""


@torch.inference_mode()
def agrees(decoder: Decoder, model: PreTrainedModel) -> bool:
    """Compare log-probabilities after prompts of unequal lengths, and after a few tokens that follow them."""
    rng = np.random.default_rng(0)
    vocabulary = model.config.get_text_config().vocab_size
    prompts = [rng.integers(0, vocabulary, length) for length in (3, 9, 1)]
    copies, steps = (2, 1, 1), 4
    sequences = [list(prompt) for prompt, n in zip(prompts, copies, strict=True) for _ in range(n)]
    worst = 0.0

    def compare(logits_BV: torch.Tensor) -> None:
        nonlocal worst
        for row, sequence in enumerate(sequences):
            token_ids = torch.tensor([sequence], device=model.device)
            theirs = model(token_ids, use_cache=False).logits[0, -1].float().log_softmax(-1)
            worst = max(worst, (logits_BV[row].float().log_softmax(-1) - theirs).abs().max().item())

    compare(decoder.admit(prompts, copies))
    for step in range(steps):
        if step == 2:  # the second sequence has finished: the last one takes its place
            sequences[1] = sequences.pop()
            decoder.move([len(sequences)], [1], len(sequences))
        drawn = rng.integers(0, vocabulary, len(sequences))
        for sequence, token in zip(sequences, drawn, strict=True):
            sequence.append(token)
        compare(decoder.decode(torch.from_numpy(drawn).to(model.device)))
    decoder.move([], [], 0)
    decoder.release()
    return worst <= TOLERANCE.get(model.dtype, 0.0)  # a NaN agrees with nothing
