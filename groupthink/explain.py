"""The worked example of the project's first page, executed: one group, five steps, real rewards, a real update.

The problem is x^2-5x+6=0 with three responses. A factors, and is right and concise; B uses the quadratic
formula, and is right and verbose; C answers x = -5 ± 3, that is x=-8 and x=-2, at once, and is wrong.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from groupthink.advantage import AdvantageSettings, advantage
from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.model.threads import using_threads
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.kl import k3
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Group, Problem, Response
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.run.digits import true_decimals
from groupthink.task.quadratics import Quadratics

PROBLEM = Problem(
    id="quadratics/seed", task="quadratics", prompt="Solve x^2-5x+6=0", answer="x=2, x=3", info={"a": 1, "p": 2, "q": 3}
)
HELD_BY = 1.0  # the weight of KL in the further updates: large, so that its pull is seen within a few of them
FINE = 5  # decimals of what an update changes a log-probability by
FORMULA = """\
b*b=25 4c=24
D=25-24=1=1*1
(5-1)/2=4/2=2
(5+1)/2=6/2=3
check: 2+3=5 ok 2*3=6 ok
"""
RESPONSES = {
    "A": "<think>b=-5 c=6\n1*6: 6+1=7 no\n2*3: 3+2=5 yes\n(x-2)(x-3)\n</think>x=2, x=3",
    "B": f"<think>b=-5 c=6\n{FORMULA}wait, b=-5 c=6\n{FORMULA}</think>x=2, x=3",
    "C": "<think></think>x=-8, x=-2",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The five steps in figures; lists run over A, B, C, but for the last two.

    Log-probabilities are means per token, in nats.
    """

    rewards: list[float]
    mean: float
    advantages: list[float]
    logprob_before: list[float]
    logprob_after: list[float]  # after the first update
    kl: float  # mean k3 to the reference after the first update
    parts: list[dict[str, float | None]]
    held: list[float]  # mean k3 after each of several updates with a strong KL term
    free: list[float]  # the same without one


def explain(learning_rate: float = 1e-5, further: int = 20) -> Explanation:
    """Run the five steps on the worked example with the nano policy, then `further` updates with and without KL.

    One thread does it: so small a model is slower with more.
    """
    with using_threads(1):
        return _explain(learning_rate, further)


def _explain(learning_rate: float, further: int) -> Explanation:
    model = load_model("nano")
    scorer = TokenScorer(model)  # one for all: it tries the model out when it is made, which costs more than to score
    group = _group(load_tokenizer("nano"), scorer)
    scores = Judge(RewardSettings(), Quadratics()).score([group])
    advantages_PG = advantage(scores, AdvantageSettings())
    batch = assemble([group], advantages_PG)
    settings = PolicySettings(learning_rate=learning_rate, warmup_steps=0, schedule="constant", threads=1)
    objective = ObjectiveSettings(kl=0.001)

    learner = Learner(model, load_model("nano"), settings, objective, total_steps=1, temperature=1.0)
    before, reference = _mean_logprobs(scorer, group), _token_logprobs(scorer, group)
    learner.update(batch)
    return Explanation(
        rewards=[score.value for score in scores[0]],
        mean=float(np.mean([score.value for score in scores[0]])),
        advantages=advantages_PG[0].tolist(),
        logprob_before=before,
        logprob_after=_mean_logprobs(scorer, group),
        kl=_kl(scorer, group, reference),
        parts=[dict(score.parts) for score in scores[0]],
        held=_drift(group, batch, settings, replace(objective, kl=HELD_BY), further, reference),
        free=_drift(group, batch, settings, replace(objective, kl=0.0), further, reference),
    )


def _group(tokenizer: Any, scorer: TokenScorer) -> Group:
    """The three responses as the nano policy would have sampled them: with its own log-probabilities."""
    prompt_ids = Chat(tokenizer).encode(PROBLEM.prompt)
    ids = [
        np.array([*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id])
        for text in RESPONSES.values()
    ]
    logprobs = _score(scorer, prompt_ids, ids)
    responses = [
        Response(
            token_ids_T=ids_T,
            sampled_T=np.ones(len(ids_T), bool),
            logprobs_T=logprobs_T,
            drawn_logprobs_T=logprobs_T,
            versions_T=np.zeros(len(ids_T), np.int64),
            text=text,
            finish="stop",
            seed=0,
        )
        for ids_T, logprobs_T, text in zip(ids, logprobs, RESPONSES.values(), strict=True)
    ]
    return Group(PROBLEM, prompt_ids, tuple(responses))


