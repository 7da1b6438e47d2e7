"""Keeps a program, and does with its functions what it is told over a pipe: `serve.py JOB WATCHED SECONDS MEGABYTES`.

It knows nothing of the tests: it is told the name of a function and its arguments, and answers with what came back, as
plain data. Whatever the program does to this process, it can do no more than answer otherwise.

    ["call", what, arguments, named]    ["attribute", what, name]    ["item", what, key]    ["items", what]
    ["length", what]

`what` is a name in the program, or an object that it gave before. The answer is ["value", value, arguments as they are
afterwards], or ["error", name of the exception, its text].
"""

import os
import sys
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from limits import take_job  # type: ignore[import-not-found]  # beside this file, and no package is there
from plain import dumps, loads  # type: ignore[import-not-found]

sys.path.pop(0)


def main() -> None:
    program = take_job()
    sys.set_int_max_str_digits(0)
    questions, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # what the program reads and prints
        os.dup2(nothing, number)
    module = sys.modules["program"] = types.ModuleType("program")
    exec(compile(program, "program.py", "exec"), module.__dict__)
    objects: list[object] = []

    def number_of(value: object) -> int:
        objects.append(value)
        return len(objects) - 1

    for line in questions:
        try:
            kind, what, *rest = loads(line, objects.__getitem__)
            found = named(module, what) if isinstance(what, str) else what[0]
            answer = dumps(["value", perform(kind, found, rest), rest[0] if kind == "call" else []], number_of)
        except Exception as error:
            answer = dumps(["error", type(error).__name__, str(error)[:500]], number_of)
        print(answer, file=answers, flush=True)


def named(module: types.ModuleType, name: str) -> object:
    """What the program calls `name`; a method of its class Solution where nothing has that name."""
    if not hasattr(module, name) and hasattr(module, "Solution"):
        return getattr(module.Solution(), name)
    return getattr(module, name)


def perform(kind: str, what: object, rest: list) -> object:
    if kind == "call":
        arguments, by_name = rest
        return what(*arguments, **by_name)  # type: ignore[operator]
    if kind == "attribute":
        return getattr(what, rest[0])
    if kind == "items":
        return list(what)  # type: ignore[call-overload]
    if kind == "length":
        return len(what)  # type: ignore[arg-type]
    return what[rest[0]]  # type: ignore[index]


if __name__ == "__main__":
    main()
