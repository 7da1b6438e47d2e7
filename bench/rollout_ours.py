"""groupthink's side of `rollout.py`: the embedded engine, opened as a run opens it."""

import sys
from typing import Any

import numpy as np
import torch
import transformers
from limit import model_sizes
from rollout_drawing import Drawing, Order, Responses, serve
from rollout_limit import Reads, decoding_bytes, decoding_operations
from turns import Turns

from groupthink.model.loading import load_model, load_tokenizer
from groupthink.rollout.engine import Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.open import open_engine
from groupthink.rollout.settings import RolloutSettings


def main(drawing: Drawing) -> None:
    turns = Turns()
    drawing.settle()
    device = torch.device(drawing.device)
    tokenizer = load_tokenizer(drawing.model)
    model = load_model(drawing.model, device=device, dtype=getattr(torch, drawing.dtype))
    engine = open_engine(model, tokenizer, RolloutSettings(), device)
    sizes, reads = model_sizes(model), Reads.of(model)

    def draw(order: Order) -> Responses:
        sampling = Sampling(order.max_tokens, n=drawing.group_size)
        handles = [
            engine.submit(np.asarray(prompt), sampling, mix(order.turn, i))
            for i, prompt in enumerate(drawing.prompts[order.turn])
        ]
        handles[-1].start()
        return [[response.token_ids_T.tolist() for response in handle.result()] for handle in handles]

    def measure(responses: Responses, order: Order) -> dict[str, Any]:
        prompts = [len(prompt) for prompt in drawing.prompts[order.turn]]
        lengths = [[len(token_ids) for token_ids in group] for group in responses]
        return {
            "operations": decoding_operations(prompts, lengths, **sizes),
            "bytes": decoding_bytes(prompts, lengths, reads),
        }

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    serve(turns, drawing, versions, draw, measure)
    engine.close()


if __name__ == "__main__":
    main(Drawing.read(sys.argv[1]))
