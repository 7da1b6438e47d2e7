"""Runs a program that reads its input and writes its output: `run.py JOB WATCHED SECONDS MEGABYTES`."""

import os
import sys
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from limits import take_job  # type: ignore[import-not-found]  # beside this file, and no package is there

sys.path.pop(0)


def main() -> None:
    program = take_job()
    sys.argv = ["program.py"]
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(program, "program.py", "exec"), module.__dict__)


if __name__ == "__main__":
    main()
