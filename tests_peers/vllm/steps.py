"""A step of GRPO, in the parts that the tests look between."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from groupthink.model.attention import register_attention
from groupthink.model.chat import Chat
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Group
from groupthink.rollout.engine import Engine, Sampling
from groupthink.rollout.generate import generate
from groupthink.task import open_task


def make_learner(
    model: PreTrainedModel, *, learning_rate: float, warmup_steps: int = 0, temperature: float = 1.0
) -> Learner:
    policy = PolicySettings(
        learning_rate=learning_rate, warmup_steps=warmup_steps, processes=1, threads=1, traced_groups=0
    )
    return Learner(model, None, policy, ObjectiveSettings(kl=0.0), total_steps=140, temperature=temperature)


def draw(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    step: int,
    *,
    problems: int = 8,
    sampling: Sampling | None = None,
) -> list[Group]:
    sampling = sampling or Sampling(max_tokens=100, n=4)
    return generate(engine, Chat(tokenizer), open_task("quadratics", 0).sample(step, problems), sampling, seed=step)


def learn(learner: Learner, groups: Sequence[Group], step: int) -> None:
    """An update by advantages that are drawn: it need not make anything better here."""
    shape = len(groups), len(groups[0].responses)
    learner.update(assemble(groups, np.random.default_rng(step).normal(size=shape)))


@torch.no_grad()
def differences(model: PreTrainedModel, groups: Sequence[Group], temperature: float = 1.0) -> np.ndarray:
    """Nats, for each token: the engine's log-probability less the learner's."""
    responses = [response for group in groups for response in group.responses]
    of_group = [i for i, group in enumerate(groups) for _ in group.responses]
    packed = pack([group.prompt_ids for group in groups], [response.token_ids_T for response in responses], of_group)
    logprobs_M, _ = TokenScorer(model)(packed, temperature)
    return np.concatenate([response.logprobs_T for response in responses]) - logprobs_M.numpy()


def untied(seed: int = 0) -> PreTrainedModel:
    """A tiny Qwen3 with a head of its own, which is far from its embedding."""
    register_attention()
    config = Qwen3Config(
        vocab_size=107,
        hidden_size=96,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.ndim == 1 else 0.1))
    model.set_attn_implementation("groupthink")
    return model.eval()
