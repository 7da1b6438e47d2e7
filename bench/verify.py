"""How many right answers are taken for right and wrong ones for wrong, and how long hostile ones take.

    python bench/verify.py [--json] [--out FILE]

`right`: the share of right answers that are accepted, golds against themselves and ten rewritings of each.
`wrong`: the share of wrong answers that are refused. `slowest_s`: the longest call, hostile inputs included;
`limit_s` is what no call may exceed. What was judged otherwise is listed under `missed`.
"""

import argparse
import platform
import time
from collections import Counter
from typing import Any

from report import add_report, report
from verify_cases import cases

from groupthink.task.answer import Rule, open_rule
from groupthink.task.answer.mathematics import SECONDS

GOLDS = 500
OVERHEAD = 1.0  # seconds, beside the comparison, that a call may last on a machine at work
HOSTILE = {
    "tower of powers": "9^9^9^9",
    "tower in braces": "\\boxed{9^{9^{9^9}}}",
    "tower of two": "7^{8^{9}}",
    "great power": "99999^{99999}",
    "hidden tower": "((9^9)^9)^{(9^9)}",
    "factorials": "((9!)!)!",
    "great factorial": "(10^{12})!",
    "nested radicals": "\\sqrt{2+" * 30 + "2" + "}" * 30,
    "deeply nested radicals": "\\sqrt{2+" * 2000 + "2" + "}" * 2000,
    "nested fractions": "\\frac{1}{1+" * 30 + "1" + "}" * 30,
    "a million characters": "1+" * 500_000 + "1",
    "a million open brackets": "(" * 1_000_000,
    "twenty thousand blanks": "answer" + " " * 19_000 + "is",
    "great product": "\\prod_{k=1}^{10000} (x+k)",
    "great expansion": "(x+y+z+w)^{9999} - (x+y+z)^{9998}",
    "integral": "\\int_0^1 \\sin(x^x)\\cos(\\sin(x^2)) dx",
    "code": "__import__('os').system('touch /tmp/owned')",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_report(parser)
    parser.add_argument("--golds", type=int, default=GOLDS)
    options = parser.parse_args()
    found = measure(options.golds)
    report(
        found,
        options,
        f"right taken for right: {found['right']:.2%} of {found['rights']}",
        f"wrong taken for wrong: {found['wrong']:.2%} of {found['wrongs']}",
        f"slowest call: {found['slowest_s']:.2f} s ({found['slowest']}), limit {found['limit_s']:g} s",
        *(f"   {missed}" for missed in found["missed"]),
    )


def measure(golds: int) -> dict[str, Any]:
    """The figures over `golds` golds."""
    rules = {name: open_rule(name) for name in ("number", "math")}
    for rule in rules.values():
        rule("2\\sqrt{2}", "\\sqrt{8}")  # its processes start
    missed: list[dict[str, Any]] = []
    counts, seconds, slowest = Counter(), {}, 0.0
    try:
        for case in cases(golds):
            asked = [(case.gold, True), *((one, True) for one in case.rewritings), (case.wrong, False)]
            for text, right in asked:
                verdict, took = _timed(rules[case.rule], case.gold, text)
                slowest = max(slowest, took)
                counts[right] += 1
                counts[right, verdict.right] += 1
                if verdict.right != right:
                    missed.append({"kind": case.kind, "gold": case.gold, "text": text, "right": right})
        for name, text in HOSTILE.items():
            verdict, seconds[name] = _timed(rules["math"], "9", text)
            assert not verdict.right, name
            after, _ = _timed(rules["math"], "3\\sqrt{2}", f"\\sqrt{{18}}+{len(seconds)}-{len(seconds)}")
            assert after.right, f"the rule did not recover from {name}"
    finally:
        for rule in rules.values():
            rule.close()
    return {
        "right": counts[True, True] / counts[True],
        "wrong": counts[False, False] / counts[False],
        "slowest_s": max(slowest, *seconds.values()),
        "slowest": max(seconds, key=seconds.__getitem__) if max(seconds.values()) > slowest else "an ordinary answer",
        "slowest_ordinary_s": slowest,
        "limit_s": SECONDS + OVERHEAD,
        "golds": golds,
        "rights": counts[True],
        "wrongs": counts[False],
        "hostile_s": {name: round(took, 3) for name, took in seconds.items()},
        "missed": missed,
        "python": platform.python_version(),
    }


def _timed(rule: Rule, expected: str, text: str) -> tuple[Any, float]:
    begun = time.perf_counter()
    return rule(expected, text), time.perf_counter() - begun


if __name__ == "__main__":
    main()
