"""Targets that read a text: what a policy wrote, the tests of a data set, a recipe."""

import base64
import json
import pickle
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fuzz_mutate as mutate
from fuzz_watch import Make, Target, Try

THINKING = ("<think>", "</think>", "<think></think>", "<answer>", "</answer>", "\\boxed{", "####", "The answer is ")
SOLUTIONS = (
    "<think>b=-5 c=6 2*3=6 2+3=5 check: 2*3=6 ok</think>x=2, x=3",
    "<think>wait, no. D=25-24=1</think><answer>x = 2 or x = 3</answer>",
    "x=2, x=3",
    "x_1 = -3/4; x_2 = (−5 ± 3)/2.",
    "<think>\n12+7=19\n19-30=-11\n</think>-11",
    "So \\boxed{\\frac{3}{4}} it is.",
    "Therefore the answer is **42**. I checked it.",
    "48 / 2 = 24 ... #### 72",
    "The answer is (B) Paris",
    "so x is 3, 所以 done, это верно",
)
ANSWERS = (
    *(
        "72",
        "72.0",
        "$1,234.50",
        "-3/4",
        "\\frac{3}{4}",
        "1 1/2",
        "1.2 \\times 10^3",
        "50\\%",
        "x=2, x=3",
        "(B)",
        "41 or 42",
    ),
    *("Paris", "\\text{Saint Petersburg}", "2\\sqrt{3}", "\\{1,2,3\\}", "(1, 2)", "[0, \\infty)", "x^2+2x+1", "3i+2"),
    *(
        "90^\\circ",
        "5\\text{ cm}",
        "\\begin{pmatrix}1\\\\2\\end{pmatrix}",
        "\\frac{\\pi}{2}",
        "y = 3x - 1",
        "12:30",
        "101_2",
    ),
    *(
        "(-\\infty, 2) \\cup (3, 4]",
        "\\pm 3",
        "\\binom{5}{2}",
        "2^{10}",
        "\\log_2 8",
        "\\sin(\\frac{\\pi}{6})",
        "$2$ and $3$",
    ),
    *("\\int_0^1 x dx", "\\sum_{k=1}^{10} k", "|x| < 3", "x \\le 5", "f(x) = e^{x}", "7!", "\\lim_{x\\to 0} x"),
)
LATEX = (
    *(
        "\\frac",
        "\\sqrt",
        "\\text{",
        "\\boxed{",
        "{",
        "}",
        "^{",
        "_{",
        "\\cdot",
        "\\times",
        "\\pm",
        "\\infty",
        "\\left(",
        "\\right)",
    ),
    *(
        "\\begin{matrix}",
        "\\end{matrix}",
        "\\sum",
        "\\int",
        "\\prod",
        "\\pi",
        "$",
        "\\(",
        "\\)",
        " or ",
        " and ",
        ",",
        ";",
        "=",
        "%",
    ),
)

OF_SYMPY = r"<string>: (Integer \(\d+ \)|Float \('[\d.e+-]+' \)|from sympy import \*|def monomial_\w+\(.*)"
"""What SymPy makes Python of: numbers that the grammar has read, and functions of its own."""


def _of_texts(samples: Sequence[str], words: Sequence[str], read: Try, longest: int = 30_000) -> tuple[Make, Try]:
    return lambda draw: mutate.text(draw, samples, words, longest), read


def chain(folder: Path) -> tuple[Make, Try]:
    """A response as the rewards read it that go by its form."""
    from groupthink.chain import opening_of, read_chain
    from groupthink.repetition import repeated
    from groupthink.reward.format import adherence, boxed, tagged
    from groupthink.reward.language import consistency
    from groupthink.task.worked import traits

    def read(text: str) -> None:
        for opening in ("", "<think>", "<think></think>", opening_of(text)):
            found = read_chain(text, opening=opening)
            assert not found.well_formed or (found.answer and found.reasoning is not None), "well formed without parts"
            worth = [rule(found, "stop") for rule in (adherence, tagged, boxed)]
            assert all(one is None or 0 <= one <= 1 for one in worth), "a worth that is none"
            traits(found.reasoning)
        assert 0 <= (consistency(text, "latin") or 0) <= 1, "a share that is none"
        assert 0 <= repeated([ord(sign) for sign in text]) <= 1, "a share that is none"

    return _of_texts(SOLUTIONS, THINKING, read)


