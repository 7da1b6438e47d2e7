from fractions import Fraction

import pytest

from groupthink.task.roots import MAX_CHARS, last_roots, parse_roots, write_roots


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("x=2, x=3", {2, 3}),
        ("x = 3 and x = 2.", {2, 3}),
        ("2; 3", {2, 3}),
        ("x_1=-2 or x_2=3", {-2, 3}),
        ("x=−2", {-2}),
        ("x = -5 ± 3", {-8, -2}),
        ("x=(5 ± 1)/2", {2, 3}),
        ("x=1/2, x=0.25", {Fraction(1, 2), Fraction(1, 4)}),
        ("x=2, x=2", {2}),
    ],
)
def test_a_statement_of_roots_is_read_exactly(text, roots):
    assert parse_roots(text) == frozenset(map(Fraction, roots))


@pytest.mark.parametrize(
    "text",
    ["", "x=", "x=2, x=3, I think", "__import__('os')", "x=2**99", "x=1/0", "x=9999999999", "x=2, " * MAX_CHARS, "y=2"],
)
def test_anything_else_is_no_answer(text):
    assert parse_roots(text) is None


def test_roots_are_written_as_they_are_read():
    assert write_roots([3, -2, 3]) == "x=-2, x=3"
    assert parse_roots(write_roots([3, -2])) == {Fraction(3), Fraction(-2)}


def test_the_last_roots_are_found_in_any_text():
    assert last_roots("<think>x=4\nno, x=2, x=3 so there") == {Fraction(2), Fraction(3)}
    assert last_roots("D=25-24=1=1*1") is None
