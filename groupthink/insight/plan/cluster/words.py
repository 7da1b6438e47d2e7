"""What a run takes of a cluster, for a terminal."""

import textwrap
from typing import TYPE_CHECKING

from groupthink.insight.plan.cluster.room import Part
from groupthink.insight.plan.printed import gigabytes
from groupthink.run.printable import duration

if TYPE_CHECKING:
    from groupthink.insight.plan.clustered import ClusterPlan


def cluster_rows(plan: "ClusterPlan") -> list[tuple[str, str]]:
    """Machines, and the memory of one part of each kind."""
    cpus, gpus = sum(node.cpus for node in plan.nodes), sum(node.gpus for node in plan.nodes)
    machines = f"{len(plan.nodes)} machine{'s' if len(plan.nodes) > 1 else ''}"
    rows = [("cluster", f"{machines}, {cpus:g} CPU and {gpus:g} GPU free")]
    for part in plan.room.parts:
        rows.append((f"  {part.count} of {part.name}", _part(part)))
    return rows


def _part(part: Part) -> str:
    held = ", ".join(f"{name} {gigabytes(size)}" for name, size in part.held.items() if size >= 5e6)
    where = f" of a GPU, and {gigabytes(part.memory)} of its machine" if part.gpus else ""
    return f"{gigabytes(sum(part.held.values()))} each{where} ({held})"


def cluster_lines(plan: "ClusterPlan") -> list[str]:
    """What limits a step, and what it takes with other numbers of engines."""
    time = plan.time
    if time is None:
        return []
    lines = textwrap.wrap(f"Simulated: {time.words}.", 100)
    lines.append("engines  a step      engines idle  learners wait")
    for row in time.table:
        lines.append(
            f"{row.engines:>7}  {duration(row.seconds):<10}  {100 * row.engines_idle:>10.0f} %  "
            f"{100 * row.learners_idle:>11.0f} %"
        )
    return lines
