"""The front end as files: what is vendored, what its modules may not do, and what its pure functions compute."""

import hashlib
import json
import re
import shutil
import subprocess

import pytest

from groupthink.run.printable import printable
from groupthink.web.front import STATIC, read_front
from groupthink.web.joiner import join, take_apart

OWN = sorted(
    path.relative_to(STATIC).as_posix()
    for path in STATIC.rglob("*.js")
    if "vendor" not in path.relative_to(STATIC).parts
)
FORBIDDEN = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "dangerouslySetInnerHTML", "srcdoc"),
    *("eval(", "new Function", "localStorage", "sessionStorage", "http://", "https://", "javascript:"),
)
NODE = shutil.which("node")


def test_what_is_vendored_is_what_its_page_says():
    told = read_front("vendor/README.md")
    for path in (STATIC / "vendor").iterdir():
        if path.suffix in (".js", ".css"):
            assert f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" in told, path.name
    assert all((STATIC / "vendor" / name).is_file() for name in re.findall(r"`(LICENSE\.\w+)`", told))


@pytest.mark.fault("S4")
@pytest.mark.parametrize("path", OWN)
def test_a_module_writes_no_markup_and_asks_nobody_else(path):
    text = read_front(path)
    assert not [word for word in FORBIDDEN if word in text]
    assert max(map(len, text.split("\n"))) <= 120


@pytest.mark.parametrize("path", OWN)
def test_a_module_imports_what_there_is(path):
    """A name that its source does not export would be undefined until somebody uses it."""
    for names, source in take_apart(path, read_front(path)).imports:
        there = {outer for outer, _ in take_apart(source, read_front(source)).exports}
        asked = {name.partition(":")[0].strip() for name in names.split(",")}
        assert asked <= there, (source, asked - there)
        assert not (path.startswith("parts/") and source.startswith("pages/"))


def test_the_first_page_asks_for_its_own_files_alone():
    index = read_front("index.html")
    asked = re.findall(r'(?:href|src)="([^"]+)"', index)
    assert len(asked) > 5
    assert all((STATIC / path).is_file() for path in asked)
    assert "style=" not in index and not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=", index)


HOSTILE = [
    *(
        "",
        "plain",
        "line\nbreak\ttab\rreturn",
        "<script>alert(1)</script>",
        "a\x00b\x1b[2Jc\x7f\x85",
        "\u202eabc\u2066",
    ),
    *("zero\u200bwidth\u200d\ufeff", "odd\u2028ends\u2029", "\ud800 alone", "paired \U0001f600", "tag \U000e0041"),
    *("soft\u00adhyphen", "private \ue000", "Grüße, 你好, नमस्ते"),
]


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_unseen_characters_are_spelt_as_on_a_terminal():
    assert computed("parts/text.js", f"{json.dumps(HOSTILE)}.map(module.shown)") == [*map(printable, HOSTILE)]


