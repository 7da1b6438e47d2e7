"""What happens where bytes are read that others wrote, if they are odd: real samples, changed at random.

    PYTHONPATH=. python bench/fuzz.py [TARGET ...] [--minutes 10] [--seed 0] [--json] [--out FILE [--more]]

Counts inputs, and of them: crashes (anything but the answers and errors that are documented), hangs (more than two
seconds of a processor), and inputs that were evaluated (what Python opened, compiled, ran or started by them). `--more`
goes on behind the inputs that FILE holds until each target has had its minutes in all, so an hour may be taken in
pieces.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz_requests import REQUESTS
from fuzz_runs import RUNS
from fuzz_texts import TEXTS
from fuzz_watch import Target, fuzz
from report import add_report, added, keep, report
from vs_trl import processor, tell

TARGETS: dict[str, Target] = {target.name: target for target in (*TEXTS, *RUNS, *REQUESTS)}
PIECE = 300.0  # seconds


def main() -> None:
    options = read_options()
    done: dict[str, Any] = {}
    for name in options.targets or TARGETS:
        tell(f"{name}: {TARGETS[name].reads}")
        for so_far in in_pieces(TARGETS[name], options):
            done[name] = so_far
            keep(found(before(options.out, options.seed) | done, options.seed), options.out)
    report(found(before(options.out, options.seed) | done, options.seed), options, *map(line_of, done.items()))


def in_pieces(target: Target, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What was found so far, after each piece of the target's time: of a program that is ended little is lost."""
    held = before(options.out, options.seed).get(target.name) if options.more else None
    first = held["inputs"] if held else options.first
    wanted = options.minutes * 60
    while (left := wanted - (held["seconds"] if held else 0.0)) > 0:
        seconds = min(left, PIECE) if options.inputs is None else left
        piece = fuzz(target, seconds, options.seed, first=first, most=options.inputs)
        first += piece["inputs"]
        held = added(held, piece) if held else piece
        held["seconds"] = round(held["seconds"], 1)
        yield held
        if options.inputs is not None:
            return


def found(targets: dict[str, dict[str, Any]], seed: int) -> dict[str, Any]:
    """All that is reported, with sums over the targets."""
    sums = {kind: sum(one[kind] for one in targets.values()) for kind in ("inputs", "crashes", "hangs", "evaluated")}
    return {"seed": seed, "processor": processor(), **sums, "targets": targets}


def before(file: Path | None, seed: int) -> dict[str, dict[str, Any]]:
    """What a file that is written to holds of the same seed: targets may be run one by one."""
    if file is None or not file.exists():
        return {}
    held = json.loads(file.read_text())
    return dict(held["targets"]) if held["seed"] == seed else {}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all of them: {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, default=1.0, help="of a processor, for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="of the first input: to try one again")
    parser.add_argument("--inputs", type=int, help="so many at most")
    parser.add_argument("--more", action="store_true", help="go on behind the inputs that --out's file holds")
    add_report(parser)
    options = parser.parse_args()
    if options.more and not options.out:
        parser.error("--more needs --out, the file that is added to")
    for name in options.targets:
        if name not in TARGETS:
            parser.error(f"there is no target {name}: there are {', '.join(TARGETS)}")
    return options


def line_of(named: tuple[str, dict[str, Any]]) -> str:
    """A target for people, and below it what was found."""
    name, found = named
    counts = ", ".join(f"{found[kind]} {kind}" for kind in ("crashes", "hangs", "late", "evaluated"))
    told = [
        f"  {one['kind']} {one['what']} (input {one['number']}) {one.get('said', '')}\n    {one['input']}"
        for one in found["findings"]
    ]
    return "\n".join([f"{name}: {found['inputs']:,} inputs in {found['seconds']:.0f} s, {counts}", *told])


if __name__ == "__main__":
    main()
