import io

import pytest
from rich.cells import cell_len

from groupthink.recipe import load_recipe
from groupthink.run.printable import printable
from groupthink.run.terminal import (
    LiveView,
    PlainView,
    describe_evaluation,
    evaluation_lines,
    open_view,
    sparkline,
)

FIGURES = {
    "pass@1": 0.912,
    "pass@1_low": 0.884,
    "pass@1_high": 0.935,
    "pass@k": 0.97,
    "maj@k": 0.95,
    "greedy": 0.92,
    "lenient": 0.93,
    "problems": 200,
    "samples": 4,
    "length": 80.25,
    "format": 0.975,
    "truncated": 0.0125,
    "traits": {"factoring": {"share": 0.5, "accuracy": 0.95}, "at once": {"share": 0.25, "accuracy": 0.1}},
}
EVERY_FIGURE = {
    "rewards/accuracy/mean": 0.25,
    "completions/mean_length": 123.0,
    "kl": 0.0012,
    "entropy": 1.2,
    "frac_reward_zero_std": 0.1,
}


def metrics(step):
    return {"step": step, "reward": 0.5, "rewards/accuracy/mean": 0.25, "kl": 0.001}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_pipe_gets_plain_lines_and_a_terminal_a_live_view():
    assert isinstance(open_view(stream=io.StringIO()), PlainView)
    assert isinstance(open_view(stream=Terminal()), LiveView)
    assert isinstance(open_view(plain=True, stream=Terminal()), PlainView)


def test_a_terminal_that_cannot_show_curves_gets_plain_lines(monkeypatch):
    class Old(io.TextIOWrapper):
        def isatty(self):
            return True

    assert isinstance(open_view(stream=Old(io.BytesIO(), encoding="latin-1")), PlainView)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_view(stream=Terminal()), PlainView)


def shown(view):
    """The lines that a live view draws now."""
    console = view._console
    return ["".join(part.text for part in line) for line in console.render_lines(view._render(), pad=False)]


@pytest.fixture
def a_view(monkeypatch):
    def make(columns, lines):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))
        return LiveView(Terminal())

    return make


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (60, 20), (40, 12), (60, 9)])
def test_the_live_view_fits_any_terminal(columns, lines, a_view):
    view = a_view(columns, lines)
    for step in range(60):
        view.writing("wide 表 and\ttabs " * 40 + "\n" * step + "the end")
        drawn = shown(view)
        assert len(drawn) < lines and max(map(cell_len, drawn)) <= columns - 3
        assert lines < 12 or any("the end" in line for line in drawn)
        view.stepped(metrics(step) | EVERY_FIGURE)


def test_what_stands_below_a_chain_never_jumps(a_view):
    view = a_view(80, 24)
    view.writing("1\n2\n3\n4")
    tall = len(shown(view))
    view.writing("1")
    assert len(shown(view)) == tall
    view.writing("1\n2\n3\n4\n5")
    assert len(shown(view)) == tall + 1


def test_after_the_last_step_the_curves_stay_and_the_rest_is_said_below(a_view):
    view = a_view(80, 24)
    view.started(load_recipe(), range(1, 2))
    view.writing("a chain")
    view.stepped(metrics(1))
    drawn = view._console.file.getvalue()
    last = drawn.rpartition("steps")[2]
    assert "2/2" in last and "KL" in last and "a chain" not in last
    view.note("what came of it")
    view.closed()
    assert view._console.file.getvalue().removeprefix(drawn) == "what came of it\n"


def test_plain_lines_are_few_and_hold_the_last_step():
    stream = io.StringIO()
    view = PlainView(stream)
    view.started(load_recipe(), range(0, 100))
    for step in range(100):
        view.writing("x")
        view.stepped(metrics(step))
    lines = stream.getvalue().splitlines()
    assert 20 <= len(lines) <= 24
    assert lines[-1] == "100/100 steps  reward 0.50  right 25%  KL 0.0010"


