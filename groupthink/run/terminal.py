"""What a person sees of a run: a live view on a terminal, quiet lines elsewhere. It never shapes the run."""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from groupthink.recipe import Recipe, describe_step
from groupthink.run.printable import percent, printable

Figure = tuple[str, str, str]
"""A label, the metric's name, its format."""

REWARDED: tuple[Figure, ...] = (
    ("reward", "reward", "{:.2f}"),
    ("right", "rewards/accuracy/mean", "{:.0%}"),
    ("tokens", "completions/mean_length", "{:.0f}"),
    ("KL", "kl", "{:.4f}"),
    ("entropy", "entropy", "{:.2f}"),
    ("dead groups", "frac_reward_zero_std", "{:.0%}"),
)
"""What is shown of a step that had rewards. Its loss says nothing: it is near 0 by construction."""

TAUGHT: tuple[Figure, ...] = (
    ("KL to the teacher", "distill/reverse_kl", "{:.4f}"),
    ("right", "rewards/accuracy/mean", "{:.0%}"),
    ("tokens", "completions/mean_length", "{:.0f}"),
    ("entropy", "entropy", "{:.2f}"),
)
"""What is shown of a step that learned from a teacher."""

IMITATED: tuple[Figure, ...] = (("loss", "loss", "{:.3f}"),)
"""What is shown of a step that learned from demonstrations."""

SHARES = ("reward", "right", "dead groups")
"""Figures drawn on a scale from 0 to 1; the others from 0 to their largest."""

PLAIN_LINES = 20
"""About as many lines do for a run whose output is no terminal."""

SIGNS = "▁▂▃▄▅▆▇█"
"""What curves are drawn with."""


class View(Protocol):
    """What a stage tells whoever watches."""

    def started(self, recipe: Recipe, steps: range) -> None:
        """The steps of a run are about to begin."""
        ...

    def writing(self, text: str) -> None:
        """The text so far of the one chain that is shown while it is written."""
        ...

    def stepped(self, metrics: Mapping[str, float]) -> None:
        """A step was recorded, with these figures."""
        ...

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        """An evaluation was made."""
        ...

    def note(self, text: str) -> None:
        """Lines that stay."""
        ...

    def closed(self) -> None:
        """Nothing more will be said."""
        ...


def open_view(plain: bool | None = None, stream: TextIO | None = None) -> View:
    """A live view where `stream` (standard output) is a terminal that can show it, else a plain one.

    `plain` overrules that.
    """
    stream = stream or sys.stdout
    if plain is None:
        plain = not (stream.isatty() and os.environ.get("TERM") != "dumb" and _encodable(SIGNS, stream) == SIGNS)
    return PlainView(stream) if plain else LiveView(stream)


