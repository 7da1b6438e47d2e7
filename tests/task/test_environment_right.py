"""Which of an environment's functions says what is right."""

import asyncio
from types import SimpleNamespace

import pytest

from groupthink.task.environment_right import is_right, main_of
from groupthink.task.environment_v0 import Conversations


@pytest.mark.parametrize(
    ("weights", "main"),
    [
        (
            [("correct_answer", 1.0), ("partial_answer", 1.0), ("length_bonus", 1.0), ("format_reward", 0.2)],
            "correct_answer",
        ),
        ([("format", 1.0), ("partially_correct", 1.0), ("correct", 1.0)], "correct"),
        ([("brief", 0.5), ("judged", 2.0)], "judged"),
        ([("format_reward", 0.2), ("right", 0.1), ("judged", 0.2)], None),
        ([("brief", 1.0), ("copyright", 1.0)], None),
        ([("right", 1.0), ("right", 0.0)], None),  # what is told of either is told under one name
        ([("penalty", -1.0), ("seen", 0.0)], None),
        ([], None),
    ],
)
def test_it_is_the_heaviest_or_the_one_whose_name_says_so(weights, main):
    assert main_of(weights) == main


def test_without_a_main_one_right_is_what_earns_all():
    assert is_right({"a": 1.0, "b": 0.0}, "a", 1.0, 2.0) and not is_right({"a": 0.5, "b": 9.0}, "a", 9.5, 2.0)
    assert is_right({"a": 1.0, "b": 1.0}, None, 2.0, 2.0) and not is_right({"a": 1.0, "b": 0.0}, None, 1.0, 2.0)


class Words:
    """As `verifiers` has them: a rubric of which nobody earns everything."""

    def __init__(self):
        def correct_answer(): ...
        def partial_answer(): ...

        inner = SimpleNamespace(funcs=[correct_answer, partial_answer], weights=[1.0, 1.0])
        self.rubric = SimpleNamespace(rubrics=[inner], score_group=self.score_group)

    def get_dataset(self):
        return SimpleNamespace(to_list=lambda: [{"prompt": "guess", "answer": "crane"}])

    async def score_group(self, states):
        for state in states:
            right = state["said"] == "crane"
            state["reward"], state["metrics"] = (
                1.0,
                {"correct_answer": float(right), "partial_answer": float(not right)},
            )


def test_a_rubric_of_which_nobody_earns_everything_has_right_answers(monkeypatch):
    words = Conversations(Words(), "words")

    async def held(place, talk):
        return {"said": talk[-1]}, None

    monkeypatch.setattr(words, "_held_anew", held)
    scored = asyncio.run(words.score(0, [["crane"], ["crate"]]))
    assert [(one.reward, one.right) for one in scored] == [(1.0, True), (1.0, False)]
    monkeypatch.setattr("groupthink.task.environment_v0._may_reply", lambda environment: True)
    assert words.describe().notes == ("right is where its correct_answer gives 1",)
