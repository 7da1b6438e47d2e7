"""Sixty texts that mean harm to whoever shows them, and a run whose responses they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from groupthink.records import Group, Problem, Response, Score
from groupthink.run.directory import Run
from groupthink.run.printable import printable, storable
from tests.web.reading.making import settings, step_of

HIT = "window.__hit=1"
AWAY = "http://hit.invalid"
MEGABYTE = "A" * 1_000_000

TEXTS: tuple[str, ...] = (
    f"<script>{HIT}</script>",
    f"</script><script>{HIT}</script>",
    f"</SCRIPT ><script >{HIT}</script >",
    f"<script src={AWAY}/1.js></script>",
    f"<script type=module>import '{AWAY}/2.js'</script>",
    f"<!--<script>--><script>{HIT}</script>",
    f"--><script>{HIT}</script>",
    f"]]><script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f'"><img src=x onerror="{HIT}">',
    f"'><img src=x onerror='{HIT}'>",
    f"<img src={AWAY}/3.png>",
    f"<img/src=/hit/4.png/onerror={HIT}>",
    f"<svg onload={HIT}>",
    f"<svg><script>{HIT}</script></svg>",
    f"<svg><animate onbegin={HIT} attributeName=x dur=1s>",
    f"<svg><a xlink:href='javascript:{HIT}'><text y=20>press</text></a></svg>",
    f"<svg><use href='data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg onload={HIT}>#x'></svg>",
    f"<svg><foreignObject><iframe srcdoc='<script>parent.{HIT}</script>'></iframe></foreignObject></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={HIT}></style></mglyph></table></mtext></math>",
    f"<iframe src='javascript:parent.{HIT}'></iframe>",
    f"<iframe srcdoc='<script>parent.{HIT}</script>'></iframe>",
    f"<object data='javascript:{HIT}'></object><embed src='javascript:{HIT}'>",
    f"<a href='javascript:{HIT}'>press</a>",
    f"javascript:{HIT}",
    f"JaVa\tScRiPt:{HIT}",
    f"data:text/html,<script>opener.{HIT}</script>",
    f"[press](javascript:{HIT})",
    f"![picture]({AWAY}/5.png)",
    f'![picture]({AWAY}/6.png "x" onerror="{HIT}")',
    f"[press]({AWAY}/7)",
    f"<{AWAY}/8>",
    f"<link rel=stylesheet href={AWAY}/9.css>",
    f"<style>@import '{AWAY}/10.css'; * {{ background: url({AWAY}/11.png) }}</style>",
    f"<div style='background:url({AWAY}/12.png);position:fixed;inset:0;z-index:9999'>over all</div>",
    f"<meta http-equiv=refresh content='0;url={AWAY}/13'>",
    f"<base href='{AWAY}/'>",
    f"<form action={AWAY}/14><input name=q autofocus onfocus={HIT}><button>press</button></form>",
    f"<details open ontoggle={HIT}>x</details>",
    f"<video src=x onerror={HIT}></video><audio src={AWAY}/15.ogg autoplay>",
    f"<body onload={HIT}><html onmouseover={HIT}>",
    f"<marquee onstart={HIT}>x</marquee>",
    f"<template><script>{HIT}</script></template><slot onslotchange={HIT}>",
    f"&lt;script&gt;{HIT}&lt;/script&gt;&#x3c;img src=x onerror={HIT}&#x3e;",
    f"\\u003cscript\\u003e{HIT}\\u003c/script\\u003e",
    f"${{({HIT})}} {{{{constructor.constructor('{HIT}')()}}}} <%= {HIT} %> #{{{HIT}}}",
    f"`;{HIT};`",
    f"';{HIT};//\\';{HIT};//\";{HIT};//",
    '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    "__proto__",
    "\u202egnp.exe\u202c and \u2066hidden\u2069 \u200b\u200d\ufeff\u00ad",
    "\u2028\u2029line ends\x85\x0b\x0c\r\r\n",
    f"NUL \x00<script\x00>{HIT}</script>\x00",
    "\ud800 lone \udfff surrogates \ud83d",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;http://hit.invalid/16\x1b\\press\x1b]8;;\x1b\\\x9b1m\x08\x08\x7f",
    "Z" + "\u0300\u0489" * 400 + "\U000e0001\U000e0041 \U0001f468\u200d\U0001f469",
    f"<think><script>{HIT}</script></think></think><think>{HIT}",
    f"<|end|><|user|>{HIT}<|assistant|><think>",
    "%3Cscript%3Ewindow.__hit%3D1%3C/script%3E?run=../../etc/passwd#/seed",
    MEGABYTE,
)
assert len(TEXTS) == len(set(TEXTS)) == 60

NAME = f"'><img src=x onerror={HIT}>"  # of the run: what a folder may be called
STEPS, GROUPS, SIZE = 5, 3, 4
END = "<end>"
FIGURES = {
    **dict.fromkeys(("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient", "format"), 0.5),
    **{"environment": None, "problems": 8, "unjudged": {TEXTS[8]: 1}, "samples": 1, "length": 2.0, "truncated": 0.0},
    "traits": {TEXTS[0]: {"share": 0.5, "accuracy": 0.5}},
}
CUT = 2000  # characters of a token


def shown(text: str) -> str:
    """As a page must show what was stored of it: all unseen characters spelt out."""
    return printable(storable(text))


def place_of(number: int) -> tuple[int, int, int]:
    """Step, group and response of a text."""
    return number // (GROUPS * SIZE), number // SIZE % GROUPS, number % SIZE


def chain_of(number: int) -> str:
    """The response that a text is: raw, or, every second one, within a chain."""
    text = TEXTS[number]
    return f"<think>{text}</think>{text}" if number % 2 and "think>" not in text else text


def hostile_run(runs: Path) -> Path:
    """A run, written as each is, in which every text is a response: raw, or within a chain. Problems, answers and
    notes are such texts, too, and so are its tokens and its evaluation."""
    path = runs / NAME
    vocabulary = {storable(text)[:CUT]: number for number, text in enumerate(TEXTS)}
    with Run.create(path, settings(f"steps={STEPS}", f"rollout.group_size={SIZE}")) as run:
        run.publish(lambda folder: _write_tokenizer(folder, {**vocabulary, END: len(TEXTS)}), "model")
        for step in range(STEPS):
            groups = [_group(step, group) for group in range(GROUPS)]
            scores = [[_score(step, group, place) for place in range(SIZE)] for group in range(GROUPS)]
            run.record(step, *step_of(groups, scores, run.recipe, change={0: 0.01, 1: -0.01}))
            run.steps_done = step + 1
        run.event(f"<b onclick={HIT}>", text=TEXTS[8], stage=TEXTS[0])
        run.write_evaluation("before", [_evaluated(number) for number in range(8)], FIGURES)
    return path


def _group(step: int, group: int) -> Group:
    first = (step * GROUPS + group) * SIZE
    text = TEXTS[first]
    prompt = text if group else ({"role": "system", "content": TEXTS[first + 1]}, {"role": "user", "content": text})
    problem = Problem(text[:CUT], "quadratics", _cut(prompt), TEXTS[first + 2][:CUT])
    return Group(problem, np.array([0]), tuple(_response(first + place) for place in range(SIZE)))


def _cut(prompt):
    return prompt[:CUT] if isinstance(prompt, str) else prompt


def _response(number: int) -> Response:
    logprobs = np.full(2, -0.5, np.float32)
    ids = np.array([number, len(TEXTS)])
    return Response(ids, np.ones(2, bool), logprobs, logprobs, np.zeros(2, np.int64), chain_of(number), "stop", number)


def _score(step: int, group: int, place: int) -> Score:
    text = TEXTS[(step * GROUPS + group) * SIZE + place]
    right = float(place % 2)
    return Score(right, {"accuracy": right}, text[:CUT], text[:CUT])


def _evaluated(number: int) -> dict[str, object]:
    text = TEXTS[number]
    return {
        "kind": "sample", "problem": TEXTS[number - number % SIZE], "prompt": text, "expected": text, "text": text,
        "extracted": text, "right": bool(number % 2), "lenient": False, "length": 2, "finish": "stop", "seed": 0,
        "traits": [text],
    }  # fmt: skip


def _write_tokenizer(folder: Path, vocabulary: dict[str, int]) -> None:
    folder.mkdir(exist_ok=True)
    Tokenizer(WordLevel(vocabulary, unk_token=END)).save(str(folder / "tokenizer.json"))


def every_place() -> Sequence[tuple[int, int]]:
    """Step and group of every group."""
    return [(step, group) for step in range(STEPS) for group in range(GROUPS)]
