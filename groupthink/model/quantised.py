"""A model held in 4 bits, for LoRA on top of it (QLoRA, arXiv 2305.14314)."""

from pathlib import Path

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from groupthink.extras import need
from groupthink.model.loading import read_weights


def load_quantised(
    name: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """Like `load_model`, with every linear layer but the head in 4-bit NormalFloat, its constants quantised again.

    Products are made in `dtype`, which the other weights have. Raises ValueError where bitsandbytes is not installed.
    """
    need("bitsandbytes", "lora.quantised=true", "lora,8bit")
    model = read_weights(
        name,
        dtype,
        trust_remote_code,
        device_map={"": device},
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        ),
    )
    for module in model.modules():
        # Where a CPU knows bf16, bitsandbytes packs the weights anew at the first pass without a gradient, and rounds
        # their constants: what is drawn from would not be what learns, nor what an adapter is merged into.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model
