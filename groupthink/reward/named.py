"""The rewards that a recipe asks for beside the rules of `judge.py`, by the names of their parts."""

from groupthink.reward.code import CodeReward
from groupthink.reward.functions import Reward, as_reward, load_function
from groupthink.reward.model_judge import ModelJudge
from groupthink.reward.settings import RewardSettings


def named_rewards(settings: RewardSettings, *, opened: bool = False) -> dict[str, Reward]:
    """Functions of the user's, tests of code, another model's opinion. `opened`: responses begin inside the reasoning.

    Raises ValueError for a function that is not there, and where there is no sandbox for code.
    """
    rewards: dict[str, Reward] = {name: as_reward(load_function(name), name) for name in settings.functions}
    if settings.code:
        rewards["code"] = CodeReward(settings.confinement, partial=settings.code_partial, opened=opened)
    if settings.judge:
        rewards["judge"] = ModelJudge(settings.judge_server, settings.judge_prompt, opened=opened)
    return rewards
