"""The table [scale] of a recipe."""

import math
from dataclasses import dataclass

PLACEMENTS = ("spread", "pack")
TRANSPORTS = ("store", "nixl")


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """What of a run works on a cluster of Ray, and how much of it each part takes."""

    engines: int = 0  # that draw, each an actor of Ray; 0: the local engine
    least_engines: int = 0  # the run begins with so many, others join when there is room; 0: it begins with all
    learners: int = 0  # that learn together, each an actor of Ray; 0: the local learner
    rewards: int = 0  # workers that score, for rewards that are slow; 0: responses are scored here
    address: str = ""  # of a running cluster, "auto": the one of this machine; "": a local one, ended with the run
    placement: str = "spread"  # over as many machines as there are; or "pack": on as few as possible
    engine_cpus: float = 1.0  # cores for each engine, which are its threads, too
    engine_gpus: float = 0.0  # GPUs for each engine
    learner_cpus: float = 1.0
    learner_gpus: float = 0.0
    transport: str = "store"  # of weights, through Ray's object store; or "nixl": from memory to memory, GPUs' too
    prompts: int = 16  # with an engine at a time, at most; others wait for whoever is free
    patience: float = 600.0  # seconds that room on the cluster is waited for, that learners wait for each other (and
    # for a file system, at a checkpoint), and that the rewards of a group may take
    failures: int = 3  # in a row, of an engine, a reward's worker or the learners, at which it is given up

    def __post_init__(self) -> None:
        for name, least in (("engines", 0), ("learners", 0), ("rewards", 0), ("prompts", 1), ("failures", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"scale.{name} is {getattr(self, name)}: give {least} or more")
        if not 0 <= self.least_engines <= self.engines:
            raise ValueError(
                f"scale.least_engines is {self.least_engines}, and scale.engines {self.engines}: give 1 to "
                f"{self.engines} to scale.least_engines, or 0 to begin with all"
            )
        for name in ("engine_cpus", "engine_gpus", "learner_cpus", "learner_gpus"):
            share = getattr(self, name)
            if not 0 <= share < math.inf or (share > 1 and share % 1):
                raise ValueError(f"scale.{name} is {share}: give a whole number, or a share below 1")
        if self.learner_gpus not in (0, 1):
            raise ValueError(
                f"scale.learner_gpus is {self.learner_gpus:g}: a learner computes on one GPU (1) or none (0)"
            )
        if self.placement not in PLACEMENTS:
            raise ValueError(f"scale.placement is {self.placement!r}: choose one of {', '.join(PLACEMENTS)}")
        if self.transport not in TRANSPORTS:
            raise ValueError(f"scale.transport is {self.transport!r}: choose one of {', '.join(TRANSPORTS)}")
        if self.transport != "store" and not self.engines:
            raise ValueError(
                f"scale.transport is {self.transport!r}, and there is no engine to bring weights to: set "
                "scale.engines, or leave it out"
            )
        if not 0 < self.patience < math.inf:
            raise ValueError(f"scale.patience is {self.patience}: give seconds above 0")
        if self.address and not self.wanted:
            raise ValueError(
                f"scale.address is {self.address!r}, and nothing is to work there: set scale.engines, "
                "scale.learners or scale.rewards, or leave it out"
            )

    @property
    def wanted(self) -> bool:
        """Whether anything is to work on a cluster."""
        return bool(self.engines or self.learners or self.rewards)

    @property
    def cpus(self) -> float:
        """Cores that all parts together take."""
        return self.engines * self.engine_cpus + self.learners * self.learner_cpus + self.rewards

    def without_gpus(self, gpus: float) -> str:
        """What to say where a cluster has `gpus` GPUs, and who would use them asks for none; else nothing."""
        asked = [
            f"scale.{one}_gpus=1"
            for one, count, own in (
                ("engine", self.engines, self.engine_gpus),
                ("learner", self.learners, self.learner_gpus),
            )
            if gpus and count and not own
        ]
        return f"the cluster has {gpus:g} GPUs, and not all use them: set {' '.join(asked)}" if asked else ""

    def require_learners(self, *, lora: bool, optimizer: str, processes: int) -> None:
        """Raise ValueError where other settings of learning are at odds with learners on a cluster."""
        if not self.learners:
            return
        if lora:
            raise ValueError(
                "lora.rank is set: an adapter learns within one process; set scale.learners=0, or lora.rank=0 to have "
                "all weights learn on several"
            )
        if optimizer != "adamw":
            raise ValueError(
                f"policy.optimizer is {optimizer!r}, whose state cannot be shared out: with scale.learners set "
                'policy.optimizer="adamw", of which each learner holds its share'
            )
        if processes > 1:
            raise ValueError(
                f"policy.processes is {processes}: with scale.learners each learner is one process; raise "
                "scale.learners, and leave policy.processes at 0"
            )

    def require_engines(
        self, *, processes: int, own_process: bool, engine: str, tensor_parallel: int, lag: int
    ) -> None:
        """Raise ValueError where other settings of drawing are at odds with engines on a cluster."""
        if not self.engines:
            return
        if self.transport == "nixl" and lag:
            raise ValueError(
                f'rollout.lag is {lag}: with scale.transport="nixl" weights are gone with the learner that holds them, '
                'and an engine that lags would ask for them later; set scale.transport="store", or rollout.lag=0'
            )
        if processes > 1:
            raise ValueError(
                f"rollout.processes is {processes}: with scale.engines each engine is one process; raise "
                "scale.engines, and leave rollout.processes at 0"
            )
        if engine == "vllm" and not own_process:
            raise ValueError(
                "vllm.own_process=false draws in the thread that waits, and an engine of scale.engines must hear of "
                "new weights meanwhile: leave it at true"
            )
        if engine != "vllm" and self.engine_gpus > 1:
            raise ValueError(
                f"scale.engine_gpus is {self.engine_gpus:g}, and an engine that is not vLLM draws on one: set 1, or "
                'rollout.engine="vllm" with vllm.tensor_parallel'
            )
        if engine == "vllm" and self.engine_gpus and self.engine_gpus < tensor_parallel:
            raise ValueError(
                f"vllm.tensor_parallel is {tensor_parallel}, and an engine has {self.engine_gpus:g} GPUs: set "
                f"scale.engine_gpus={tensor_parallel}"
            )
