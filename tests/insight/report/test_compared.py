from pathlib import Path

import pytest

from groupthink.insight.report.compared import pairs
from groupthink.insight.report.records import BASE, Evaluated, Stage


def row(name: str, kind: str = "grpo", evaluated: bool = True) -> Stage:
    found = Evaluated("after", None, (), 1, 1, {}, {}, {}, {}, {}) if evaluated else None
    return Stage(name, kind, Path(name), 1, 1, True, found, 0, 0.0, (), None)


@pytest.mark.parametrize(
    ("rows", "begun_with", "expected"),
    [
        ([row("base", BASE), row("run")], [None, 0], ["run base"]),
        (  # as in R1's recipe: the second begins with the base again
            [row("base", BASE), row("zero"), row("data", "sample", False), row("cold"), row("rl"), row("last")],
            [None, 0, 1, 0, 3, 4],
            ["zero base", "cold base", "rl base", "rl cold", "last base", "last zero", "last cold", "last rl"],
        ),
        (  # through a stage that was not evaluated, to another base
            [row("base", BASE), row("own base", BASE), row("a"), row("b", evaluated=False), row("c"), row("d")],
            [None, None, 1, 2, 3, 0],
            ["a own base", "c own base", "c a", "d base", "d own base", "d a", "d c"],
        ),
        ([row("alone")], [None], []),
    ],
)
def test_each_is_compared_with_what_it_comes_from_and_the_last_with_all(rows, begun_with, expected):
    found = pairs(rows, begun_with)
    assert [f"{rows[later].name} {rows[earlier].name}" for later, earlier in found] == expected