@pytest.mark.fault("S11")
def test_escapes_of_a_model_are_shown_as_text():
    assert printable("a\x1b[2J\x07\u202eb\ud800\n\tc²") == "a\\x1b[2J\\x07\\u202eb\\ud800\n\tc²"
    stream = io.StringIO()
    PlainView(stream).note("\x1b[31mred")
    assert stream.getvalue() == "\\x1b[31mred\n"


def test_the_live_view_shows_a_chain_as_text_and_never_as_markup(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    view = LiveView(stream)
    view.started(load_recipe(), range(0, 4))
    view.writing("[bold]2*3")
    view.writing("[bold]2*3=6[/nothing]\x1b]0;title\x07")
    view._live.refresh()
    assert "[bold]2*3=6[/nothing]\\x1b]0;title\\x07" in stream.getvalue()
    view.stepped(metrics(0))
    view.writing("another")
    view.evaluated("after", FIGURES)
    view._live.refresh()
    view.closed()
    shown = stream.getvalue()
    assert "another" in shown and "pass@1 91.2%" in shown and "dead groups" not in shown
    assert "\x1b]0;title" not in shown


def test_a_line_that_a_pipe_cannot_take_is_spelt_out():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    PlainView(stream).note("x² ± 3")
    assert raw.getvalue() == b"x\\xb2 \\xb1 3\n"


def test_a_curve_has_a_scale_from_zero():
    assert sparkline([0.0, 0.5, 1.0], width=10) == "▁▅█"
    assert sparkline([0.25], width=10, largest=1.0) == "▃"
    assert len(sparkline([float(i) for i in range(99)], width=40)) == 40
    assert sparkline([0.0, 0.0], width=10) == "▁▁"
    assert sparkline([1.0, float("nan")], width=10) == "█ "


def test_an_evaluation_is_described_in_a_line():
    assert describe_evaluation(FIGURES) == (
        "pass@1 91.2% [88.4%, 93.5%], greedy 92.0%, maj@4 95.0%, pass@4 97.0%, lenient 93.0% (200 problems x 4 samples)"
    )
    assert describe_evaluation(FIGURES | {"samples": 1}) == (
        "pass@1 91.2% [88.4%, 93.5%], greedy 92.0%, lenient 93.0% (200 problems x 1 sample)"
    )


UNKNOWN = {
    **dict.fromkeys(("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient")),
    "traits": {"factoring": {"share": 0.5, "accuracy": None}},
    "unjudged": {"no answer is known": 199, "there is no bwrap": 1},
}


def test_an_evaluation_that_could_not_tell_what_is_right_says_why():
    assert describe_evaluation(FIGURES | UNKNOWN) == (
        "nothing can be said of what is right (200 problems x 4 samples); 199 problems are not judged: no answer is "
        "known; 1 problem is not judged: there is no bwrap"
    )
    lines = evaluation_lines(FIGURES | UNKNOWN)
    assert lines[0] == "pass@1                  -" and "factoring           50.0%        -" in lines
    assert lines[-2:] == [
        "199 problems are not judged: no answer is known",
        "1 problem is not judged: there is no bwrap",
    ]
    partly = FIGURES | {"unjudged": {"there is no bwrap": 1}}
    assert describe_evaluation(partly).endswith("x 4 samples); 1 problem is not judged: there is no bwrap")


def test_an_evaluation_is_told_in_lines():
    assert evaluation_lines(FIGURES) == [
        "pass@1              91.2%   95 % interval 88.4% to 93.5%",
        "greedy              92.0%",
        "maj@4               95.0%",
        "pass@4              97.0%",
        "lenient             93.0%   the last answer anywhere in the text, whatever the form",
        "in form             97.5%",
        "cut off              1.2%",
        "tokens a response    80.2",
        "",
        "how it reasons      share    right",
        "factoring           50.0%    95.0%",
        "at once             25.0%    10.0%",
    ]
    assert evaluation_lines(FIGURES | {"traits": {}})[-1].startswith("tokens a response")
