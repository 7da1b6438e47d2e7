"""The rewards that a recipe asks for beside the rules of `judge.py`, by the names of their parts."""

from groupthink.reward.code import CodeReward
from groupthink.reward.functions import Reward, as_reward, load_function
from groupthink.reward.model_judge import ModelJudge
from groupthink.reward.settings import RewardSettings


def named_rewards(settings: RewardSettings, *, opening: str = "") -> dict[str, Reward]:
    """Functions of the user's, tests of code, another model's opinion.

    `opening`: what the prompt has written of the chain of thought, as `read_chain` takes it.
    Raises ValueError for a function that is not there, and where there is no sandbox for code.
    """
    rewards: dict[str, Reward] = {name: as_reward(load_function(name), name) for name in settings.functions}
    if settings.code:
        rewards["code"] = CodeReward(settings.confinement, partial=settings.code_partial, opening=opening)
    if settings.judge:
        rewards["judge"] = ModelJudge(settings.judge_server, settings.judge_prompt, opening=opening)
    return rewards
