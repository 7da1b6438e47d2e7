"""Draws the curves of a GRPO run on quadratics as one SVG: `python bench/curves.py RUN docs/curves.svg`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as parquet

from groupthink.chain import read_chain
from groupthink.run.metrics import read_metrics
from groupthink.task.worked import traits

WIDTH, HEIGHT, MARGIN, COLUMNS = 250, 110, 34, 3
WINDOW = 5  # steps of the running mean


def main() -> None:
    run, picture = Path(sys.argv[1]), Path(sys.argv[2])
    metrics = read_metrics(run / "metrics.jsonl")
    panels = {
        "accuracy on training problems": [line["rewards/accuracy/mean"] for line in metrics],
        "reward": [line["reward"] for line in metrics],
        "tokens a response": [line["completions/mean_length"] for line in metrics],
        **trait_shares(run),
        "KL to the base (k3)": [line["kl"] for line in metrics],
    }
    picture.write_text(draw(panels))


def trait_shares(run: Path) -> dict[str, list[float]]:
    """The share of chains that reason at all, and of those that check themselves, by step."""
    reason, check = [], []
    for file in sorted((run / "rollouts").glob("step-*.parquet")):
        texts = parquet.read_table(file, columns=["text"])["text"].to_pylist()
        found = [traits(read_chain(text).reasoning) for text in texts]
        reason.append(sum("at once" not in names for names in found) / len(found))
        check.append(sum("checks" in names for names in found) / len(found))
    return {"chains that reason": reason, "chains that check themselves": check}


def draw(panels: dict[str, list[float]]) -> str:
    """An SVG with a panel for each series."""
    rows = -(-len(panels) // COLUMNS)
    size = (COLUMNS * (WIDTH + MARGIN) + MARGIN, rows * (HEIGHT + 2 * MARGIN))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>',
    ]
    for i, (title, values) in enumerate(panels.items()):
        left, top = MARGIN + (i % COLUMNS) * (WIDTH + MARGIN), MARGIN + (i // COLUMNS) * (HEIGHT + 2 * MARGIN)
        parts.append(f'<g transform="translate({left} {top})">{_panel(title, values)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(title: str, values: Sequence[float]) -> str:
    top = 1.0 if max(values) <= 1.0 and max(values) > 0.2 else max(values) * 1.05
    smooth = [sum(part) / len(part) for part in (values[max(0, i - WINDOW + 1) : i + 1] for i in range(len(values)))]
    ends = f"{values[0]:.3g} → {smooth[-1]:.3g}"
    return (
        f'<text y="-8" fill="#222">{title}: {ends}</text>'
        f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="#888"/>'
        f'<text x="-6" y="10" text-anchor="end" fill="#666">{top:.3g}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end" fill="#666">step {len(values)}</text>'
        f'<polyline points="{_points(values, top)}" fill="none" stroke="#9bc4e8"/>'
        f'<polyline points="{_points(smooth, top)}" fill="none" stroke="#0b5cad" stroke-width="2"/>'
    )


def _points(values: Sequence[float], top: float) -> str:
    step = WIDTH / max(1, len(values) - 1)
    return " ".join(f"{i * step:.1f},{HEIGHT * (1 - value / top):.1f}" for i, value in enumerate(values))


if __name__ == "__main__":
    main()
