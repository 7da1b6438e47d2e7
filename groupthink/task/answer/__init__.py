"""Rules that compare an expected answer with what a model wrote, for problems that bring their answers.

| rule | what is the same |
|---|---|
| `exact` | text, but for spacing, case and dress |
| `number` | a number: 72, 72.0, $72, 1,234, 3/4, 50%, #### 42 |
| `choice` | a letter of a multiple choice |
| `math` | a mathematical value: fractions, roots, sets, intervals, expressions (math-verify, in worker processes) |

What a model wrote is never evaluated: three of the rules read it by small grammars, and `math` hands it to processes
that are killed when they take too long.
"""

from collections.abc import Callable

from groupthink.nearest import nearest
from groupthink.task.answer.choice import choice
from groupthink.task.answer.exact import exact
from groupthink.task.answer.mathematics import MathRule
from groupthink.task.answer.number import number
from groupthink.task.answer.rule import PlainRule, Rule

__all__ = ["RULES", "Rule", "open_rule"]

RULES: dict[str, Callable[[], Rule]] = {
    "exact": lambda: PlainRule(exact),
    "number": lambda: PlainRule(number),
    "choice": lambda: PlainRule(choice),
    "math": MathRule,
}


def open_rule(name: str) -> Rule:
    """The rule called `name`; close it after use. Raises ValueError for a name that is not there."""
    if name not in RULES:
        raise ValueError(
            f"no rule for answers is called {name!r}: did you mean {nearest(name, RULES)}? "
            f"(there are: {', '.join(RULES)})"
        )
    return RULES[name]()