def _score(scorer: TokenScorer, prompt_ids: np.ndarray, responses: list[np.ndarray]) -> list[np.ndarray]:
    packed = pack([prompt_ids], responses, [0] * len(responses))
    with torch.no_grad():
        logprobs_M, _ = scorer(packed, 1.0)
    return np.split(logprobs_M.numpy(), np.cumsum([len(ids) for ids in responses])[:-1])


def _token_logprobs(scorer: TokenScorer, group: Group) -> list[np.ndarray]:
    return _score(scorer, group.prompt_ids, [response.token_ids_T for response in group.responses])


def _mean_logprobs(scorer: TokenScorer, group: Group) -> list[float]:
    return [float(logprobs_T.mean()) for logprobs_T in _token_logprobs(scorer, group)]


def _kl(scorer: TokenScorer, group: Group, reference: list[np.ndarray]) -> float:
    """Mean k3 over the tokens of the group (Schulman; 2402.03300, eq. 4)."""
    now, before = (torch.from_numpy(np.concatenate(parts)) for parts in (_token_logprobs(scorer, group), reference))
    return float(k3(now, before).mean())


def _drift(
    group: Group,
    batch: Any,
    settings: PolicySettings,
    objective: ObjectiveSettings,
    updates: int,
    reference: list[np.ndarray],
) -> list[float]:
    """How far the policy is from the reference after each of `updates` updates on the same group."""
    model = load_model("nano")
    learner = Learner(
        model, load_model("nano") if objective.kl else None, settings, objective, total_steps=updates, temperature=1.0
    )
    scorer, drifts = TokenScorer(model), []
    for _ in range(updates):
        learner.update(batch)
        drifts.append(_kl(scorer, group, reference))
    return drifts


def print_explanation(found: Explanation) -> None:
    """The worked example on the terminal."""
    print("\n".join(explanation_lines(found)))


def explanation_lines(found: Explanation) -> list[str]:
    """The five steps in words and figures."""
    lines = [f"{PROBLEM.prompt}", "", "1  Three responses"]
    for name, text in RESPONSES.items():
        first, *more = text.split("\n")
        lines += [f"   {name}  {first}", *(f"      {line}" for line in more)]
    lines += ["", "2  A reward for each, by rules"]
    for name, reward, parts in zip(RESPONSES, found.rewards, found.parts, strict=True):
        lines.append(f"   {name}  {reward:.1f}   " + "  ".join(f"{part} {value}" for part, value in parts.items()))
    lines += [
        "",
        "3  The average of the group",
        f"   ({' + '.join(f'{reward:.1f}' for reward in found.rewards)}) / {len(found.rewards)} = {found.mean:.2f}",
        "",
        "4  Each against the average",
    ]
    for name, reward, gain in zip(RESPONSES, found.rewards, found.advantages, strict=True):
        lines.append(f"   {name}  {reward:.1f} - {found.mean:.2f} = {gain:+.2f}")
    lines += ["", "5  One update of the policy: the mean log-probability of a token of each response"]
    moves = list(zip(found.logprob_before, found.logprob_after, strict=True))
    decimals = true_decimals(moves, FINE)
    for name, (before, after) in zip(RESPONSES, moves, strict=True):
        lines.append(f"   {name}  {before:.{decimals}f} -> {after:.{decimals}f}   {after - before:+.{FINE}f}")
    lines += [
        "",
        f"   KL to the policy before (mean k3): {found.kl:.2e}",
        f"   after {len(found.held)} updates on the same group: {found.free[-1]:.4f} without the KL term, "
        f"{found.held[-1]:.4f} with it at weight {HELD_BY:g}",
    ]
    return lines
