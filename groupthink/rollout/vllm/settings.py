"""The table [vllm] of a recipe."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """How vLLM is run, where rollout.engine asks for it."""

    python: str = ""  # a Python that has vLLM, which may be another environment's; "": this one
    own_process: bool = True  # False: within the learner's process, where nothing restarts it
    tensor_parallel: int = 1  # processes, each with a GPU of its own, that share every matrix out
    threads: int = 1  # on a CPU
    max_sequences: int = 256  # that are decoded at a time; others wait
    context: int = 0  # tokens of a prompt and its response; 0: the model's own, or what a CPU's memory_gb holds
    memory_gb: float = 1.0  # on a CPU: GiB of keys and values, at most
    memory_share: float = 0.4  # on a GPU: what vLLM takes of its memory; the rest is the learner's
    failures: int = 3  # of its process in a row, at which the run ends

    def __post_init__(self) -> None:
        for name, least in (
            ("tensor_parallel", 1),
            ("threads", 1),
            ("max_sequences", 1),
            ("context", 0),
            ("failures", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"vllm.{name} is {getattr(self, name)}: give {least} or more")
        if self.tensor_parallel > 1 and not self.own_process:
            raise ValueError(
                "vllm.tensor_parallel needs processes, and vllm.own_process=false says that there are none"
            )
        if not 0 < self.memory_gb < float("inf"):
            raise ValueError(f"vllm.memory_gb is {self.memory_gb}: give a number above 0")
        if not 0 < self.memory_share < 1:
            raise ValueError(f"vllm.memory_share is {self.memory_share}: give a share above 0 and below 1")
