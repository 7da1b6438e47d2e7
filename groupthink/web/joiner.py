"""ES modules joined into one script, where they keep to a form that makes that a matter of lines.

Imports stand at the head, one to a line; what is exported are functions, classes and constants where they are declared,
or names in one list at the end, as vendored modules have it. Nothing is imported while a script runs, and no module
waits at its top level.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

IMPORT = re.compile(
    r'import\s+(?:(?P<default>[\w$]+)\s*)?(?:,?\s*\{(?P<names>[^{}]*)\}\s*)?from\s*"(?P<place>\.{1,2}/[^"]+)";?'
)
DECLARED = re.compile(
    r"^export\s+(?P<default>default\s+)?(?=(?:async\s+)?(?:function\b\s*\*?|class\b|const\b)\s*(?P<name>[\w$]+))", re.M
)
LISTED = re.compile(r"(?:^|(?<=[;}\n]))\s*export\s*\{(?P<names>[^{}]*)\}\s*;?\s*\Z")
VENDOR = "vendor"
STRAY = r"^\s*(?:import|export)\b"
FORBIDDEN = {
    STRAY: "an import or export that is not of the form",
    r"\bimport\s*\(": "an import while the script runs",
    r"\bimport\.meta\b": "import.meta",
    r"</script|<!--": "what ends or begins something in HTML",
    r"\r|\0": "a sign that HTML changes",
}


class Module(NamedTuple):
    """A module taken apart."""

    imports: tuple[tuple[str, str], ...]  # what is bound, as a pattern of names, and the module that it comes from
    exports: tuple[tuple[str, str], ...]  # the names for others, and those here
    body: str


def join(entry: str, read: Callable[[str], str]) -> str:
    """One classic script of the module `entry` and all that it imports; `read` gives the text at a path.

    Raises ValueError for a module that does not keep to the form, or for modules that import each other.
    """
    modules: dict[str, Module] = {}
    order: list[str] = []
    _visit(entry, read, modules, order, ())
    names = {path: f"module_{number}" for number, path in enumerate(order)}
    parts = [_written(path, modules[path], names) for path in order]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"


def take_apart(path: str, text: str) -> Module:
    """The imports, exports and body of a module. Raises ValueError where it does not keep to the form."""
    imports: list[tuple[str, str]] = []
    exports: dict[str, str] = {}
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if line.startswith("import"):
            found = IMPORT.fullmatch(line.rstrip())
            if found is None or not (found["default"] or found["names"]):
                raise ValueError(f"{path}, line {place + 1}: an import that is not of the form: {line[:80]}")
            names = [f"default: {found['default']}"] if found["default"] else []
            names += [" ".join(name.replace(" as ", ": ").split()) for name in _names(found["names"])]
            source = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["place"]))
            imports.append((", ".join(names), source))
            lines[place] = ""
        elif line and not line.startswith(("//", "/*", " *")):
            break  # the head is over
    body = "\n".join(lines)
    if listed := LISTED.search(body):
        for name in _names(listed["names"]):
            inner, _, outer = (part.strip() for part in name.partition(" as "))
            exports[outer or inner] = inner
        body = body[: listed.start()]
    forbidden = dict(FORBIDDEN)
    if VENDOR in path.split("/"):  # whose comments may hold anything, and which exports by its list alone
        del forbidden[STRAY]
    else:
        exports |= {"default" if one["default"] else one["name"]: one["name"] for one in DECLARED.finditer(body)}
        body = DECLARED.sub("", body)
    for pattern, what in forbidden.items():
        if found := re.search(pattern, body, re.M | re.I):
            line_number = body[: found.start()].count("\n") + 1
            raise ValueError(f"{path}, line {line_number}: {what}: {found[0].strip()!a}")
    return Module(tuple(imports), tuple(exports.items()), body)


def _visit(
    path: str, read: Callable[[str], str], modules: dict[str, Module], order: list[str], above: tuple[str, ...]
) -> None:
    if path in above:
        raise ValueError(f"modules import each other: {' -> '.join([*above[above.index(path) :], path])}")
    if path in modules:
        return
    modules[path] = take_apart(path, read(path))
    for _, source in modules[path].imports:
        _visit(source, read, modules, order, (*above, path))
    order.append(path)


def _written(path: str, module: Module, names: Mapping[str, str]) -> str:
    """A module as the value of a function of its own, in which its names are its own."""
    heads = [f"const {{ {pattern} }} = {names[source]};" for pattern, source in module.imports]
    told = ", ".join(f"{outer}: {inner}" for outer, inner in module.exports)
    return "\n".join(
        [f"// {path}", f"const {names[path]} = (() => {{", *heads, module.body, f"return {{ {told} }};", "})();"]
    )


def _names(listed: str | None) -> list[str]:
    return [" ".join(name.split()) for name in (listed or "").split(",") if name.strip()]
