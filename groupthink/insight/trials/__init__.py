"""Rewards on trial, before a run is paid for: what do they give for right answers, and for what only looks like some?

cases.py     kinds of responses, each a text made of a problem and its answer, and what must be true of its reward
trying.py    the recipe's own judge scores them all
findings.py  what looks wrong with the rewards, as evidence in figures
"""

from groupthink.insight.trials.seen import Finding, Trials
from groupthink.insight.trials.trying import try_rewards
from groupthink.insight.trials.words import in_words

__all__ = ["Finding", "Trials", "in_words", "try_rewards"]
