"""A large run for `view.py`: 1,000 steps of 500 responses, written by the run's own hand.

    python bench/view_run.py [--run runs/view/large]

nano answers some problems in earnest. What it wrote is the pool from which every step takes its responses: varied
(other digits, now and then a second thought) and with figures of tokens that differ from step to step, so that the
files are as large as those of a run that was trained. Which are right, how long they are and how often they think twice
changes over the steps. A run that is there is not made again.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from vs_trl import REPOSITORY, tell

from groupthink.advantage import center
from groupthink.chain import CLOSE
from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.policy.assemble import assemble
from groupthink.recipe import Recipe, load_recipe
from groupthink.records import Group, Problem, Report, Response, Score
from groupthink.reward.judge import Judge
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.open import open_engine
from groupthink.run.directory import Run
from groupthink.run.rollouts import rollout_table
from groupthink.task import Task, open_task

PROBLEMS = 2_000
"""Problems that the run goes round in."""

DRAWN, EACH, VARIANTS = 64, 16, 6
"""Problems that nano answers for the pool, responses to each, and variants of each response."""

SECOND_THOUGHT = "wait, check: "
EVERY = 100
"""Steps between evaluations, and between checkpoints."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_run(parser)
    options = parser.parse_args()
    make(options.run, options.steps, options.groups, options.size)


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options that say which run."""
    parser.add_argument("--run", type=Path, default=REPOSITORY / "runs" / "view" / "large", help="where it is kept")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=50, help="of a step")
    parser.add_argument("--size", type=int, default=10, help="responses of a group")


def make(place: Path, steps: int, groups: int, size: int) -> Path:
    """The run, which is made where it is not there."""
    if (place / "summary.json").exists():
        return place
    begun = time.perf_counter()
    sizes = [f"steps={steps}", f"task.problems_per_step={groups}", f"rollout.group_size={size}"]
    recipe = load_recipe(overrides=[*sizes, f"task.pool={PROBLEMS}"])
    task = open_task("quadratics")
    pool = Pool(recipe, task)
    tell(f"a pool of {len(pool.table)} responses, {len(pool.table.column('token_ids').combine_chunks().values)} tokens")
    with Run.create(place, recipe) as run:
        maker = Maker(pool, task, recipe)
        evaluate(run, pool, "before", 0.0)
        for step in range(steps):
            table, figures = maker.step(step)
            run._write_rollouts(step, table)  # as `record` does with a table that is made row by row
            run.record_metrics(step, figures, {"generate": 4.1, "learn": 6.2, "score": 0.1})
            run.steps_done = step + 1
            if (step + 1) % EVERY == 0:
                run.event("checkpoint", step=step + 1)
                evaluate(run, pool, f"step-{step + 1:06d}", (step + 1) / steps)
                tell(f"{step + 1} steps, {time.perf_counter() - begun:.0f} s")
        evaluate(run, pool, "after", 1.0)
        run.finish({"steps": steps})
    return place


class Pool:
    """Responses that nano wrote, and variants of them, as rows of a step's table, by whether they are right and whether
    they think twice."""

    def __init__(self, recipe: Recipe, task: Task):
        chance = np.random.default_rng(0)
        tokenizer = load_tokenizer("nano")
        groups, scores = draw(recipe, task, Chat(tokenizer))
        words = Words(tokenizer)
        wide = [
            replace(group, responses=tuple(words.vary(one, number, chance) for one in group.responses))
            for number in range(VARIANTS)
            for group in groups
        ]
        every = [row for _ in range(VARIANTS) for row in scores]
        advantages_PG = np.zeros((len(wide), EACH))
        batch = assemble(wide, advantages_PG, recipe.objective, recipe.rollout.max_tokens)
        tokens = len(batch.token_ids_M)
        none = np.zeros(tokens, np.float32)
        report = Report({}, batch.old_logprobs_M, none, none, np.zeros(tokens, bool), none, none)
        self.table = rollout_table(wide, every, advantages_PG, batch, report)
        parts = self.table.column("parts").combine_chunks()
        self.parts = {name: parts.field(name).to_numpy(zero_copy_only=False) for name in ("format", "brevity")}
        right = parts.field("accuracy").to_numpy(zero_copy_only=False) == 1
        twice = np.array([SECOND_THOUGHT in text for text in self.table.column("text").to_pylist()])
        self.by = {(r, t): np.flatnonzero((right == r) & (twice == t)) for r in (False, True) for t in (False, True)}


class Words:
    """Texts as nano's tokens, one for each character."""

    def __init__(self, tokenizer: Any):
        self.decode = tokenizer.decode
        self.digits = np.array(tokenizer.convert_tokens_to_ids(list("0123456789")))
        self.close = tokenizer.convert_tokens_to_ids(CLOSE)
        self.thought = np.array(tokenizer.convert_tokens_to_ids(list(SECOND_THOUGHT)))

    def vary(self, response: Response, number: int, chance: np.random.Generator) -> Response:
        """Other digits; and, in every second variant, the same once more at the end of its reasoning."""
        ids = response.token_ids_T.copy()
        for place in np.flatnonzero(np.isin(ids, self.digits)):
            if number and chance.random() < 0.3:
                ids[place] = chance.choice(self.digits)
        logprobs = response.logprobs_T
        if number % 2:
            at = int(np.argmax(ids == self.close)) if (ids == self.close).any() else len(ids) // 2
            again = np.concatenate([self.thought, ids[1:at]])
            ids = np.insert(ids, at, again)
            logprobs = np.insert(logprobs, at, -chance.exponential(0.3, len(again))).astype(np.float32)
        ended = len(ids) - (response.finish == "stop")
        return replace(
            response,
            token_ids_T=ids,
            sampled_T=np.ones(len(ids), bool),
            logprobs_T=logprobs,
            drawn_logprobs_T=logprobs,
            versions_T=np.zeros(len(ids), np.int64),
            text=self.decode(ids[:ended]),
        )


