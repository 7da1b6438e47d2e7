"""A model held in 4 bits, for LoRA on top of it (QLoRA, arXiv 2305.14314)."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from groupthink.extras import need
from groupthink.model.attention import register_attention
from groupthink.model.loading import no_unasked_code, refuse_pickles, resolve


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
    register_attention()
    place = resolve(name)
    refuse_pickles(place)
    with no_unasked_code(name):
        model = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=dtype,
            attn_implementation="groupthink",
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            local_files_only=isinstance(place, Path),
            device_map={"": device},
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype,
            ),
        )
    return model.eval()
