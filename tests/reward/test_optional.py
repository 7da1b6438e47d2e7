"""Rewards that weigh nothing by default: majority, repetition, language, format variants."""

import dataclasses

import pytest

from groupthink.chain import read_chain
from groupthink.records import Problem
from groupthink.reward.accuracy import verify
from groupthink.reward.format import boxed, tagged
from groupthink.reward.judge import Judge
from groupthink.reward.language import consistency
from groupthink.reward.majority import majority
from groupthink.reward.repetition import repetition
from groupthink.reward.settings import RewardSettings
from groupthink.task.answer import open_rule
from groupthink.task.quadratics import Quadratics
from groupthink.task.verdict import Verdict


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["2", "3", None, "2"], [1.0, 0.0, 0.0, 1.0]),
        (["2", "3", "2", "3"], [None] * 4),  # a tie
        (["2", "3", "4"], [None] * 3),  # none came twice
        (["2", None, None], [None] * 3),  # one vote is no majority
        ([None, None], [None] * 2),
        (["2", "2.0", "3"], [1.0, 1.0, 0.0]),
    ],
)
def test_the_commonest_answer_is_the_label(answers, expected):
    assert majority(answers, lambda one, other: float(one) == float(other)) == expected


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [([], 0.0), ([1, 2], 0.0), ([1, 2, 3, 4], 0.0), ([1] * 12, 1 / 10 - 1), ([1, 2, 3] * 2, -1 / 4)],
)
def test_repetition_is_minus_the_share_of_runs_that_came_before(tokens, expected):
    assert repetition(tokens, n=3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("so the root is three", "latin", 1.0),
        ("so x = 3, 所以 done", "latin", 3 / 5 - 1 / 10),  # so, done; 所, 以
        ("所以答案是三 ok", "chinese", 6 / 7),
        ("答えは三です", "japanese", 1.0),
        ("итак, the ответ", "cyrillic", 2 / 3),
        ("\\frac{π}{2} = \\alpha", "latin", 1.0),
        ("x = 3 + π", "latin", None),
        ("", "latin", None),
        (None, "latin", None),
    ],
)
def test_language_is_told_by_script(text, script, expected):
    assert consistency(text, script) == expected


@pytest.mark.parametrize(
    ("text", "in_tags", "in_box"),
    [
        ("<think>a</think><answer>5</answer>", 1.0, 0.0),
        ("<think>a</think> so \\boxed{\\frac{1}{2}}.", 0.0, 1.0),
        ("<think>a</think><answer>\\boxed{5}</answer>", 1.0, 1.0),
        ("<think>a</think><answer>5</answer><answer>6</answer>", 0.0, 0.0),
        ("<think>a</think>\\boxed{5} \\boxed{6}", 0.0, 0.0),
        ("<think>a</think><answer> </answer>", 0.0, 0.0),
        ("<think>a</think>\\boxed{5", 0.0, 0.0),
        ("<think>a</think>\\boxed{ }", 0.0, 0.0),
        ("<answer>5</answer>", 0.0, 0.0),
    ],
)
def test_format_variants(text, in_tags, in_box):
    assert (tagged(read_chain(text), "stop"), boxed(read_chain(text), "stop")) == (in_tags, in_box)
    assert tagged(read_chain(text), "length") == boxed(read_chain(text), "length") == 0.0


@pytest.mark.fault("B6")
def test_format_variants_know_of_a_template_that_opens_the_chain():
    assert tagged(read_chain("a</think><answer>5</answer>", opening="<think>"), "stop") == 1.0
    assert boxed(read_chain("a</think>\\boxed{5}", opening="<think>"), "stop") == 1.0


class Compared:
    """A task whose problems bring their answers, or none."""

    def __init__(self):
        self.rule = open_rule("number")
        self.asked = []

    def rule_of(self, problem):
        return self

    def __call__(self, expected, text):
        return self.rule(expected, text)

    def many(self, pairs):
        self.asked.append(len(pairs))
        return self.rule.many(pairs)

    def verify(self, problem, text):
        raise AssertionError("its rule is asked, for many answers at a time")


def answered(respond, group, answer, *texts):
    return dataclasses.replace(
        group,
        problem=Problem(id="own/1", task="own", prompt="?", answer=answer),
        responses=tuple(respond(f"<think>a</think>{text}", 40) for text in texts),
    )


def test_a_task_that_tells_its_rule_is_asked_once_for_all_answers(group, respond):
    task = Compared()
    groups = [answered(respond, group, "5", "5.0", "6"), answered(respond, group, "7", "7", "")]
    scores = Judge(RewardSettings(), task).score(groups)
    assert [[score.parts["accuracy"] for score in row] for row in scores] == [[1.0, 0.0], [1.0, 0.0]]
    assert task.asked == [3]


def test_without_a_known_answer_majority_and_format_are_what_counts(group, respond):
    settings = RewardSettings(majority=0.8)
    [scores] = Judge(settings, Compared()).score([answered(respond, group, None, "5", "5.0", "6")])
    assert [score.parts["accuracy"] for score in scores] == [None] * 3
    assert [score.parts["brevity"] for score in scores] == [None] * 3
    assert [score.value for score in scores] == [1.0, 1.0, 0.2]


class Withheld(Quadratics):
    """Reads answers, and knows none."""

    def verify(self, problem, text, lenient=False):
        return dataclasses.replace(super().verify(problem, text, lenient), right=None)


def test_a_task_may_read_answers_that_it_cannot_judge(group):
    settings = RewardSettings(majority=1.0, format=0.0)
    [scores] = Judge(settings, Withheld()).score([group])
    assert [(score.value, score.extracted) for score in scores] == [(1, "x=2, x=3"), (1, "x=2, x=3"), (0, "x=-8, x=-2")]
    assert verify(Withheld(), group.problem, None) == Verdict(False, None, "no answer")


def test_where_nobody_knows_the_answer_a_response_without_one_is_not_wrong(group, respond):
    answered_and_not = dataclasses.replace(group, responses=(*group.responses, respond("<think>cut", 40)))
    [scores] = Judge(RewardSettings(), Withheld()).score([answered_and_not])
    assert [score.parts["accuracy"] for score in scores] == [None] * 4


def test_optional_parts_are_there_where_they_weigh_something(group):
    [scores] = Judge(RewardSettings(repetition=0.1, language=-0.0), Quadratics()).score([group])
    assert set(scores[0].parts) == {"accuracy", "format", "brevity", "repetition"}
    weighed = RewardSettings(majority=1, repetition=1, language=1, format_answer=1, format_boxed=1)
    [scores] = Judge(weighed, Quadratics()).score([group])
    assert set(scores[0].parts) == set(weighed.weights)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"script": "latn"}, "did you mean latin"),
        ({"repetition_n": 0}, "reward.repetition_n"),
        ({"majority": float("nan")}, "reward.majority"),
        ({"language": True}, "reward.language"),
    ],
)
def test_a_wrong_setting_is_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        RewardSettings(**wrong)