def roots(folder: Path) -> tuple[Make, Try]:
    """The answer to a quadratic equation, or to a sum."""
    from groupthink.task.arithmetic import Arithmetic
    from groupthink.task.quadratics import Quadratics

    tasks = (Quadratics(), Arithmetic())
    problems = [task.held_out(1)[0] for task in tasks]

    def read(text: str) -> None:
        for task, problem in zip(tasks, problems, strict=True):
            for lenient in (False, True):
                verdict = task.verify(problem, text, lenient)
                assert verdict.right in (True, False), "neither right nor wrong"

    words = ("x=", "x_1 = ", "±", "−", " or ", " and ", "/", "(", ")", ".", ";", "0", "/0")
    return _of_texts((*SOLUTIONS, *ANSWERS), words, read)


def answers(folder: Path) -> tuple[Make, Try]:
    """An answer, and an expected one, by the grammars that are groupthink's own."""
    from groupthink.task.answer import open_rule
    from groupthink.task.answer.latex import candidate, compact, dressed, unlabelled
    from groupthink.task.answer.mathematics import unreasonable
    from groupthink.task.answer.number import whole_number

    rules = [open_rule(name) for name in ("exact", "number", "choice")]
    samples = (*ANSWERS, *SOLUTIONS)

    def make(draw: random.Random) -> tuple[str, str]:
        expected = draw.choice(ANSWERS) if draw.random() < 0.7 else mutate.text(draw, samples, LATEX)
        return expected, mutate.text(draw, samples, (*LATEX, *THINKING))

    def read(pair: tuple[str, str]) -> None:
        expected, text = pair
        for rule in rules:
            assert rule(expected, text).right in (True, False), "neither right nor wrong"
            assert rule(text, expected).right in (True, False), "neither right nor wrong"
        if len(text) <= 20_000:
            one, other = unlabelled(dressed(candidate(expected)), dressed(candidate(text)))
            compact(one), compact(other), unreasonable(other), whole_number(other)

    return make, read


def mathematics(folder: Path) -> tuple[Make, Try]:
    """What math-verify is handed in its process, and what the process makes of it."""
    from groupthink.task.answer.latex import candidate, dressed, unlabelled
    from groupthink.task.answer.mathematics import MAX_ANSWER, unreasonable
    from groupthink.task.answer.worker import _load

    compare = _load()

    def make(draw: random.Random) -> tuple[str, str]:
        return draw.choice(ANSWERS), mutate.text(draw, ANSWERS, LATEX, MAX_ANSWER)

    def read(pair: tuple[str, str]) -> None:
        one, other = unlabelled(*(dressed(candidate(each)) for each in pair))
        if not unreasonable(other) and len(other) <= MAX_ANSWER:
            assert compare(one, other) in (True, False, None), "no answer"

    return make, read


