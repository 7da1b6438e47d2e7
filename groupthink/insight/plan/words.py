"""A plan for a terminal."""

import textwrap

from groupthink.insight.plan import Plan
from groupthink.insight.plan.cluster.words import cluster_lines, cluster_rows
from groupthink.insight.plan.memory import Memory
from groupthink.insight.plan.printed import gigabytes
from groupthink.run.printable import duration

FOR = {
    "weights": "weights",
    "reference": "reference or teacher (KL)",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "decoder": "weights as the engine has them",
    "cache": "keys, values and logits while drawing",
    "activations": "activations of a micro-batch",
    "batches": "batches, for learners that begin anew",
    "processes": "processes beside it, and files they share",
    "libraries": "libraries",
}
"""What each part of the memory is for."""


def in_words(plan: Plan) -> list[str]:
    """A small table: parameters, memory by what it is for, tokens and seconds of a step, and of all."""
    learn = "" if plan.trained == plan.parameters else f", of which {_count(plan.trained)} learn"
    rows = [("model", f"{plan.model} ({plan.architecture})"), ("parameters", _count(plan.parameters) + learn)]
    rows.append(("processes", _staff(plan)))
    for memory in plan.memory:
        rows += _memory(memory)
    lengths = f"prompts of {plan.prompt_tokens:.0f}, responses of {plan.response_tokens:.0f}"
    rows.append(("tokens a step", f"{_rounded(plan.tokens_per_step)} ({lengths})"))
    if plan.step_seconds is not None and plan.seconds is not None and plan.total_seconds is not None:
        phases = ", ".join(f"{name} {duration(taken)}" for name, taken in plan.seconds.items() if taken >= 0.01)
        rows.append(("a step", f"{duration(plan.step_seconds)} ({phases})"))
        rows.append(("in all", duration(plan.total_seconds)))
    if plan.cluster is not None:
        rows += cluster_rows(plan.cluster)
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    if plan.cluster is not None:
        lines += cluster_lines(plan.cluster)
    lines += textwrap.wrap(f"Lengths: {plan.assumed}.", 100)
    for note in plan.notes:
        lines += textwrap.wrap(f"Note: {note}.", 100)
    if plan.fits:
        lines.append(
            "It fits."
            if all(memory.free is not None for memory in plan.memory)
            else "How much memory is free here is not known."
        )
    elif plan.cluster is not None and not plan.cluster.fits:
        lines += [line for lack in plan.cluster.room.lacks for line in textwrap.wrap(f"It does not fit: {lack}.", 100)]
    elif plan.changes:
        lines.append(f"It does not fit. It would with: {' '.join(plan.changes)}")
    else:
        lines.append("It does not fit, nor with any change of settings that is known here: take a smaller model.")
    return lines


def _memory(memory: Memory) -> list[tuple[str, str]]:
    free = "" if memory.free is None else f" of {gigabytes(memory.free)} that are free"
    rows = [(f"memory, {memory.device}", f"{gigabytes(memory.needed)}{free}")]
    return rows + [(f"  {FOR[name]}", gigabytes(count)) for name, count in memory.parts.items()]


def _staff(plan: Plan) -> str:
    staff = plan.staff
    return f"{staff.drawing} to draw, {staff.learning} to learn (threads of each: {staff.threads})"


def _count(number: int) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:,}"


def _rounded(number: int) -> str:
    return f"{int(float(f'{number:.2g}')):,}"
