"""What a run says at its end, from tables of a few rows whose figures are worked out by hand."""

import pytest

from groupthink.stage.closing import closing_figures, closing_lines


def rows(kind: str, **right: str) -> list[dict]:
    """Rows of one kind for problems by name; "+-" is a right response, then a wrong one."""
    return [
        {"kind": kind, "problem": problem, "prompt": f"Solve {problem}", "expected": "x=2", "right": sign == "+"}
        | {"text": f"{problem} {kind} {place}{sign}"}
        for problem, signs in right.items()
        for place, sign in enumerate(signs)
    ]


def evaluation(pass_at_1: float, *tables: list[dict]) -> tuple[dict, list[dict]]:
    figures = {
        **{"pass@1": pass_at_1, "pass@1_low": 0.1, "pass@1_high": 0.9, "pass@k": 0.75, "maj@k": 0.5, "greedy": 0.25},
        **{"lenient": 0.6, "problems": 4, "samples": 2, "length": 51.4},
        "traits": {"checks": {"share": 0.125, "accuracy": 1.0}},
    }
    return figures, [row for table in tables for row in table]


BEFORE = evaluation(
    0.25,
    rows("sampled", a="+-", b="--", c="-+", d="--"),
    rows("greedy", a="+", b="-", c="-", d="-"),
    rows("cool", a="++", b="+-", c="--", d="--"),
)
AFTER = evaluation(0.75, rows("sampled", a="++", b="-+", c="++", d="+-"), rows("greedy", a="+", b="+", c="+", d="+"))


def test_the_gain_is_over_the_better_of_greedy_and_cool_decoding_paired_by_problem():
    figures = closing_figures(BEFORE, AFTER)
    assert figures["base_best"] == {"decoding": "temperature 0.5", "accuracy": (1 + 0.5) / 4}
    gain = figures["gain"]  # by problem: 0, 0, 1, 0.5
    assert gain["mean"] == pytest.approx(1.5 / 4)
    assert 0 <= gain["low"] < gain["mean"] < gain["high"] <= 1

    greedy = [{**row, "right": True} if row["kind"] == "greedy" else row for row in BEFORE[1]]
    figures = closing_figures((BEFORE[0], greedy), AFTER)
    assert figures["base_best"] == {"decoding": "greedy", "accuracy": 1.0}
    assert figures["gain"]["mean"] == pytest.approx((0 - 0.5 + 0 - 0.5) / 4)


def test_a_model_that_did_not_change_has_no_gain_over_itself_and_is_shown_as_it_is():
    cool = [{**row, "kind": "cool"} for row in BEFORE[1] if row["kind"] == "sampled"]
    same = (BEFORE[0], [row for row in BEFORE[1] if row["kind"] == "sampled"] + cool)
    same[1].extend(rows("greedy", a="-", b="-", c="-", d="-"))
    figures = closing_figures(same, same)
    assert figures["gain"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert figures["chains"][0] == figures["chains"][1] and figures["chains"][0]["text"] == "a sampled 0+"


def test_the_chains_shown_are_first_ones_of_the_first_problem_that_went_from_wrong_to_right():
    """b's first response is still wrong, though another is right; c's is right now."""
    shown = closing_figures(BEFORE, AFTER)["chains"]
    assert [chain["text"] for chain in shown] == ["c sampled 0-", "c sampled 0+"]


def unknown(rows_and_figures):
    """The same evaluation where nobody knew what is right."""
    figures, table = rows_and_figures
    shares = ("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient")
    traits = {"checks": {"share": 0.125, "accuracy": None}}
    figures = figures | dict.fromkeys(shares) | {"traits": traits, "unjudged": {"no answer is known": 4}}
    return figures, [{**row, "right": None, "expected": None} for row in table]


def test_where_nobody_knows_what_is_right_there_is_no_gain_and_the_lines_say_why():
    figures = closing_figures(unknown(BEFORE), unknown(AFTER))
    assert figures["gain"] is None and figures["base_best"] is None
    assert [chain["text"] for chain in figures["chains"]] == ["a sampled 0+", "a sampled 0+"]  # the first problem's
    said = [" ".join(line.split()) for line in closing_lines(figures)]
    for line in (
        "pass@1 - -",
        "pass@2 - -",
        "checks 12%, - right 12%, - right",
        "4 problems are not judged: no answer is known",
        "Solve a (before)",
    ):
        assert line in said
    assert not any("Gain" in line for line in said)


def test_a_problem_that_was_judged_once_only_has_no_gain():
    figures, table = AFTER
    half = figures, [{**row, "right": None} if row["problem"] in "cd" else row for row in table]
    assert closing_figures(BEFORE, half)["gain"]["mean"] == pytest.approx(0.0)  # of a and b: 0, 0


def test_the_lines_hold_the_figures():
    lines = closing_lines(closing_figures(BEFORE, AFTER))
    said = [" ".join(line.split()) for line in lines]
    for line in (
        "4 held-out problems, which training never saw",
        "pass@1 25.0% [10%, 90%] 75.0% [10%, 90%]",
        "greedy 25.0% 25.0%",
        "maj@2 50.0% 50.0%",
        "pass@2 75.0% 75.0%",
        "lenient 60.0% 60.0%",
        "tokens a response 51 51",
        "Gain over the base at its best (temperature 0.5: 37.5%),",
        "checks 12%, 100% right 12%, 100% right",
        "Solve c (before; the answer is x=2)",
        "c sampled 0+",
    ):
        assert line in said
    assert said[said.index("Gain over the base at its best (temperature 0.5: 37.5%),") + 1].startswith(
        "in points, paired by problem: +37.5 ["
    )


def test_the_gain_is_the_difference_of_the_shares_as_they_are_written():
    before = evaluation(0.0, rows("sampled", a="-", b="-", c="-"), rows("cool", a="+", b="-", c="-"))
    after = evaluation(2 / 3, rows("sampled", a="+", b="+", c="-"))
    said = [" ".join(line.split()) for line in closing_lines(closing_figures(before, after))]
    assert "pass@1 0.00% [10%, 90%] 66.67% [10%, 90%]" in said  # 66.7% less 33.3% would be 33.4
    place = said.index("Gain over the base at its best (temperature 0.5: 33.33%),")
    assert said[place + 1].startswith("in points, paired by problem: +33.3 [")


@pytest.mark.parametrize(("before", "after", "shown"), [(1, 1, []), (2, 1, ["maj@2, maj@1", "pass@2, pass@1"])])
def test_of_one_sample_pass_at_1_says_all(before, after, shown):
    asked = [({**its[0], "samples": k}, its[1]) for its, k in ((BEFORE, before), (AFTER, after))]
    figures = closing_figures(*asked)
    labels = [line[:18].strip() for line in closing_lines(figures)]
    assert [label for label in labels if "@" in label] == ["pass@1", *shown]
