"""How a benchmark says what it has found: in lines for people or as one JSON object, which a file may keep, too."""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_report(parser: argparse.ArgumentParser) -> None:
    """The options `--json` and `--out`, by which `report` goes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, alone, on stdout")
    parser.add_argument("--out", type=Path, help="write the JSON object to this file, too")


def add_torch_index(parser: argparse.ArgumentParser) -> None:
    """The option `--torch-index`, for environments that are made."""
    parser.add_argument(
        "--torch-index", default=os.environ.get("TORCH_INDEX"), help="a package index to get torch from"
    )


def added(held: Any, found: Any) -> Any:
    """What was found together with what was found before: numbers, also those of dicts, add up, lists are joined."""
    if isinstance(found, dict):
        return held | {name: added(held[name], its) if name in held else its for name, its in found.items()}
    return found if isinstance(found, str) else held + found


def report(found: Mapping[str, Any], options: argparse.Namespace, *lines: str) -> None:
    """Say what was found as `options` ask for it; `lines` are for people."""
    keep(found, options.out)
    print(json.dumps(found) if options.json else "\n".join(lines))


def keep(found: Mapping[str, Any], file: Path | None) -> None:
    """Write what was found, so far or in the end, to `file`, if there is one."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=2) + "\n")