class PlainView:
    """A few plain lines, for logs and pipes."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._steps = range(0)

    def started(self, recipe: Recipe, steps: range) -> None:
        self._steps = steps
        self.note(describe_step(recipe))

    def writing(self, text: str) -> None:
        pass

    def stepped(self, metrics: Mapping[str, float]) -> None:
        done, last = int(metrics["step"]) + 1, self._steps.stop
        if done in (self._steps.start + 1, last) or done % max(1, len(self._steps) // PLAIN_LINES) == 0:
            figures = (f"{label} {form.format(metrics[name])}" for label, name, form in _figures(metrics))
            self.note("  ".join([f"{done}/{last} steps", *figures]))

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        self.note(f"{name}: {describe_evaluation(figures)}")

    def note(self, text: str) -> None:
        print(_encodable(printable(text), self._stream), file=self._stream, flush=True)

    def closed(self) -> None:
        pass


class LiveView:
    """Progress with time left, a curve for each figure, and one chain as it is written: as much of it as fits."""

    WIDTH, CURVE_WIDTH, CHAIN_LINES = 100, 40, 12  # at most

    def __init__(self, stream: TextIO):
        self._console = Console(file=stream)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bar = self._progress.add_task("steps", start=False, total=None)
        self._curves: dict[Figure, list[float]] = {}
        self._chain = ""
        self._tallest = 0  # lines of a chain so far
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4)

    def started(self, recipe: Recipe, steps: range) -> None:
        self.note(describe_step(recipe))
        self._progress.update(self._bar, total=steps.stop, completed=steps.start)
        self._progress.start_task(self._bar)
        if steps:
            self._live.start()

    def writing(self, text: str) -> None:
        self._chain = text

    def stepped(self, metrics: Mapping[str, float]) -> None:
        grown = {figure: [*self._curves.get(figure, ()), metrics[figure[1]]] for figure in _figures(metrics)}
        self._curves = {**self._curves, **grown}  # a new one: another thread draws the old one, perhaps right now
        self._progress.update(self._bar, completed=int(metrics["step"]) + 1)
        if self._progress.finished:
            self.closed()  # the curves stay as they are, and what the run comes to is said below them

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        self.note(f"{name}: {describe_evaluation(figures)}")

    def note(self, text: str) -> None:
        self._console.print(Text(printable(text)))

    def closed(self) -> None:
        self._chain = ""
        self._live.stop()

    def _render(self) -> RenderableType:
        width = min(self.WIDTH, self._console.width - 3)  # a terminal echoes ^C behind the last line: it must not wrap
        parts: list[RenderableType] = [self._progress]
        curves, chain = self._curves, self._chain
        if curves:
            parts.append(self._figures(curves, width))
        most = min(self.CHAIN_LINES, self._console.height - len(curves) - 4)  # the bar, a frame, a line to spare
        if chain and most > 0:
            parts.append(self._window(chain, width, most))
        return Constrain(Group(*parts), width)

    def _figures(self, curves: Mapping[Figure, Sequence[float]], width: int) -> Table:
        """A line for each figure; what stands beside the curves has its place from the first step on."""
        changes = [f"{form.format(them[0])} → {form.format(them[-1])}" for (_, _, form), them in curves.items()]
        beside = max(len(label) for label, _, _ in curves) + max(map(len, changes)) + 4
        cells = max(1, min(self.CURVE_WIDTH, width - beside))
        table = Table.grid(Column(), Column(width=cells), Column(), padding=(0, 2))
        for ((label, _, _), values), change in zip(curves.items(), changes, strict=True):
            curve = sparkline(values, cells, largest=1.0 if label in SHARES else 0.0)
            table.add_row(label, Text(curve, style="cyan"), change)
        return table

    def _window(self, chain: str, width: int, most: int) -> Panel:
        """The last lines of the chain, in a frame that never shrinks: nothing jumps when the next chain begins."""
        lines = Text(printable(chain), tab_size=4).wrap(self._console, width - 4, overflow="fold")
        self._tallest = min(most, max(self._tallest, len(lines)))
        text = Text("\n").join(lines[-self._tallest :])
        return Panel(text, title="one chain", title_align="left", border_style="dim", height=self._tallest + 2)


def sparkline(values: Sequence[float], width: int, largest: float = 0.0) -> str:
    """The values as a curve of at most `width` signs, on a scale from 0 to the largest of them and `largest`.

    Where there are more values than signs, each sign is a mean.

    >>> sparkline([0.0, 0.5, 1.0], width=10)
    '▁▅█'
    """
    cells = min(width, len(values))
    cuts = [round(index * len(values) / cells) for index in range(cells + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts)]
    top = max([largest, *(mean for mean in means if mean == mean)]) or 1.0
    return "".join(_sign(mean / top) for mean in means)


def _sign(height: float) -> str:
    if height != height:  # NaN
        return " "
    return SIGNS[min(len(SIGNS) - 1, max(0, int(height * len(SIGNS))))]


def describe_evaluation(figures: Mapping[str, Any]) -> str:
    """The figures of an evaluation in one line."""
    samples = "1 sample" if figures["samples"] == 1 else f"{figures['samples']} samples"
    asked = f"({figures['problems']} problems x {samples})"
    unjudged = "".join(f"; {reason}" for reason in unjudged_lines(figures))
    if figures["pass@1"] is None:
        return f"nothing can be said of what is right {asked}{unjudged}"
    shares = [f"{label} {percent(share)}" for label, share in _shares(figures).items()]
    shares[0] += f" [{figures['pass@1_low']:.1%}, {figures['pass@1_high']:.1%}]"
    if figures.get("environment") is not None:
        shares.append(f"reward {figures['environment']:.3f}")
    return f"{', '.join(shares)} {asked}{unjudged}"


def unjudged_lines(figures: Mapping[str, Any]) -> list[str]:
    """Why of some problems nobody knows what is right, and of how many: such problems are left out of all shares."""
    return [
        f"{count} {'problem is' if count == 1 else 'problems are'} not judged: {reason}"
        for reason, count in figures.get("unjudged", {}).items()
    ]


def evaluation_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures of an evaluation in lines for a terminal."""
    notes = {"lenient": "the last answer anywhere in the text, whatever the form"}
    if figures["pass@1"] is not None:
        notes["pass@1"] = f"95 % interval {figures['pass@1_low']:.1%} to {figures['pass@1_high']:.1%}"
    shares = _shares(figures).items()
    lines = [f"{label:18}{percent(share):>7}   {notes.get(label, '')}".rstrip() for label, share in shares]
    lines += [f"{'in form':18}{percent(figures['format']):>7}", f"{'cut off':18}{figures['truncated']:7.1%}"]
    lines += [f"{'tokens a response':18}{figures['length']:7.1f}"]
    if figures.get("environment") is not None:
        lines += [f"{'its own reward':18}{figures['environment']:7.3f}   the mean, as the environment gives it"]
    if figures["traits"]:
        lines += ["", f"{'how it reasons':18}  share    right"]
        traits = figures["traits"].items()
        lines += [f"{name:18}{it['share']:7.1%}  {percent(it['accuracy']):>7}" for name, it in traits]
    return lines + unjudged_lines(figures)


def _shares(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """What is right of what, by label, where somebody knows. Of single samples, majority and best are that sample."""
    k = figures["samples"]
    several = {f"maj@{k}": figures["maj@k"], f"pass@{k}": figures["pass@k"]} if k > 1 else {}
    return {"pass@1": figures["pass@1"], "greedy": figures["greedy"], **several, "lenient": figures["lenient"]}


def _figures(metrics: Mapping[str, float]) -> list[Figure]:
    every = TAUGHT if "distill/reverse_kl" in metrics else REWARDED if "reward" in metrics else IMITATED
    return [figure for figure in every if figure[1] in metrics]


def _encodable(text: str, stream: TextIO) -> str:
    """A pipe may take ASCII alone: what it cannot take is spelt out."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
