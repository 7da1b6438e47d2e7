import numpy as np
import pytest

from groupthink.records import Group, Problem, Response


def _respond(text: str, tokens: int = 10, finish: str = "stop") -> Response:
    zeros = np.zeros(tokens, np.float32)
    return Response(
        token_ids_T=np.zeros(tokens, np.int64),
        sampled_T=np.ones(tokens, bool),
        logprobs_T=zeros,
        drawn_logprobs_T=zeros,
        versions_T=np.zeros(tokens, np.int64),
        text=text,
        finish=finish,
        seed=0,
    )


@pytest.fixture
def respond():
    """Makes a response of so many tokens."""
    return _respond


@pytest.fixture
def group():
    """Three responses to the seed's problem: right and brief, right and long, wrong and well formed."""
    problem = Problem(id="quadratics/0/0", task="quadratics", prompt="Solve x^2-5x+6=0", answer="x=2, x=3")
    responses = (
        _respond("<think>(x-2)(x-3)</think>x=2, x=3", 40),
        _respond("<think>D=25-24=1</think>x=2, x=3", 200),
        _respond("<think>D=9</think>x=-8, x=-2", 40),
    )
    return Group(problem, np.array([1, 2]), responses)
