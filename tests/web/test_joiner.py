"""Modules joined into one script do what they did apart."""

import shutil
import subprocess

import pytest

from groupthink.web.front import STATIC, read_front
from groupthink.web.joiner import join, take_apart

MODULES = {
    "app.js": """\
// the entry
import Page, { title as heading } from "./pages/page.js";
import { add } from "./parts/sums.js";

const twice = (x) => add(x, x);
console.log(heading, Page({ n: twice(3) }));
""",
    "pages/page.js": """\
/* a page
 * of two lines */
import { add, SIGN } from "../parts/sums.js";
import { a as own, default as whole } from "../vendor/lib.js";

export const title = "export default: not one";
const twice = "a name of its own";
export default function Page({ n }) {
  return `${SIGN}${add(n, own())} ${whole.name} ${twice}`;
}
""",
    "parts/sums.js": """\
export const SIGN = "+";
let calls = 0;
export function add(a, b) { calls += 1; return a + b; }
export async function later() { await null; }
export function* many() { yield calls; }
export class Sum {}
""",
    "vendor/lib.js": """\
/*
export function gone() {}
*/
function f(){return 4}const w={name:"lib"};export{f as a,w as default};""",
}


def test_modules_become_one_script():
    script = join("app.js", MODULES.__getitem__)
    assert script.index("// vendor/lib.js") < script.index("// pages/page.js") < script.index("// app.js")
    assert script.count("// parts/sums.js") == 1
    assert "const { default: Page, title: heading } = module_2;" in script
    assert "return { SIGN: SIGN, add: add, later: later, many: many, Sum: Sum };" in script
    left = [line for line in script.split("\n") if line.startswith(("import", "export"))]
    assert left == ["export function gone() {}"]  # in a comment
    if node := shutil.which("node"):
        done = subprocess.run([node, "-e", script], capture_output=True, text=True, timeout=20)
        assert done.stdout == "export default: not one +10 lib a name of its own\n", done.stderr


@pytest.mark.parametrize(
    "text, said",
    [
        ('import * as all from "./b.js";\n', "line 1: an import that is not of the form"),
        ('import "./b.js";\n', "not of the form"),
        ('import { a } from "preact";\n', "not of the form"),
        ('import {\n  a,\n} from "./b.js";\n', "not of the form"),
        ('const a = 1;\nimport { b } from "./b.js";\n', "line 2: an import or export"),
        ("export let a = 1;\n", "an import or export"),
        ("export default class {}\n", "an import or export"),
        ("export default 3;\n", "an import or export"),
        ('export { a } from "./b.js";\n', "an import or export"),
        ('const a = () => import("./b.js");\n', "while the script runs"),
        ("const a = import.meta.url;\n", "import.meta"),
        ('const a = "</script>";\n', "in HTML"),
        ("const a = 1;\r\n", "a sign that HTML changes"),
    ],
)
def test_what_is_not_of_the_form_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        take_apart("a.js", text)


def test_modules_that_import_each_other_are_refused():
    texts = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(ValueError, match=r"a\.js -> b\.js -> a\.js"):
        join("a.js", texts.__getitem__)


def test_the_front_end_keeps_to_the_form():
    script = join("app.js", read_front)
    joined = {
        line.removeprefix("// ") for line in script.split("\n") if line.startswith("// ") and line.endswith(".js")
    }
    assert {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")} <= joined  # none that nobody imports
    if node := shutil.which("node"):
        done = subprocess.run([node, "--check", "-"], input=script, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