def code(folder: Path) -> tuple[Make, Try]:
    """A program within an answer, and the tests of a problem in the forms of data sets."""
    from groupthink.records import Problem
    from groupthink.reward.code import last_program, same_output
    from groupthink.reward.unit_tests import read_tests
    from groupthink.task.program_tests import has_tests

    programs = (
        "First:\n```python\nx = 1\n```\nBetter:\n```python\nprint(input())\n```\nand run `it`.",
        "<think>so</think>\n```\ndef f(x):\n    return x\n```",
        "```py\nfor i in range(3):\n    print(i)\n```  \n",
    )
    pairs = {"inputs": ["1\n", "2\n"], "outputs": ["1\n", "4\n"]}
    cases = [{"input": "1\n2", "output": "3", "testtype": "functional"}, {"input": "5", "output": "[1.5, null]"}]
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()
    harmful = base64.b64encode(zlib.compress(b"cos\nsystem\n(S'touch groupthink_canary'\ntR.")).decode()
    rows: tuple[dict[str, Any], ...] = (
        {"test_list": ["assert f(1) == 2", "assert f(2) == 3"], "test_setup_code": "import math", "test_imports": []},
        {"test": "def check(candidate):\n    assert candidate(1) == 2\n", "entry_point": "f"},
        {"tests": "from solution import f\n\ndef test_one():\n    assert f(1) == 2\n"},
        {"input_output": json.dumps(pairs)},
        {"input_output": pairs | {"fn_name": "f"}},
        {"public_test_cases": json.dumps(cases), "private_test_cases": packed, "metadata": '{"func_name": "f"}'},
        {"public_test_cases": harmful},
        {"tests": [{"input": [1, "a", None], "output": 2.5, "function": "f"}, ["1", "2"]]},
    )
    words = ("```", "```python", "def ", "assert ", "check", "inputs", "outputs", "functional", packed, harmful)

    def make(draw: random.Random) -> tuple[str, dict[str, Any]]:
        return mutate.text(draw, programs, words), mutate.value(draw, draw.choice(rows), words)

    def read(pair: tuple[str, Any]) -> None:
        text, row = pair
        program = last_program(text)
        assert program is None or program in f"{text}\n", "a program that nobody wrote"
        assert same_output(text, text), "an output unlike itself"
        if isinstance(row, dict) and all(isinstance(key, str) for key in row) and has_tests(row):
            read_tests(Problem(id="p", task="t", prompt="def f(x):", answer=None, info=row))

    return make, read


def recipe(folder: Path) -> tuple[Make, Try]:
    """A recipe file, of one stage or of several, and words of the command line."""
    from groupthink.pipeline import dump_pipeline
    from groupthink.pipeline.reading import has_stages, load_pipeline
    from groupthink.recipe import BUNDLED, dump_recipe, load_recipe, setting_names

    files = tuple(file.read_text(encoding="utf-8") for file in sorted(BUNDLED.iterdir(), key=str) if file.is_file())
    samples = (*files, dump_recipe(load_recipe()))
    names = tuple(setting_names())
    words = (
        *names,
        *(f"{name.rpartition('.')[2]} = " for name in names),
        *(
            'stages = [["a"]]',
            "[[stages]]\n",
            "[task]\n",
            "[[task]]\n",
            '"a.py:f" = 1.0\n',
            "stage:previous",
            "inf",
            "nan",
        ),
        *("1e400", "9" * 400, "0x" + "f" * 300, "1979-05-27T07:32:00Z", "true", "[]", "{}", '"""', "[[" * 3),
    )
    settings = (
        "steps=4",
        "rollout.group_size=4",
        "zero.steps=2",
        "model=nano",
        "reward.majority=0.5",
        'task.names=["arithmetic"]',
    )

    def make(draw: random.Random) -> tuple[bytes, list[str]]:
        text = mutate.text(draw, samples, words, 60_000).encode(errors="surrogatepass")
        said = [mutate.text(draw, settings, words, 5_000) for _ in range(draw.choice((0, 0, 1, 2)))]
        return mutate.data(draw, text) if draw.random() < 0.1 else text, said

    def read(given: tuple[bytes, list[str]]) -> None:
        file, (text, said) = folder / "recipe.toml", given
        file.write_bytes(text)
        if has_stages(file):
            whole = load_pipeline(file, said)
            file.write_text(dump_pipeline(whole), encoding="utf-8")
            assert load_pipeline(file) == whole, "written and read again it is another pipeline"
        else:
            one = load_recipe(file, said)
            file.write_text(dump_recipe(one), encoding="utf-8")
            assert load_recipe(file) == one, "written and read again it is another recipe"

    return make, read


TEXTS = (
    Target(
        "chain", "a response's chain of thought, by form and language", chain, modules=("groupthink.reward.format",)
    ),
    Target("roots", "answers to quadratic equations and sums", roots),
    Target("answers", "answers by the rules exact, number and choice, and the grammar before math-verify", answers),
    Target(
        "mathematics",
        "answers as math-verify's process reads them",
        mathematics,
        modules=("math_verify",),
        late=True,
        compiles=OF_SYMPY,
    ),
    Target("code", "programs in answers, and tests of data sets", code, (ValueError,), compiles="<unknown>: .*"),
    Target(
        "recipe", "recipe files and words", recipe, (ValueError, FileNotFoundError), ("groupthink.pipeline.reading",)
    ),
)
