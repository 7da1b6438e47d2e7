"""The card of a trained model: what it is, how it was made, and the figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from groupthink.recipe import Recipe, describe_step, dump_recipe
from groupthink.run.files import write_text
from groupthink.run.printable import percent
from groupthink.run.terminal import unjudged_lines

EVALUATIONS = ("before", "after")

STAGES_BEGIN, STAGES_END = "<!-- stages -->", "<!-- end of stages -->"
HOW_TO_LOAD = "## How to load"
"""What stands in a card before and after what is said of the stages."""

PROBLEM = "Solve x^2-5x+6=0"
"""What a card asks by way of example."""


def write_card(
    folder: Path,
    name: str,
    recipe: Recipe,
    figures: Mapping[str, Any],
    prompt: str = PROBLEM,
    special_tokens: bool = False,
) -> None:
    """Write `README.md` into the folder of the model called `name`.

    `figures`: the evaluations `before` and `after`, where they were made, as `groupthink eval --json` prints them; the
    `steps` that were done (all of the recipe's, where nothing is said), and why there were no more (`ended_early`).
    `prompt`: `PROBLEM` in the words in which the model was asked problems. `special_tokens`: whether the tokenizer
    puts its own before such words.
    """
    write_text(folder / "README.md", model_card(name, recipe, figures, prompt, special_tokens))


def put_stages(folder: Path, section: str) -> None:
    """Have the card in a model's folder tell of the stages that led to it: `section` is Markdown.

    It takes the place of what was put there before.
    """
    card = (folder / "README.md").read_text(encoding="utf-8")
    before, _, rest = card.partition(STAGES_BEGIN)
    if rest:
        _, _, after = rest.partition(STAGES_END)
    else:
        before, heading, after = card.partition(HOW_TO_LOAD)
        after = f"\n\n{heading}{after}"
    write_text(folder / "README.md", f"{before}{STAGES_BEGIN}\n{section}\n{STAGES_END}{after}")


def model_card(
    name: str, recipe: Recipe, figures: Mapping[str, Any], prompt: str = PROBLEM, special_tokens: bool = False
) -> str:
    """A model card in Hugging Face's form."""
    found = {when: figures[when] for when in EVALUATIONS if when in figures}
    parts = [
        _front_matter(name, recipe, found),
        f"# {name}\n",
        f"Made from `{recipe.model}` with groupthink "
        f"in {figures.get('steps', recipe.steps)} steps of `{recipe.stage}` on the task `{recipe.task.title}`. "
        f"{describe_step(recipe)}{_end(figures)}\n",
        _accuracy(found),
        _how_to_load(prompt, special_tokens),
        f"## Recipe\n\n```toml\n{dump_recipe(recipe)}```\n",
    ]
    return "\n".join(part for part in parts if part)


def _end(figures: Mapping[str, Any]) -> str:
    return f" The run ended early, {figures['ended_early']}." if "ended_early" in figures else ""


def _front_matter(name: str, recipe: Recipe, found: Mapping[str, Any]) -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {tag}" for tag in ("groupthink", "reasoning", recipe.stage)]
    if "/" in recipe.model and not Path(recipe.model).exists():
        lines.append(f"base_model: {recipe.model}")
    if "after" in found and found["after"]["pass@1"] is not None:
        lines += [
            "model-index:",
            f"- name: {_quoted(name)}",
            "  results:",
            "  - task: {type: text-generation}",
            f"    dataset: {{name: {_quoted(recipe.task.title)}, type: {_quoted(recipe.task.title)}}}",
            "    metrics:",
            f"    - {{type: pass@1, value: {found['after']['pass@1']:.4f}}}",
        ]
    return "\n".join([*lines, "---", ""])


def _quoted(text: str) -> str:
    """A string that YAML reads as it is: JSON's and TOML's basic strings are YAML's, too."""
    return tomli_w.dumps({"text": text}).partition("=")[2].strip()


def _accuracy(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    lines = [
        "## Accuracy on held-out problems\n",
        "| | pass@1 (95 % interval) | greedy | maj@k | pass@k | problems | k |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {when} | {percent(one['pass@1'])} ({percent(one['pass@1_low'])} to {percent(one['pass@1_high'])}) "
        f"| {percent(one['greedy'])} | {percent(one['maj@k'])} | {percent(one['pass@k'])} "
        f"| {one['problems']} | {one['samples']} |"
        for when, one in found.items()
    ]
    left_out = dict.fromkeys(f"{line[:1].upper()}{line[1:]}." for one in found.values() for line in unjudged_lines(one))
    return "\n".join([*lines, "", "Sampled at temperature 1. The intervals resample problems.", *left_out, ""])


def _how_to_load(prompt: str, special_tokens: bool) -> str:
    """With the prompt written out, a string a line: a chat template alone does not tell what a recipe adds to it."""
    words = "\n".join(f"    {line!r}" for line in prompt.splitlines(keepends=True))
    return f"""\
{HOW_TO_LOAD}

Problems were put to it in training as one is here.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
prompt = (
{words}
)
tokens = tokenizer(prompt, add_special_tokens={special_tokens}, return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**tokens)[0]))
```

or `groupthink eval path/to/the/run`, which asks it problems of its own task.
"""
