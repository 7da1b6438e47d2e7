"""The card of a data set, in Hugging Face's form: where its chains come from, and what was dropped for which reason."""

from collections.abc import Mapping
from typing import Any

from groupthink.recipe import Recipe, dump_recipe
from groupthink.run.printable import percent
from groupthink.stage.sample.contamination import RUN
from groupthink.stage.sample.duplicates import CHARACTERS
from groupthink.stage.settings import SampleSettings


def data_card(name: str, recipe: Recipe, figures: Mapping[str, Any]) -> str:
    """Of the data set called `name`, without its head. `figures`: as the stage's summary has them."""
    settings, rollout = recipe.sample, recipe.rollout
    drawn = figures["tokens"] / figures["sampled"]
    length = "" if figures["length"] is None else f", {figures['length']:.1f} tokens long on average"
    law = f"temperature {rollout.temperature:g}, top-p {rollout.top_p:g}, top-k {rollout.top_k or 'off'}"
    return f"""\
# {name}

Chains of thought that a model wrote itself, and that were found right by a rule: {figures["kept"]:,} of them on
{figures["kept_problems"]:,} problems of the task `{recipe.task.title}`{length}. Made with groupthink by rejection
sampling: {figures["problems"]:,} training problems, {settings.responses} responses to each at {law}, at most
{rollout.max_tokens:,} tokens long ({drawn:.1f} on average), from the policy `{figures["policy"]}`.

The licence is for whoever publishes this to choose: those of the model and of the problems bear on it.

## Rows

`messages` is a chat, its last message with the answer in `content` and the chain of thought in `reasoning_content`.
`prompt` and `completion` are the same, with the response in one piece as the model wrote it. The problem stands in both
without the words that `[chat]` in the recipe below added to it. `id` is the problem's, `answer` what was expected,
`score` the reward and `parts` what it is the weighted sum of, `tokens` the length of the response with its end,
`policy` which weights wrote it (the digits tell them from others), `seed` that of the draw.

## What was dropped

Each response is counted under the first reason that holds, in this order.

| | responses | share |
|---|---|---|
{_counts(figures)}
{_rules(settings)}
Held-out problems of the task were not sampled, and what shares words with one is `contaminated`: the training problems
were compared with {figures["held_out"]:,} of them.

## Recipe

```toml
{dump_recipe(recipe)}```
"""


def _counts(figures: Mapping[str, Any]) -> str:
    counts = {"sampled": figures["sampled"], **figures["dropped"], "**kept**": figures["kept"]}
    return "".join(
        f"| {name} | {count:,} | {percent(count / figures['sampled'])} |\n" for name, count in counts.items()
    )


def _rules(settings: SampleSettings) -> str:
    """What each reason means here. Filters that are off are not told of."""
    script = f"less than {settings.in_script:.0%} of the words of its reasoning are {settings.script}"
    rules = {
        "unjudged": "nobody knows whether it is right",
        "wrong": "its answer is not right",
        "unfinished": "it was cut at the limit of tokens",
        "malformed": "it is not one `<think>...</think>` with an answer after it",
        "repetitive": f"more than {settings.repeated:.0%} of its runs of 8 tokens came before"
        if settings.repeated < 1
        else "",
        "mixed": script if settings.script else "",
        "short": f"it has fewer than {settings.shortest} tokens" if settings.shortest else "",
        "long": f"it has more than {settings.longest:,} tokens" if settings.longest else "",
        "paragraph": f"its reasoning has more than {settings.paragraph:,} characters without a line break"
        if settings.paragraph
        else "",
        "code": "" if settings.code_blocks else "its reasoning holds a block of code",
        "contaminated": f"its problem has {RUN} words in a row in common with a held-out one, other than the task's "
        f"wording: words in a row that stand in more than {settings.wording:.1%} of the problems, and in more than "
        f"one, held out or not (a problem of fewer than {RUN} words is compared as a whole)",
        "duplicate": f"its problem and itself have {settings.similar:.0%} or more of their runs of {CHARACTERS} "
        "characters in common with a row"
        if settings.similar
        else "",
        "surplus": f"{settings.keep} better ones of its problem are rows: of a higher score, or shorter"
        if settings.keep
        else "",
    }
    return "".join(f"- `{name}`: {rule}\n" for name, rule in rules.items() if rule)
