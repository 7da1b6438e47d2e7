"""What a person sees of a run: a live view on a terminal, quiet lines elsewhere. It never shapes the run."""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from groupthink.recipe import Recipe, describe_step
from groupthink.run.printable import printable

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

IMITATED: tuple[Figure, ...] = (("loss", "loss", "{:.3f}"),)
"""What is shown of a step that learned from demonstrations."""

SHARES = ("reward", "right", "dead groups")
"""Figures drawn on a scale from 0 to 1; the others from 0 to their largest."""

PLAIN_LINES = 20
"""About as many lines do for a run whose output is no terminal."""


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
    """A live view where `stream` (standard output) is a terminal, else a plain one; `plain` overrules that."""
    stream = stream or sys.stdout
    if plain is None:
        plain = not stream.isatty()
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
            self.note("  ".join([f"step {done}/{last}", *figures]))

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        self.note(f"{name}: {describe_evaluation(figures)}")

    def note(self, text: str) -> None:
        print(_encodable(printable(text), self._stream), file=self._stream, flush=True)

    def closed(self) -> None:
        pass


class LiveView:
    """Progress with time left, a curve for each figure, and one chain as it is written."""

    CHAIN_LINES = 12

    def __init__(self, stream: TextIO):
        self._console = Console(file=stream)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bar = self._progress.add_task("steps", start=False, total=None)
        self._curves: dict[Figure, list[float]] = {}
        self._chain = ""
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4)

    def started(self, recipe: Recipe, steps: range) -> None:
        self.note(describe_step(recipe))
        self._progress.update(self._bar, total=steps.stop, completed=steps.start)
        self._progress.start_task(self._bar)
        self._live.start()

    def writing(self, text: str) -> None:
        self._chain = text

    def stepped(self, metrics: Mapping[str, float]) -> None:
        for figure in _figures(metrics):
            self._curves.setdefault(figure, []).append(metrics[figure[1]])
        self._progress.update(self._bar, completed=int(metrics["step"]) + 1)

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        self.note(f"{name}: {describe_evaluation(figures)}")

    def note(self, text: str) -> None:
        self._console.print(Text(printable(text)))

    def closed(self) -> None:
        self._chain = ""
        self._live.stop()

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = [self._progress]
        if self._curves:
            parts.append(self._figures())
        if self._chain:
            lines = printable(self._chain).split("\n")[-self.CHAIN_LINES :]
            parts.append(Panel(Text("\n".join(lines)), title="one chain", title_align="left", border_style="dim"))
        return Group(*parts)

    def _figures(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for (label, _, form), values in self._curves.items():
            curve = sparkline(values, width=40, largest=1.0 if label in SHARES else 0.0)
            table.add_row(label, Text(curve, style="cyan"), f"{form.format(values[0])} → {form.format(values[-1])}")
        return table


def sparkline(values: Sequence[float], width: int, largest: float = 0.0) -> str:
    """The values as a curve of at most `width` signs, on a scale from 0 to the largest of them and `largest`.

    Where there are more values than signs, each sign is a mean.

    >>> sparkline([0.0, 0.5, 1.0], width=10)
    '▁▅█'
    """
    signs = "▁▂▃▄▅▆▇█"
    cells = min(width, len(values))
    cuts = [round(index * len(values) / cells) for index in range(cells + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts)]
    top = max([largest, *(mean for mean in means if mean == mean)]) or 1.0
    return "".join(_sign(mean / top, signs) for mean in means)


def _sign(height: float, signs: str) -> str:
    if height != height:  # NaN
        return " "
    return signs[min(len(signs) - 1, max(0, int(height * len(signs))))]


def describe_evaluation(figures: Mapping[str, Any]) -> str:
    """The figures of an evaluation in one line."""
    k = figures["samples"]
    return (
        f"pass@1 {figures['pass@1']:.1%} [{figures['pass@1_low']:.1%}, {figures['pass@1_high']:.1%}], "
        f"greedy {figures['greedy']:.1%}, maj@{k} {figures['maj@k']:.1%}, pass@{k} {figures['pass@k']:.1%}, "
        f"lenient {figures['lenient']:.1%} ({figures['problems']} problems x {k} samples)"
    )


def _figures(metrics: Mapping[str, float]) -> list[Figure]:
    every = REWARDED if "reward" in metrics else IMITATED
    return [figure for figure in every if figure[1] in metrics]


def _encodable(text: str, stream: TextIO) -> str:
    """A pipe may take ASCII alone: what it cannot take is spelt out."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
