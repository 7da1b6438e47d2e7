import io

from groupthink.recipe import load_recipe
from groupthink.run.printable import printable
from groupthink.run.terminal import LiveView, PlainView, describe_evaluation, open_view, sparkline

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


def test_plain_lines_are_few_and_hold_the_last_step():
    stream = io.StringIO()
    view = PlainView(stream)
    view.started(load_recipe(), range(0, 100))
    for step in range(100):
        view.writing("x")
        view.stepped(metrics(step))
    lines = stream.getvalue().splitlines()
    assert 20 <= len(lines) <= 24
    assert lines[-1] == "step 100/100  reward 0.50  right 25%  KL 0.0010"


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
