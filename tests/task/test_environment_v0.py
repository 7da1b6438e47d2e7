"""How conversations are held, by an environment that is made up; tests_peers/verifiers has real ones."""

import asyncio
import random
from types import SimpleNamespace

import numpy as np

from groupthink.task.environment_v0 import Conversations


class Dice:
    """Throws dice before it waits, and after."""

    rubric = SimpleNamespace(funcs=[len], weights=[1.0])

    def get_dataset(self):
        return SimpleNamespace(to_list=lambda: [{"prompt": "throw", "answer": "6"}] * 4)

    async def rollout(self, row, policy, model, sampling):
        thrown = []
        for _ in range(3):
            thrown += [random.random(), np.random.random()]
            await asyncio.sleep(0)
        return {"thrown": thrown}


def test_what_an_environment_draws_is_the_same_whatever_goes_on_beside(monkeypatch):
    monkeypatch.setattr("groupthink.task.environment_v0.scripted", lambda spoken: SimpleNamespace(asked=None))
    dice = Conversations(Dice(), "dice")

    async def thrown(*places):
        held = await asyncio.gather(*(dice._held_anew(place, ["go"]) for place in places))
        return [state["thrown"] for state, _ in held]

    before, numpy_before = random.getstate(), np.random.get_state()[1].tolist()
    together = asyncio.run(thrown(0, 1, 2, 1))
    alone = [asyncio.run(thrown(place))[0] for place in (0, 1, 2, 1)]
    assert together == alone and together[0] != together[1] == together[3]
    assert random.getstate() == before and np.random.get_state()[1].tolist() == numpy_before
