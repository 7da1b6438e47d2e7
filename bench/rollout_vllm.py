"""vLLM's side of `rollout.py`: `LLM.generate`, in vLLM's environment, with the settings that are its fastest here."""

import json
import os
import sys
from typing import Any

from rollout_drawing import Drawing, Order, Responses, serve
from turns import Turns

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
MEMORY = 2**30  # bytes of keys and values, on a CPU
BLOCK = 32  # tokens of a block of them there: a whole block of a prompt is stored once for its group


def main(drawing: Drawing, way: dict[str, Any]) -> None:
    turns = Turns()
    drawing.settle()
    os.environ |= dict.fromkeys(THREADS, str(way["threads"])) | {  # read when torch and vLLM are imported
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # else two processes pass messages, on cores that have better to do
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would go before MEMORY
    import torch
    import vllm
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import RequestOutputKind

    on_cpu = {"kv_cache_memory_bytes": MEMORY, "block_size": BLOCK}
    on_gpu = {"gpu_memory_utilization": 0.4}  # the others have their share
    llm = LLM(
        model=drawing.model,
        skip_tokenizer_init=True,
        generation_config="vllm",  # not the model's, which might change the law
        dtype=drawing.dtype,
        max_model_len=-(-drawing.context // 32) * 32,
        max_num_seqs=max(map(len, drawing.prompts)) * drawing.group_size,
        enable_prefix_caching=True,
        enforce_eager=not way["compiled"],
        disable_log_stats=True,
        **(on_cpu if drawing.device == "cpu" else on_gpu),
    )

    def draw(order: Order) -> Responses:
        params = SamplingParams(
            n=drawing.group_size,
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            max_tokens=order.max_tokens,
            stop_token_ids=[*drawing.stop_ids],
            ignore_eos=True,  # which vLLM would look up by itself; it stands among the stop ids
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompts = [{"prompt_token_ids": [*prompt]} for prompt in drawing.prompts[order.turn]]
        outputs = llm.generate(prompts, params, use_tqdm=False)
        return [[its.token_ids for its in output.outputs] for output in outputs]

    serve(turns, drawing, {"torch": torch.__version__, "vllm": vllm.__version__}, draw)


if __name__ == "__main__":
    main(Drawing.read(sys.argv[1]), json.loads(sys.argv[2]))
