"""The report's tables as texts in cells, whoever shows them: a terminal, a Markdown file, a model card."""

from collections.abc import Sequence
from dataclasses import dataclass

from groupthink.insight.report.cells import cell, points
from groupthink.insight.report.records import BASE, Difference, Origin, Report, Stage
from groupthink.run.printable import duration, printable
from groupthink.run.terminal import unjudged_lines
from groupthink.task.worked import GOES_BACK


@dataclass(frozen=True, slots=True)
class Table:
    """Some cells below their headings, and what is to be said of them."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def tables(report: Report) -> list[Table]:
    """All of them that have rows."""
    every = (accuracy, responses, methods, differences, whole, spent, kept, lineage, commands)
    return [table for table in (make(report) for make in every) if table.rows]


def accuracy(report: Report) -> Table:
    """How often the models are right: a row for each stage, of dashes where it was not evaluated."""
    labels = {"pass@1": "pass@1", "lenient": "lenient", "greedy": "greedy"}
    labels |= {"maj@k": f"maj@{report.k}", "pass@k": f"pass@{report.k}"} if report.k > 1 else {}
    notes = [
        "Percent, with the 95 % interval over problems. pass@1 is strict: in form and right; lenient takes the last "
        "answer anywhere in the text. Samples are drawn at temperature 1. [-]: all problems gave the same, of which "
        "resampling tells no interval."
    ]
    if any(stage.evaluated and stage.evaluated.samples != report.k for stage in report.stages):
        notes.append(
            f"maj@{report.k} and pass@{report.k} are of the first {report.k} samples of each problem: "
            f"`groupthink eval` gives them with --samples {report.k}."
        )
    for stage in report.stages:
        if stage.evaluated:
            notes += [f"{_name(stage)}: {line}." for line in unjudged_lines({"unjudged": stage.evaluated.unjudged})]
            notes += [
                f"{_name(stage)}: {count} of its {stage.evaluated.problems} problems are not held out from its model: "
                f"{printable(name)} has imitated answers to them."
                for name, count in stage.evaluated.imitated.items()
            ]
    stages = report.stages if any(stage.evaluated for stage in report.stages) else ()
    return _of_evaluations(stages, "Accuracy on held-out problems", labels, notes)


def responses(report: Report) -> Table:
    """What the responses are like."""
    labels = {"length": "tokens", "format": "in form", "truncated": "cut off"}
    stages = [stage for stage in report.stages if stage.evaluated]
    known = [stage.evaluated.figures for stage in stages if stage.evaluated]
    shown = {name: label for name, label in labels.items() if any(figures[name] for figures in known)}
    return _of_evaluations(stages, "What responses are like", shown, ["Tokens of a response; percent of responses."])


def methods(report: Report) -> Table:
    """By which methods they reason, and whether they look at their own work, where the task has names for that."""
    known = [(stage, stage.evaluated.traits) for stage in report.stages if stage.evaluated]
    names = list(dict.fromkeys(name for _, traits in known for name in traits))
    rows = tuple((_name(stage), *(cell(traits.get(name)) for name in names)) for stage, traits in known if names)
    notes = [f"Percent of responses. A chain that {GOES_BACK} corrects itself."] if GOES_BACK in names else []
    return Table("How they reason", ("", *map(printable, names)), rows, tuple(notes))


def differences(report: Report) -> Table:
    """Each stage over what its model comes from, and the last over all."""
    note = (
        "In points of pass@1, paired by problem, with the 95 % interval over problems: each stage over the one that "
        "its model comes from and over the base behind it, the last over all."
    )
    return Table("Differences", ("", "points", "problems"), tuple(map(_difference, report.differences)), (note,))


def whole(report: Report) -> Table:
    """Where a recipe of several stages stands, and its gates."""
    title, heads = "The recipe as a whole", ("", "state", "gate", "", "found")
    if report.whole is None:
        return Table(title, heads, ())
    verdicts = {None: "not put yet", True: "passed", False: "missed"}
    rows = []
    for one in report.whole.stages:
        found = ", ".join(f"{name} {'-' if value is None else f'{value:.4g}'}" for name, value in one.found.items())
        verdict = verdicts[one.kept] if one.require else "-"
        rows.append((printable(one.name), one.state, printable(one.require or "-"), verdict, found or "-"))
    missed = [f"{one.name} has missed its gate" for one in report.whole.stages if one.kept is False]
    told = {"finished": "All is done", "at work": "It is at work", "stopped": "It has stopped"}[report.whole.state]
    reason = f": {printable(', '.join(missed))}" if missed and report.whole.state == "stopped" else ""
    return Table(title, heads, tuple(rows), (f"{told}{reason}.",))


def spent(report: Report) -> Table:
    """What the stages took."""
    stages = [stage for stage in report.stages if stage.kind != BASE]
    rows = [(_name(stage), stage.kind, _state(stage), f"{stage.tokens:,}", duration(stage.seconds)) for stage in stages]
    if len(stages) > 1:
        rows.append(("in all", "", "", f"{report.tokens:,}", duration(report.seconds)))
    note = (
        "Tokens are those learned from or, where nothing is learned, drawn; time is that at work, evaluations included."
    )
    return Table("Spent", ("", "kind", "steps", "tokens", "time"), tuple(rows), (note,))


def kept(report: Report) -> Table:
    """What rejection sampling kept, and why it dropped the rest."""
    rows = []
    for stage in report.stages:
        if stage.kept:
            counts = {"sampled": stage.kept.sampled, "kept": stage.kept.kept}
            counts |= {reason: count for reason, count in stage.kept.dropped.items() if count}
            rows += [
                (_name(stage) if name == "sampled" else "", printable(name), f"{n:,}") for name, n in counts.items()
            ]
    note = "What is below `kept` was dropped, for that reason."
    return Table("Chains sampled and kept", ("", "", "chains"), tuple(rows), (note,))


def lineage(report: Report) -> Table:
    """Where each stage's model and data came from."""
    rows = []
    for stage in report.stages:
        for place, origin in enumerate(stage.origins):
            made = stage.version or "-"
            rows.append((*((_name(stage), made) if place == 0 else ("", "")), *_origin(origin)))
    note = "Versions are the first digits of the sha256 of weights (model.safetensors) or data (train.parquet)."
    return Table("Where it came from", ("", "made", "by", "from", "version"), tuple(rows), (note,))


