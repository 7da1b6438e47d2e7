"""Plots of a report, by matplotlib: plain, readable in grey, with their axes named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupthink.extras import need
from groupthink.insight.report.course import checking_of
from groupthink.insight.report.records import Report, Stage
from groupthink.run.files import write_file
from groupthink.run.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INKS = ("black", "tab:blue", "tab:orange", "tab:green")
DASHES = ("-", "--", ":", "-.")
"""Lines of one plot differ in both, so that grey paper does."""

AXES = {
    "reward": "mean reward",
    "accuracy": "share right",
    "reverse_kl": "KL to the teacher, nats a token",
    "length": "tokens a response",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A file beside the report."""

    title: str
    file: str


def draw_plots(folder: Path, report: Report) -> list[Plot]:
    """Write those that there is something to show in. Raises ValueError where matplotlib is not installed."""
    need("matplotlib", "a plot of the report", "report")
    learned = [stage for stage in report.stages if stage.course]
    found = [_accuracy(folder, report.stages)]
    found += [_course(folder, stage) for stage in learned]
    found.append(_checking(folder, learned))
    return [plot for plot in found if plot]


def _accuracy(folder: Path, stages: Sequence[Stage]) -> Plot | None:
    """A point for each stage, with its interval."""
    known = [(stage.name, stage.evaluated.figures["pass@1"]) for stage in stages if stage.evaluated]
    shown = [(name, figure) for name, figure in known if figure]
    if not shown:
        return None
    figure, (axes,) = _figure(1)
    for place, (_, found) in enumerate(shown):
        axes.plot([place, place], [found.low * 100, found.high * 100], color="black", linewidth=1.5)
        axes.plot([place], [found.mean * 100], "o", color="black")
    axes.set_xticks(range(len(shown)), [_plain(name) for name, _ in shown], rotation=30, ha="right")
    axes.set_xlim(-0.5, len(shown) - 0.5)
    axes.set_ylim(0, 100)
    axes.set_ylabel("pass@1, percent, 95 % interval")
    return _written(folder, figure, Plot("Accuracy on held-out problems, by stage", "accuracy.png"))


def _course(folder: Path, stage: Stage) -> Plot:
    """What is known of each step of one stage."""
    assert stage.course is not None
    curves = {name: stage.course.curves[name] for name in AXES if any(stage.course.curves[name])}
    figure, every = _figure(len(curves))
    for axes, (name, values) in zip(every, curves.items(), strict=True):
        _line(axes, stage.course.steps, values, 0)
        axes.set_ylabel(AXES[name])
        axes.set_xlabel("step")
    return _written(folder, figure, Plot(f"{stage.name}, step by step", f"{stage.path.name}.png"))


def _checking(folder: Path, stages: Sequence[Stage]) -> Plot | None:
    """The share of chains that check themselves, a line for each stage, its steps counted from its beginning."""
    shares = [(stage, checking) for stage in stages if (checking := checking_of(stage))]
    if not shares:
        return None
    figure, (axes,) = _figure(1)
    for place, (stage, checking) in enumerate(shares):
        assert stage.course is not None
        percent = [None if share is None else share * 100 for share in checking]
        _line(axes, stage.course.steps, percent, place, label=_plain(stage.name))
    axes.set_ylim(0, 100)
    axes.set_ylabel("self-checking, percent")
    axes.set_xlabel("step")
    axes.legend(frameon=False)
    return _written(folder, figure, Plot("Chains that check themselves", "self-checking.png"))


def _line(
    axes: Any, steps: Sequence[int], values: Sequence[float | None], place: int, label: str | None = None
) -> None:
    style = {"color": INKS[place % len(INKS)], "linestyle": DASHES[place % len(DASHES)], "linewidth": 1.2}
    axes.plot(steps, [float("nan") if value is None else value for value in values], label=label, **style)


def _figure(columns: int) -> tuple["Figure", list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * columns, 3), layout="constrained")
    every = list(figure.subplots(1, columns, squeeze=False)[0])
    for axes in every:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.9")
    return figure, every


def _written(folder: Path, figure: "Figure", plot: Plot) -> Plot:
    write_file(folder / plot.file, lambda aside: figure.savefig(aside, dpi=150, format="png"))
    return plot


def _plain(text: str) -> str:
    """A name in which matplotlib sees no formula."""
    return printable(text).replace("$", r"\$")
