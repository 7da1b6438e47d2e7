"""transformers' side of `rollout.py`: `generate` on batches that are padded on the left."""

import sys
from collections.abc import Sequence

import torch
import transformers
from rollout_drawing import Drawing, Order, Responses, serve
from transformers import AutoModelForCausalLM
from turns import Turns


def main(drawing: Drawing) -> None:
    turns = Turns()
    drawing.settle()
    dtype = getattr(torch, drawing.dtype)
    model = AutoModelForCausalLM.from_pretrained(drawing.model, dtype=dtype).eval().to(drawing.device)
    stops = torch.tensor(drawing.stop_ids)

    @torch.inference_mode()
    def batch(prompts: Sequence[Sequence[int]], order: Order) -> list[list[int]]:
        longest = max(map(len, prompts))
        ids = torch.tensor([[drawing.pad_id] * (longest - len(prompt)) + [*prompt] for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        drawn = model.generate(
            ids.to(drawing.device),
            attention_mask=mask.to(drawing.device),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=order.max_tokens,
            eos_token_id=[*drawing.stop_ids],
            pad_token_id=drawing.pad_id,
            cache_implementation=order.way["cache"],
        )[:, longest:].cpu()
        stopped = torch.isin(drawn, stops)
        lengths = torch.where(stopped.any(1), stopped.int().argmax(1) + 1, drawn.shape[1])
        return [ids[:length] for ids, length in zip(drawn.tolist(), lengths.tolist(), strict=True)]

    def draw(order: Order) -> Responses:
        torch.manual_seed(order.turn)
        torch.set_num_threads(order.way["threads"])
        rows = [prompt for prompt in drawing.prompts[order.turn] for _ in range(drawing.group_size)]
        size, G = order.way["batch"], drawing.group_size
        drawn = [ids for i in range(0, len(rows), size) for ids in batch(rows[i : i + size], order)]
        return [drawn[i : i + G] for i in range(0, len(drawn), G)]

    serve(turns, drawing, {"torch": torch.__version__, "transformers": transformers.__version__}, draw)


if __name__ == "__main__":
    main(Drawing.read(sys.argv[1]))
