"""A scorer of reasoning-gym's kind that never ends on one answer, for processes to be found waiting for."""

import time

from groupthink.task import gym_items

HANGS = "an answer on which it hangs"


def score(source, asked, answer):
    while answer == HANGS:
        time.sleep(1)
    return gym_items.score(source, asked, answer)
