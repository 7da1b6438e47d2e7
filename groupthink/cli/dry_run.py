"""`groupthink train --dry-run`: what would be done, resolved and checked, and nothing of it."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from groupthink.cli.saying import print_json, quieten, tell

if TYPE_CHECKING:
    from groupthink.pipeline import Pipeline


def dry_run(args: argparse.Namespace, recipe_path: str | None, overrides: Sequence[str]) -> None:
    """Of one stage: the recipe, a prompt, and what a step is."""
    from groupthink.model.place import resolve
    from groupthink.recipe import describe_step, dump_recipe, load_recipe, recipe_table
    from groupthink.run.directory import refuse_taken
    from groupthink.run.standing import find_standing
    from groupthink.stage.named import require_named
    from groupthink.stage.prompt import a_prompt

    done, prompt = 0, None
    if args.resume:
        standing = find_standing(args.run, overrides)
        recipe, done = standing.recipe, standing.done
    else:
        recipe = load_recipe(recipe_path, overrides)
        require_named(recipe, tell)
        resolve(recipe.model)  # a folder that is not there; the hub is not asked
        if args.run is not None:
            refuse_taken(args.run)
        quieten()
        prompt = a_prompt(recipe)
    left = recipe.steps - done
    if args.json:
        place = {} if args.run is None else {"run": str(args.run)}
        found = {"recipe": recipe_table(recipe), "step": describe_step(recipe), "remaining_steps": left}
        print_json({**place, **found, "prompt": prompt})
        return
    print(dump_recipe(recipe))
    if prompt is not None:
        print("\n".join(["# The model is asked a problem so:", *_as_comment(prompt), "#"]))
    print(f"# {describe_step(recipe)}")
    print(f"# {left} of {recipe.steps} steps remain." if args.resume else f"# {left} of them.")
    if args.run is not None and not args.resume:
        print(f"# The run would be kept in {args.run}, which is free.")


def dry_run_stages(args: argparse.Namespace, pipeline: "Pipeline") -> None:
    """Of several, each with what it takes from those before it."""
    from groupthink.pipeline import describe_stage, dump_said, pipeline_table
    from groupthink.pipeline.references import references
    from groupthink.recipe import BY_SAMPLES, describe_step
    from groupthink.stage.prompt import a_prompt

    if args.json:
        place = {} if args.run is None else {"run": str(args.run)}
        steps = [describe_step(stage.recipe) for stage in pipeline.stages]
        return print_json({**place, "recipe": pipeline_table(pipeline), "steps": steps})
    print("# What is not said here stands at its default; --json has all of it.\n")
    print(dump_said(pipeline))
    for stage in pipeline.stages:
        if stage.kind in BY_SAMPLES and not references(stage.recipe):  # its model and its problems are there already
            quieten()
            if (prompt := a_prompt(stage.recipe)) is not None:
                print("\n".join([f"# {stage.name}: the model is asked a problem so:", *_as_comment(prompt), "#"]))
            break
    for number, stage in enumerate(pipeline.stages):
        count = f" {stage.recipe.steps} of them." if stage.recipe.steps else ""
        print(f"# {describe_stage(pipeline, number)}. {describe_step(stage.recipe)}{count}")


def _as_comment(text: str) -> list[str]:
    """Lines of TOML that say nothing, whatever stands in `text`."""
    from groupthink.run.printable import printable

    return [f"#     {line}".rstrip() for line in printable(text).replace("\t", " ").split("\n")]
