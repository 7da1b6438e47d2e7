"""What both sides of `learner.py` are given: a model, and responses to learn from, which they read from files."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from groupthink.nano.tokenizer import build_tokenizer

PROMPT_TOKENS = (28, 36)  # the shortest prompt and the longest
FIRST_ID = 8  # of the ids that are drawn: those below are left to control tokens


@dataclass(frozen=True, slots=True)
class Workload:
    """Groups of responses, with all that an update needs to know of them.

    Workload(prompts=[[9, 8]], responses=[[[8, 9], [9]]], advantages=[[1.0, -1.0]], logprobs=[[[-4.6, -4.7], [-4.6]]])
    """

    prompts: Sequence[Sequence[int]]  # token ids
    responses: Sequence[Sequence[Sequence[int]]]  # token ids
    advantages: Sequence[Sequence[float]]  # they sum to 0 in each group
    logprobs: Sequence[Sequence[Sequence[float]]]  # of each response's tokens as they were sampled, in nats

    @property
    def lengths(self) -> list[list[int]]:
        return [[len(response) for response in group] for group in self.responses]

    @property
    def prompt_tokens(self) -> int:
        return sum(map(len, self.prompts))

    @property
    def response_tokens(self) -> int:
        return sum(map(sum, self.lengths))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Workload":
        return cls(**json.loads(path.read_text()))


def write_model(
    folder: Path, seed: int, *, vocabulary: int | None = 32_000, context: int = 512, ends: bool = True
) -> None:
    """Save a model of 40 million parameters with random weights, and a tokenizer for the trainers that ask for one.

    Qwen3's architecture, 8 layers of 512, a vocabulary of 32,000 whose embeddings are the head's as well (`vocabulary`:
    None for the tokenizer's own). `ends`: whether there is a token that ends what it writes.
    """
    tokenizer = build_tokenizer()
    if not ends:
        tokenizer.eos_token = None
    config = Qwen3Config(
        vocab_size=vocabulary or len(tokenizer),
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=context,
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def draw(model: Path, problems: int, group_size: int, max_tokens: int, seed: int) -> Workload:
    """Random tokens in groups of responses of max_tokens / 4 to `max_tokens` each, with the model's own `logprobs`."""
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    chance = random.Random(seed)

    def tokens(shortest: int, longest: int) -> list[int]:
        return chance.choices(range(FIRST_ID, policy.config.vocab_size), k=chance.randint(shortest, longest))

    prompts = [tokens(*PROMPT_TOKENS) for _ in range(problems)]
    responses = [[tokens(max_tokens // 4, max_tokens) for _ in range(group_size)] for _ in prompts]
    rewards = [[chance.random() for _ in group] for group in responses]
    return Workload(
        prompts=prompts,
        responses=responses,
        advantages=[[reward - sum(group) / len(group) for reward in group] for group in rewards],
        logprobs=[
            [score(policy, prompt, response) for response in group]
            for prompt, group in zip(prompts, responses, strict=True)
        ],
    )


@torch.inference_mode()
def score(policy: torch.nn.Module, prompt: Sequence[int], response: Sequence[int]) -> list[float]:
    """The log-probability of each token of a response, in nats."""
    logits_TV = policy(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
    return logits_TV.log_softmax(-1).gather(1, torch.tensor(response)[:, None])[:, 0].tolist()
