"""A run's settings: a few of its own and, one level deep, the tables of the rooms.

Each table is a frozen dataclass that lives beside the room that it configures.
"""

import math
from dataclasses import dataclass, field

from groupthink.advantage import AdvantageSettings
from groupthink.model.settings import ChatSettings, LoraSettings
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.recipe.possible import require_possible
from groupthink.recipe.stages import BY_REWARDS
from groupthink.reward.settings import CodeSettings, JudgeSettings, RewardSettings
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale.settings import ScaleSettings
from groupthink.stage.settings import DistillSettings, EvaluateSettings, SampleSettings, SftSettings
from groupthink.task.settings import TaskSettings


@dataclass(frozen=True)
class Recipe:
    """A run's settings, every one of them with a default."""

    stage: str = "grpo"  # what a step is: grpo, grpo_async (sampled ahead), distill (by a teacher), sft (learn from
    # demonstrations), or sample (keep right chains as a data set); or evaluate: the model is measured, in no steps
    model: str = "nano"  # nano, a run, a checkpoint, a local folder or a hub id
    trust_remote_code: bool = False  # whether code that comes with the model, where it needs some, may be run
    steps: int = 120  # of stage sample: as many as sample.problems take, whatever stands here
    seed: int = 0
    checkpoint_every: int = 40  # steps
    stop_patience: float = 20.0  # seconds that a signal to end waits for what is in hand to be kept
    trackers: tuple[str, ...] = ()  # boards that are told the figures, too: tensorboard, wandb, trackio
    task: TaskSettings = field(default_factory=TaskSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    vllm: VllmSettings = field(default_factory=VllmSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    code: CodeSettings = field(default_factory=CodeSettings)
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    advantage: AdvantageSettings = field(default_factory=AdvantageSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    sft: SftSettings = field(default_factory=SftSettings)
    distill: DistillSettings = field(default_factory=DistillSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)

    def __post_init__(self) -> None:
        if self.stage == "sample":  # all that counts steps finds them here
            object.__setattr__(self, "steps", math.ceil(self.sample.problems / self.task.problems_per_step))
        if self.stage == "evaluate":
            object.__setattr__(self, "steps", 0)
        require_possible(self)

    @property
    def objective_of_stage(self) -> ObjectiveSettings:
        """What an update improves: the recipe's objective, where the stage learns from rewards.

        Demonstrations are imitated: nothing was sampled, and there is no reference. In a distillation the reference is
        the teacher, and there is nothing but the KL to it; that is compared on the learner's own side, so that what the
        engine rounds otherwise does not count, and weighed by the ratio, so that it is right in later updates, too.
        """
        objective = self.objective
        if self.stage == "distill":
            return ObjectiveSettings(
                surrogate="unclipped",
                kl=1.0,
                kl_estimator="k3_unbiased",
                reduction=objective.reduction,
                overlong=objective.overlong,
                entropy_bonus=objective.entropy_bonus,
                entropy_target=objective.entropy_target,
                entropy_step=objective.entropy_step,
            )
        return objective if self.stage in BY_REWARDS else ObjectiveSettings(surrogate="imitation", kl=0.0)

    @property
    def layers(self) -> int:
        """How many layers the model is to have that is made from scratch; 0: as many as `model`."""
        return self.sft.layers if self.stage == "sft" else 0

    @property
    def learns_alone(self) -> bool:
        """Whether one process must learn: workers share one type of weights and of gradients, and know no adapters."""
        return bool(self.lora.rank) or self.policy.dtype != "float32"
