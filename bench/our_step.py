"""groupthink's side of `vs_trl.py`: the five steps as `groupthink/stage/grpo.py` composes them."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import transformers
from limit import model_sizes, product_rates, step_operations
from transformers import PreTrainedTokenizerBase
from turns import Phases, Spec, Turns, keep_to_core, lot

from groupthink.advantage import AdvantageSettings, advantage
from groupthink.model.allocator import keep_freed_memory
from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.model.saving import save_policy
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Group, Score
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.rollout.open import open_engine
from groupthink.rollout.settings import RolloutSettings
from groupthink.task import open_task


def main(spec: Spec) -> None:
    turns = Turns()
    keep_to_core(spec.core)
    keep_freed_memory()  # as every run does
    torch.set_num_threads(spec.threads)
    device, dtype = torch.device(spec.device), getattr(torch, spec.dtype)
    rollout = RolloutSettings(group_size=spec.group_size, max_tokens=spec.max_tokens, processes=spec.processes)
    policy = PolicySettings(
        learning_rate=spec.learning_rate,
        warmup_steps=spec.warmup,
        minibatches=spec.updates,
        schedule=spec.schedule,
        final_share=0.0,
        dtype=spec.dtype,
        processes=spec.processes,
        threads=spec.threads,
        **({} if spec.device == "cpu" else {"traced_groups": 0, "micro_batch_tokens": 32_768}),
    )
    tokenizer, model = load_tokenizer(spec.model), load_model(spec.model, device=device, dtype=dtype)
    chat = Chat(tokenizer)
    task = open_task("quadratics", spec.seed)
    judge = Judge(RewardSettings(), task)
    engine = open_engine(model, tokenizer, rollout, device)
    learner = Learner(
        model,
        load_model(spec.model, device=device, dtype=dtype),
        policy,
        ObjectiveSettings(kl=spec.kl),
        total_steps=spec.steps,
        temperature=rollout.temperature,
        device=device,
    )
    engine.load(learner.weights)
    turns.save = partial(save, learner, tokenizer)
    sizes = model_sizes(model)

    turns.answer(versions={"torch": torch.__version__, "transformers": transformers.__version__})
    for step in range(spec.steps):
        if not turns.asked():
            break
        phases = Phases()
        problems = task.sample(step, spec.problems)
        with phases("generate"):
            groups = generate(engine, chat, problems, rollout, mix(spec.seed, step))
        scores = judge.score(groups) if spec.rules else by_chance(groups)
        if device.type == "cuda":
            engine.release()  # as a run does: what learns needs the memory
        with phases("learn"):
            report = learner.update(assemble(groups, advantage(scores, AdvantageSettings())))
        engine.load(learner.weights)
        engine.verify(learner.weights)
        figures = phases.figures()

        lengths = [[len(response) for response in group.responses] for group in groups]
        prompts = [len(group.prompt_ids) for group in groups]
        rewards = [score.value for group in scores for score in group]
        turns.answer(
            **figures,
            prompt_tokens=sum(prompts),
            tokens=sum(map(sum, lengths)),
            longest=max(map(max, lengths)),
            reward=sum(rewards) / len(rewards),
            kl=report.metrics.get("kl"),
            operations=step_operations(prompts, lengths, **sizes),
            rates=product_rates() if device.type == "cpu" else {},
        )
    else:
        turns.asked()  # the last step's model may be asked for, too
    engine.close()
    learner.close()


def by_chance(groups: Sequence[Group]) -> list[list[Score]]:
    return [[Score(lot(response.token_ids_T.tolist()), {}) for response in group.responses] for group in groups]


def save(learner: Learner, tokenizer: PreTrainedTokenizerBase, folder: str) -> None:
    save_policy(learner.model, Path(folder))
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(Spec.from_json(sys.argv[1]))