def draw(recipe: Recipe, task: Task, chat: Chat) -> tuple[list[Group], list[list[Score]]]:
    """What nano answers, and what that is worth."""
    model = load_model("nano")
    engine = open_engine(model, chat.tokenizer, replace(recipe.rollout, processes=1), model.device)
    try:
        sampling = Sampling(max_tokens=recipe.rollout.max_tokens, n=EACH)
        groups = generate(engine, chat, task.sample(0, DRAWN), sampling, recipe.seed)
    finally:
        engine.close()
    return groups, Judge(recipe.reward, task).score(groups)


class Maker:
    """The tables of steps, a column at a time."""

    def __init__(self, pool: Pool, task: Task, recipe: Recipe):
        self.pool, self.recipe = pool, recipe
        self.chance = np.random.default_rng(1)
        problems: list[Problem] = []
        while len(problems) < PROBLEMS:
            problems += task.sample(len(problems) + 1, 500)
        chat = Chat(load_tokenizer("nano"))
        self.names = [f"{one.id}/{number}" for number, one in enumerate(problems[:PROBLEMS])]
        self.prompts = [str(one.prompt) for one in problems[:PROBLEMS]]
        self.expected = [one.answer for one in problems[:PROBLEMS]]
        self.prompt_ids = [chat.encode(prompt) for prompt in self.prompts]
        self.hardness = self.chance.normal(0, 1.2, PROBLEMS)
        self.written = 0.0

    def step(self, step: int) -> tuple[pa.Table, dict[str, float]]:
        """The responses of a step, and its figures."""
        groups, size, steps = self.recipe.task.problems_per_step, self.recipe.rollout.group_size, self.recipe.steps
        chance, gone = self.chance, step / steps
        problems = (step * groups + np.arange(groups)) % PROBLEMS
        share_P = 1 / (1 + np.exp(-(4 * gone - 1 - self.hardness[problems])))
        right_B = (chance.random((groups, size)) < share_P[:, None]).ravel()
        twice_B = chance.random(groups * size) < 0.02 + 0.35 * gone**2
        rows = np.array(
            [chance.choice(self.pool.by[r, t]) for r, t in zip(right_B.tolist(), twice_B.tolist(), strict=True)]
        )
        weights = self.recipe.reward.weights
        parts = {
            "accuracy": right_B.astype(float),
            "format": self.pool.parts["format"][rows],
            "brevity": np.where(right_B, np.nan_to_num(self.pool.parts["brevity"][rows], nan=0.5), 0.0),
        }
        rewards_PG = sum(weights[name] * part for name, part in parts.items()).reshape(groups, size)
        advantages_PG = center(rewards_PG[..., None], np.ones(1))
        table = self._table(step, rows, problems, parts, rewards_PG, advantages_PG)
        return table, self._figures(step, table, parts, rewards_PG, right_B.reshape(groups, size))

    def _table(
        self,
        step: int,
        rows: np.ndarray,
        problems: np.ndarray,
        parts: dict[str, np.ndarray],
        rewards_PG: np.ndarray,
        advantages_PG: np.ndarray,
    ) -> pa.Table:
        table, chance = self.pool.table.take(rows), self.chance
        schema, size = table.schema, rewards_PG.shape[1]
        logprobs = table.column("logprobs").combine_chunks()
        offsets, count = logprobs.offsets, len(logprobs.values)
        lengths = np.diff(offsets.to_numpy())
        drawn_M = logprobs.values.to_numpy() * chance.uniform(0.8, 1.2, count).astype(np.float32)
        learner_M = drawn_M + chance.normal(0, 1e-3, count).astype(np.float32)
        traced = np.repeat(np.arange(len(rows)) < size, lengths)

        def column(values_M: np.ndarray, known_B: np.ndarray | None = None) -> pa.Array:
            mask = None if known_B is None else pa.array(~known_B)
            return pa.ListArray.from_arrays(offsets, pa.array(values_M), mask=mask)

        change_M = np.repeat(advantages_PG.ravel(), lengths) * 0.02 + chance.normal(0, 0.005, count)
        named = np.repeat(problems, size).tolist()
        fresh: dict[str, Any] = {
            "problem": [self.names[one] for one in named],
            "prompt": [self.prompts[one] for one in named],
            "prompt_ids": [self.prompt_ids[one] for one in named],
            "expected": [self.expected[one] for one in named],
            "response": np.tile(np.arange(size), len(problems)),
            "seed": chance.integers(0, 2**31, len(rows)),
            "reward": rewards_PG.ravel(),
            "parts": pa.StructArray.from_arrays(
                [
                    pa.array(parts.get(name, np.zeros(len(rows))))
                    for name in (field.name for field in schema.field("parts").type)
                ],
                fields=list(schema.field("parts").type),
            ),
            "group_mean": np.repeat(rewards_PG.mean(axis=1), size),
            "advantage": advantages_PG.ravel(),
            "version": column(np.full(count, step)),
            "logprobs": column(drawn_M),
            "drawn_logprobs": column(drawn_M),
            "advantages": column(np.repeat(advantages_PG.ravel(), lengths).astype(np.float32)),
            "learner_logprobs": column(learner_M),
            "reference_logprobs": column(learner_M + chance.normal(0, 0.05, count).astype(np.float32)),
            "entropies": column(chance.exponential(0.2, count).astype(np.float32)),
            "clipped": column(chance.random(count) < 0.01),
            "change": column(np.where(traced, change_M, 0).astype(np.float32), np.arange(len(rows)) < size),
        }
        columns = [
            pa.array(fresh[one.name], one.type) if one.name in fresh else table.column(one.name) for one in schema
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    def _figures(
        self, step: int, table: pa.Table, parts: dict[str, np.ndarray], rewards_PG: np.ndarray, right_PG: np.ndarray
    ) -> dict[str, float]:
        chance, gone = self.chance, step / self.recipe.steps
        lengths = np.diff(table.column("token_ids").combine_chunks().offsets.to_numpy())
        ended = np.array(table.column("finish").to_pylist()) == "stop"
        self.written += float(lengths.sum())
        told = {
            f"rewards/{name}/{what}": of(part)
            for name, part in parts.items()
            for what, of in (("mean", np.mean), ("std", np.std))
        }
        level = (rewards_PG == rewards_PG[:, :1]).all(axis=1)
        found = {
            "reward": rewards_PG.mean(),
            "reward_std": rewards_PG.std(axis=1, ddof=1).mean(),
            **told,
            "completions/mean_length": lengths.mean(),
            "completions/min_length": lengths.min(),
            "completions/max_length": lengths.max(),
            "completions/clipped_ratio": 1 - ended.mean(),
            "completions/mean_terminated_length": lengths[ended].mean(),
            "completions/cut_after_answer": 0.0,
            "completions/repetition": 0.02 + 0.01 * chance.random(),
            "frac_reward_zero_std": level.mean(),
            "frac_all_right": (level & right_PG.all(axis=1)).mean(),
            "frac_all_wrong": (level & ~right_PG.any(axis=1)).mean(),
            "num_tokens": self.written,
            "loss": chance.normal(0, 0.01),
            "grad_norm": chance.gamma(4, 0.1),
            "learning_rate": 6e-4,
            "kl": 0.4 * gone + 0.02 * chance.random(),
            "entropy": 0.6 - 0.4 * gone + 0.05 * chance.random(),
            "clip_ratio/high_mean": 0.01 * chance.random(),
            "clip_ratio/low_mean": 0.01 * chance.random(),
            "clip_ratio/region_mean": 0.02 * chance.random(),
            "ratio/max": 1.0 + chance.gamma(2, 0.1),
            "sampling/sampling_logp_difference/mean": 1e-6 * chance.random(),
            "sampling/sampling_logp_difference/max": 1e-5 * chance.random(),
        }
        return {name: float(value) for name, value in found.items()}


def evaluate(run: Run, pool: Pool, name: str, gone: float) -> None:
    """An evaluation of 200 problems, four samples each."""
    chance = np.random.default_rng(int(1e6 * gone))
    right = chance.random(800) < 0.3 + 0.6 * gone
    rows = np.array([chance.choice(pool.by[bool(one), False]) for one in right])
    texts: Sequence[str] = pool.table.column("text").take(rows).to_pylist()
    prompts: Sequence[str] = pool.table.column("prompt").take(rows).to_pylist()
    responses = [
        {
            "kind": "sampled", "problem": f"quadratics/held_out/{number // 4}", "prompt": prompts[number // 4 * 4],
            "expected": "x=1, x=2", "text": text, "extracted": None, "right": bool(right[number]), "lenient": None,
            "formed": True, "environment": None, "by_tests": False, "length": len(text), "finish": "stop",
            "traits": ["factors"] if number % 3 else ["formula", "checks"],
        }
        for number, text in enumerate(texts)
    ]  # fmt: skip
    share = float(right.mean())
    traits = {"factors": {"share": 0.6, "accuracy": share}, "formula": {"share": 0.4, "accuracy": share}}
    figures = {
        "pass@1": share, "pass@1_low": share - 0.04, "pass@1_high": share + 0.04, "pass@k": min(1.0, share + 0.2),
        "maj@k": min(1.0, share + 0.1), "greedy": share, "lenient": share, "format": 0.98, "environment": None,
        "problems": 200, "unjudged": {}, "samples": 4, "length": 110.0, "truncated": 0.02, "traits": traits,
    }  # fmt: skip
    run.write_evaluation(name, responses, figures)


if __name__ == "__main__":
    main()