def commands(report: Report) -> Table:
    """How each row's figures are had again."""
    told = [(stage, stage.evaluated) for stage in report.stages if stage.evaluated]
    rows = [(_name(stage), printable(found.command or "its model is not kept")) for stage, found in told]
    otherwise = ["; ".join(found.otherwise if found.command else ()) for _, found in told]
    if not any(otherwise):
        return Table("The same figures again", ("", "command"), tuple(rows))
    beside = tuple((*row, one or "-") for row, one in zip(rows, otherwise, strict=True))
    note = "What is done otherwise may move the figures."
    return Table("The same figures again", ("", "command", "done otherwise"), beside, (note,))


def _of_evaluations(stages: Sequence[Stage], title: str, labels: dict[str, str], notes: Sequence[str]) -> Table:
    rows = tuple((_row_name(stage), *(_figure(stage, name) for name in labels)) for stage in stages)
    return Table(title, ("", *labels.values()), rows, tuple(notes))


def _figure(stage: Stage, name: str) -> str:
    return cell(stage.evaluated.figures[name] if stage.evaluated else None, share=name != "length")


def _row_name(stage: Stage) -> str:
    """With the evaluation that it is of, where that is one on the way."""
    found = stage.evaluated
    return _name(stage) + (f" ({found.name})" if found and found.name not in ("before", "after") else "")


def _difference(found: Difference) -> tuple[str, ...]:
    return (printable(f"{found.later} over {found.earlier}"), points(found.gain), f"{found.problems}")


def _origin(origin: Origin) -> tuple[str, str, str]:
    return origin.setting, printable(origin.source), origin.version or "-"


def _state(stage: Stage) -> str:
    if not stage.steps:
        return "-"
    if stage.finished and stage.done >= stage.steps:
        return f"{stage.done}"
    return f"{stage.done} of {stage.steps}{' (ended early)' if stage.finished else ' so far'}"


def _name(stage: Stage) -> str:
    return printable(stage.name)
