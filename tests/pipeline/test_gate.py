import pytest

from groupthink.pipeline.gate import Bound, figures_of, missed, read_gate, require_known


def test_bounds_are_read():
    assert read_gate("pass@1 >= 0.6 and length<120") == (Bound("pass@1", ">=", 0.6), Bound("length", "<", 120.0))
    assert read_gate("gain > -1.5") == (Bound("gain", ">", -1.5),)
    assert read_gate("  ") == ()


@pytest.mark.parametrize(
    "text", ["pass@1", "pass@1 = 0.6", "pass@1 >= 60%", "0.6 <= pass@1", "pass@1 >= 0.6 or length < 9", "a > 1 and"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="is no bound: write a figure"):
        read_gate(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("pass@1 >= 0.5", True),
        ("pass@1 > 0.5", False),
        ("pass@1 <= 0.5", True),
        ("pass@1 < 0.5", False),
        ("pass@1 > 0.4 and length < 100", True),
        ("pass@1 > 0.4 and length < 90", False),
    ],
)
def test_a_gate_is_kept_where_all_its_bounds_are(text, kept):
    assert (not missed(read_gate(text), {"pass@1": 0.5, "length": 90.0})) == kept


def test_what_is_missed_is_said_in_figures():
    assert missed(read_gate("a > 1 and b > 1"), {"a": 0.25, "b": None}) == [
        "its a is 0.25, and a > 1 is required",
        "nobody knows its b, and b > 1 is required",
    ]


def test_an_unknown_figure_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match=r"stage=grpo is called 'pas@1': did you mean pass@1\?"):
        require_known(read_gate("length < 9 and pas@1 > 0"), "grpo")
    with pytest.raises(ValueError, match=r"stage=sample is called 'keep': did you mean kept\?"):
        require_known(read_gate("keep > 0"), "sample")
    require_known(read_gate("kept > 0"), "sample")


def test_the_figures_are_those_of_the_last_evaluation_or_else_of_the_summary():
    assert figures_of({"before": {"a": 1}, "after": {"a": 0.5, "traits": {}, "b": None}}) == {"a": 0.5, "b": None}
    assert figures_of({"kept": 7, "dropped": {"wrong": 3}, "ok": True}) == {"kept": 7}
