"""The rules that are pure functions: exact, number, choice."""

import time

import pytest

from groupthink.task.answer import RULES, open_rule
from groupthink.task.answer.rule import MAX_CHARS
from groupthink.task.answer.stated import answer_of, stated

PLAIN = ("exact", "number", "choice")


def judged(rule: str, expected: str, text: str) -> bool:
    return open_rule(rule)(expected, text).right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
        ("\\boxed{1} no, \\boxed{2}", "2"),
        ("\\boxed 5 done", "5"),
        ("<answer>4</answer><answer> 5 </answer>", "5"),
        ("<answer>It is \\boxed{7}.</answer>", "7"),
        ("1+1=2\n#### 2", "2"),
        ("The answer is 3.5. I checked.", "3.5"),
        ("**Answer:** 12", "12"),
        ("\\boxed{1", None),
        ("forty-two", None),
    ],
)
def test_what_is_marked_as_the_answer(text, expected):
    assert stated(text) == expected


def test_without_a_mark_the_last_line_is_the_answer():
    assert answer_of("first\n\nlast \n") == "last"


@pytest.mark.parametrize(
    "text", ["Saint Petersburg", " saint  petersburg.", "**Saint Petersburg**", "\\text{Saint Petersburg}"]
)
def test_exact_does_not_mind_dress(text):
    assert judged("exact", "Saint Petersburg", text)


@pytest.mark.parametrize("text", ["Petersburg", "Saint Petersburg or Moscow", "", "not Saint Petersburg"])
def test_exact_minds_text(text):
    assert not judged("exact", "Saint Petersburg", text)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("They have 36 * 2 = <<36*2=72>>72.\n#### 72", "She sold 48+24 = 72 clips."),
        ("72", "#### 72"),
        ("72", "$72.00"),
        ("1234", "1,234 dollars"),
        ("1234", "1{,}234"),
        ("1234", "1\u202f234"),
        ("0.75", "3/4"),
        ("3/4", "\\dfrac34"),
        ("1.5", "1 1/2"),
        ("50", "50%"),
        ("0.5", "50\\%"),
        ("-5", "−5"),
        ("12000", "1.2 \\times 10^4"),
        ("18", "The answer is $18 per day."),
        ("6", "First I had 5. Then 6."),
        ("1/3", "0.333333"),
    ],
)
def test_a_number_is_right_in_any_dress(expected, text):
    assert judged("number", expected, text)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("72", "71 or 72"),
        ("72", "1, 2, 3, 72"),
        ("72", "-72"),
        ("72", "7.2"),
        ("3", "-3"),
        ("-3", "5-3"),
        ("50", "0.5"),
        ("1/3", "0.33"),
        ("3", "1e999999999"),
        ("3", "10^999999999"),
        ("3", "3/0"),
        ("3", "9" * 5000),
        ("3", "no idea"),
    ],
)
def test_another_number_is_wrong_and_so_are_several(expected, text):
    assert not judged("number", expected, text)


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "(B)",
        "b)",
        "B.",
        "**B**",
        "\\boxed{\\text{B}}",
        "B. Paris",
        "(B) Paris",
        "Option B",
        "The answer is (B).",
        "I think B",
    ],
)
def test_a_choice_in_any_dress(text):
    assert judged("choice", "(B)", text)


@pytest.mark.parametrize("text", ["C", "A or B", "(A) (B)", "A, B, C, D", "B or C", "B/C", "A. B. C.", "Boston", ""])
def test_another_choice_is_wrong_and_so_are_several(text):
    assert not judged("choice", "B", text)


def test_a_is_a_word_too():
    assert judged("choice", "A", "The answer is A.") and not judged("choice", "A", "A dog barks")


def test_what_is_too_long_is_refused_unread():
    for name in RULES:
        rule = open_rule(name)
        begun = time.perf_counter()
        verdict = rule("1", "1" * 1_000_000)
        assert not verdict.right and "1,000,000 characters" in verdict.note and time.perf_counter() - begun < 0.1
        rule.close()


HOSTILE = [
    " ", "9", "1,111", "$", "\\(", "\\[", "\\boxed{", "{", "answer is ", "<answer>", "1/", "1.", "a ", "A or ", "####",
    "\\text{", "$x$ ", "=", "\\frac{1}{", "\ud800", "\x00", "\u202e", "answer", "\\frac", "1 1/", "**",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_no_pattern_goes_over_hostile_text_again_and_again(rule):
    opened = open_rule(rule)
    for part in HOSTILE:
        text = (part * MAX_CHARS)[: MAX_CHARS - 2]
        for asked in (text + " z", "$1$" + text[:-6] + "$2$"):
            begun = time.process_time()
            assert not opened("41", asked).right
            assert time.process_time() - begun < 2.0, (part, asked[-3:])
    opened.close()


@pytest.mark.parametrize("rule", PLAIN)
def test_many_are_judged_in_order(rule):
    opened = open_rule(rule)
    expected = "1" if rule == "number" else "B"
    assert [
        verdict.right for verdict in opened.many([(expected, expected), (expected, "C 2"), (expected, expected)])
    ] == [
        True,
        False,
        True,
    ]


def test_an_unknown_rule_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean number"):
        open_rule("numbr")
