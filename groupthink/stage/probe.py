"""One token more: whether what draws computes the learner's law, where the learner has moved on when responses come.

With a lag by order, the responses of a step are drawn from weights that the learner no longer has when it learns from
them, so that their log-probabilities say nothing of the engine. But when they are asked for, it has them. So a probe
goes along: beginnings of responses that are there already, each of which the engine is to go on with by one token. The
learner notes now by which law it would draw that token, and later looks at what the engine says of the one it drew.
"""

from collections.abc import Sequence

import numpy as np

from groupthink.policy.learning import Learning
from groupthink.records import Group
from groupthink.rollout.engine import Engine, Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.settings import RolloutSettings

BEGINNINGS = 8
"""At most: a few more prompts to read, beside a step's hundreds of responses."""


class Probe:
    """Asks at once, of the weights that the engine was loaded with last, which are to be the learner's own."""

    def __init__(
        self, engine: Engine, learner: Learning, groups: Sequence[Group], settings: RolloutSettings, seed: int
    ):
        beginnings = [beginning(group) for group in groups[:BEGINNINGS]]
        sampling = Sampling(1, settings.temperature, settings.top_p, settings.top_k)
        self._laws_RV = learner.laws(beginnings)
        self._handles = [engine.submit(ids, sampling, mix(seed, "probe", i)) for i, ids in enumerate(beginnings)]
        self._handles[-1].start()

    def difference(self) -> np.ndarray:
        """The learner's log-probability less the engine's [R] (nats), of the tokens that were drawn. Waits for them."""
        drawn = [handle.result()[0] for handle in self._handles]
        return np.array(
            [
                law_V[response.token_ids_T[0]] - response.logprobs_T[0]
                for law_V, response in zip(self._laws_RV, drawn, strict=True)
            ]
        )


def beginning(group: Group) -> np.ndarray:
    """The prompt and the first half of a group's first response: what follows is seldom sure."""
    token_ids_T = group.responses[0].token_ids_T
    return np.concatenate([group.prompt_ids, token_ids_T[: len(token_ids_T) // 2]])
