"""The rewards that a recipe asks for beside the rules of `judge.py`, by the names of their parts."""

from groupthink.reward.code import CodeReward
from groupthink.reward.functions import Reward, as_reward, load_function
from groupthink.reward.model_judge import ModelJudge
from groupthink.reward.settings import CodeSettings, JudgeSettings, RewardSettings


def named_rewards(
    settings: RewardSettings, code: CodeSettings, judge: JudgeSettings, *, opening: str = ""
) -> dict[str, Reward]:
    """Functions of the user's, tests of code, another model's opinion.

    `opening`: what the prompt has written of the chain of thought, as `read_chain` takes it.
    Raises ValueError for a function that is not there, where there is no sandbox for code, and no server to judge.
    """
    rewards: dict[str, Reward] = {
        name: as_reward(load_function(name), name, settings.patience) for name in settings.functions
    }
    if settings.code:
        rewards["code"] = CodeReward(code.confinement, partial=code.partial, opening=opening)
    if settings.judge:
        rewards["judge"] = ModelJudge(judge.server, judge.prompt, opening=opening)
    return rewards
