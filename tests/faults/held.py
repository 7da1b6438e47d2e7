"""How many rows of docs/promises.md were held, by what pytest has written of the tests that are marked.

    python -m tests.faults.held FOLDER

reads every JUnit file of the folder. A row is held where each of its tests ran and passed in all of its cases.
"""

import sys
import xml.etree.ElementTree as xml
from collections.abc import Iterable
from pathlib import Path

from tests.faults.rows import marked, rows


def outcomes(files: Iterable[Path]) -> dict[str, set[str]]:
    """How each test (path::name) went, in all of its cases: passed, failure, error or skipped."""
    found: dict[str, set[str]] = {}
    for file in files:
        for case in xml.parse(file).iter("testcase"):
            name = case.get("classname", "").replace(".", "/") + ".py::" + case.get("name", "").partition("[")[0]
            said = {part.tag for part in case} & {"failure", "error", "skipped"}
            found.setdefault(name, set()).update(said or {"passed"})
    return found


def main(folder: Path) -> int:
    went, tests, held = outcomes(sorted(folder.glob("*.xml"))), marked(), 0
    for row in rows():
        amiss = {
            test: went.get(test, {"not run"}) for test in sorted(tests.get(row, ())) if went.get(test) != {"passed"}
        }
        if row in tests and not amiss:
            held += 1
        else:
            print(f"{row} is not held:", *(f"{test} ({', '.join(sorted(how))})" for test, how in amiss.items()))
    print(f"{held} of {len(rows())} rows are held")
    return int(held < len(rows()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