@pytest.mark.skipif(NODE is None, reason="needs node")
@pytest.mark.parametrize(
    "path, expression, expected",
    [
        ("parts/text.js", "[0.5, null, -0.25].map((share) => module.percent(share))", ["50.0%", "–", "−25.0%"]),
        ("parts/text.js", "[1 / 3, -7 / 15, 1e-9, NaN].map((one) => module.signed(one))",
         ["+0.333", "−0.467", "0.000", "–"]),
        ("parts/text.js", "[0, 1234, 1234.5, 0.00123456, 1.5e-7].map((one) => module.number(one))",
         ["0", "1,234", "1,235", "0.00123", "1.5e−7"]),
        ("parts/text.js", "[0.034, 7.31, 312, 9000].map(module.seconds)", ["0.034 s", "7.3 s", "5 min", "2.5 h"]),
        ("parts/chart_data.js", "module.smoothed([1, 2, 3, null, 5], 3, [0, 1, 2, 3, 4])", [1.5, 2, 2.5, None, 5]),
        ("parts/chart_data.js", "module.limits(0.2, 0.2)", [0.18 - 0.0024, 0.22 + 0.0024]),
        ("parts/chart_data.js", "module.limits(null, null)", [0, 1]),
        ("parts/chart_data.js", "module.limits(0, 0.4, 0, 1)", [0, 1]),
        ("parts/chart_data.js", "module.joined([{ x: [0, 2], values: [5, 6] }, { x: [1, 2], values: [7, 8] }])",
         {"x": [0, 1, 2], "columns": [[5, None, 6], [None, 7, 8]]}),
        ("parts/route.js", 'module.link("run", { run: "r1/stages/01-zero", show: "a,b", no: null, yes: true })',
         "#/run?run=r1/stages/01-zero&show=a,b&yes=1"),
        ("parts/route.js", 'module.readRoute("#/run?run=a/b&q=x%20%2B1")',
         {"page": "run", "params": {"run": "a/b", "q": "x +1"}}),
        ("parts/api.js", 'module.address("step", { step: 3, run: "a b", no: "", none: null })',
         "/api/step?run=a+b&step=3"),
        ("pages/settings.js", '[...module.settingsOf("steps = 3\\n[task]\\nnames = [1]\\n")]',
         [["steps", "3"], ["task.names", "[1]"]]),
        ("pages/rise.js", "module.rise([0, 1, 2, 3], [0, 0, 0, 0], [9, 9, 9, 9])", None),
        ("pages/rise.js", "module.rise([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 1, 40, 41, 44, 39], Array(8).fill(99))",
         "It rises most between steps 0 and 7: from 1.0% of the responses to 41.4%."),
        # as many, in steps that differ as much within a stretch: whole groups have it or not
        ("pages/rise.js", "module.rise([0, 1, 2, 3, 4, 5, 6, 7], [0, 4, 0, 0, 0, 99, 66, 0], Array(8).fill(99))", None),
        ("parts/chart_data.js", "module.smoothed([1, 2, 3, 5], 3, [0, 1, 2, 9])", [1.5, 2, 2.5, 5]),
        ("parts/chart_data.js", "module.smoothed([1, 2, 3], 15, [7, 15, 23])", [1, 2, 3]),
        ("parts/chart_data.js", "module.smoothed([1, 2, 3], 17, [7, 15, 23])", [1.5, 2, 2.5]),
        ("parts/route.js", 'module.listOf(module.asList(["a,b", "c%2Cd", "e/f"]))', ["a,b", "c%2Cd", "e/f"]),
        ("parts/route.js", 'module.readRoute(module.link("runs", { with: module.asList(["a,b", "c"]) })).params',
         {"with": "a%2Cb,c"}),
        ("parts/route.js", '["3-9", "3-", "9-3", "a-b", "", "1-2-3"].map((one) => module.rangeOf(one) ?? null)',
         [[3, 9], None, None, None, None, None]),
        ("parts/route.js", '["50", "300", "-1", "x", undefined].map((one) => module.manyOf(one, 100))',
         [100, 300, 100, 100, 100]),
        ("parts/heat.js", 'module.legend({ column: "kl", size: Math.abs, limits: [1], both: false, key: "kl" }, '
         '{ id: [1, 2, 3, 4], kl: [0, 2, null, null], sampled: [true, true, false, true] }).map((one) => one.count)',
         [1, 1, 1]),
    ],
)  # fmt: skip
def test_what_functions_compute(path, expression, expected):
    found = computed(path, expression)
    assert found == (pytest.approx(expected) if "limits" in expression else expected)


def test_a_pipeline_is_followed_by_its_stages():
    if NODE is None:
        pytest.skip("needs node")
    card = {"status": "finished", "model": "nano", "kind": "grpo", "part_of": None, "stages": []}
    cards = [
        card | {"name": "a", "last": 1},
        card | {"name": "p/stages/02-last", "last": 5, "part_of": "p"},
        card | {"name": "p", "last": 5, "kind": "pipeline", "stages": ["zero", "last"]},
        card | {"name": "p/stages/01-zero", "last": 3, "part_of": "p", "status": "stopped"},
    ]
    asked = f'module.arranged({json.dumps(cards)}, {{}}, "-last").map((one) => one.name)'
    assert computed("pages/arranged.js", asked) == ["p", "p/stages/01-zero", "p/stages/02-last", "a"]
    asked = f'module.arranged({json.dumps(cards)}, {{ status: "stopped" }}, "last").map((one) => one.name)'
    assert computed("pages/arranged.js", asked) == ["p", "p/stages/01-zero"]


def computed(path, expression):
    """The value of an expression in which a module stands as `module`, where of a browser next to nothing is there."""
    names = ", ".join(outer for outer, _ in take_apart(path, read_front(path)).exports if outer != "default")
    entry = f'import {{ {names} }} from "./{path}";\nconst module = {{ {names} }};\n'
    entry += f"console.log(JSON.stringify({expression}));\n".replace("<", "\\u003c").replace("=\\u003e", "=>")
    script = join("entry.js", lambda file: entry if file == "entry.js" else read_front(file))
    few = "var document = { getElementById: () => null }, location = { hash: '' };\n"
    done = subprocess.run([str(NODE), "-"], input=few + script, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
