"""What flows through a step: one frozen record for each stage of it.

Shape letters end the names of tensors and arrays:

    P  problems of a step          T  tokens of one response
    G  responses to a problem      N  packed tokens of a batch
    B  responses of a step, P*G    M  packed response tokens: the ones that are learned from
    K  parts of a reward           V  vocabulary
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from groupthink.chain import Chain, read_chain

Message = Mapping[str, str]
"""A chat message, such as `{"role": "user", "content": "Solve x^2-5x+6=0"}`."""

Prompt = str | tuple[Message, ...]
"""What the policy is asked: text (one turn of a user), or the messages of a chat."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with an answer that a rule can check.

    Problem(id="quadratics/0/17", task="quadratics", prompt="Solve x^2-5x+6=0", answer="x=2, x=3")
    """

    id: str
    task: str
    prompt: Prompt
    answer: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Any]:
        """What rewards are given of `info`: names that begin with an underscore are the task's own."""
        return {name: value for name, value in self.info.items() if not name.startswith("_")}


@dataclass(frozen=True, eq=False)
class Response:
    """One chain of thought and its answer, as the policy wrote it.

    Response(token_ids_T=[7, 41, 8], sampled_T=[True, True, True], logprobs_T=[-0.1, -1.2, -0.0],
             drawn_logprobs_T=[-0.1, -1.2, -0.0], versions_T=[12, 12, 12], text="<think>4</think>",
             finish="stop", seed=902)
    """

    token_ids_T: np.ndarray  # int64; with the end-of-sequence token where there is one
    sampled_T: np.ndarray  # bool; False for tokens that the policy did not draw (a task's reply, a tool's output)
    logprobs_T: np.ndarray  # float32, nats, under the learner's law, log_softmax(logits / temperature); 0 if not drawn
    drawn_logprobs_T: np.ndarray  # float32, nats, under the law that drew: top-p and top-k change it; 0 likewise
    versions_T: np.ndarray  # int64; the version of the weights that drew each token; -1 where none did
    text: str  # decoded with special tokens, without the end of sequence
    finish: str  # "stop": the policy ended it; "length": it was cut at max_tokens, or before a reply too long for them
    seed: int
    turns: tuple[str, ...] = ()  # texts of the policy's turns and of the replies between them; empty: one turn, `text`

    def __len__(self) -> int:
        return len(self.token_ids_T)

    @property
    def written(self) -> int:
        """How many of its tokens the policy drew: those of replies are not its doing."""
        return int(self.sampled_T.sum())

    @cached_property
    def chain(self) -> Chain:
        return read_chain(self.text)

    @property
    def reasoning(self) -> str | None:
        return self.chain.reasoning

    @property
    def answer(self) -> str | None:
        return self.chain.answer


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """A problem, its prompt as token ids, and the responses that are compared with each other."""

    problem: Problem
    prompt_ids: np.ndarray  # int64
    responses: tuple[Response, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """The reward of one response.

    Score(value=0.8, parts={"accuracy": 1.0, "format": 1.0, "brevity": 0.0}, extracted="x=2, x=3", note="right")
    """

    value: float  # the weighted sum of the parts
    parts: Mapping[str, float | None]  # None: this reward does not count for this response
    extracted: str | None = None  # the answer that was compared
    note: str = ""  # why the score is what it is


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Groups ready to be learned from, ragged: response b owns the tokens starts[b] to starts[b + 1].

    Only sampled tokens carry weight. `weights_M` is the share of each token in the loss: the reduction
    (a mean over sequences, over tokens, ...) is decided when the batch is assembled, over all of it, so
    that the gradient does not depend on how the batch is cut into micro-batches.
    """

    prompts: tuple[np.ndarray, ...]  # prompt ids of each group, int64
    group_B: np.ndarray  # int64; the group of each response
    starts: np.ndarray  # int64, B + 1 offsets into the response tokens
    token_ids_M: np.ndarray  # int64
    sampled_M: np.ndarray  # bool; False for tokens that the policy did not draw (a tool's output)
    old_logprobs_M: np.ndarray  # float32, nats; as sampled, under the learner's law
    drawn_logprobs_M: np.ndarray  # float32, nats, under the law that drew, which top-p and top-k narrow; 0 likewise
    advantages_M: np.ndarray  # float32
    weights_M: np.ndarray  # float32; 0 for tokens that the policy did not sample


@dataclass(frozen=True, eq=False, slots=True)
class Report:
    """What an update did: figures by TRL's metric names, and columns for every token of the batch."""

    metrics: Mapping[str, float]
    learner_logprobs_M: np.ndarray  # float32, nats, before the update
    reference_logprobs_M: np.ndarray | None  # float32, nats; None without a reference
    entropies_M: np.ndarray  # float32, nats
    clipped_M: np.ndarray  # bool
    change_M: np.ndarray  # float32, nats: log-probability after the update less before; NaN where not traced
    difference_M: np.ndarray  # float32, nats: the learner's log-probability before it moved less the engine's, or NaN


@dataclass(frozen=True, eq=False, slots=True)
class Weights:
    """A handle on the policy's weights: their version, and the tensors by their Hugging Face names."""

    version: int
    tensors: Mapping[str, Any]  # name -> torch.Tensor
