"""`groupthink check`: what a recipe would take of this machine, and what its rewards are worth."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from groupthink.cli.endings import cause_of, tracebacks_wanted
from groupthink.cli.options import add_json, add_recipe, recipe_and_settings
from groupthink.cli.saying import print_json, quieten, tell

if TYPE_CHECKING:
    from groupthink.pipeline import Pipeline
    from groupthink.recipe import Recipe


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser(
        "check",
        help="what a recipe would take of this machine, and whether its rewards can be earned wrongly",
        description="Try a recipe before it is trained by: what it takes of this machine, and its rewards on trial.",
    )
    verb.set_defaults(verb=check, parser=verb)
    add_recipe(verb)
    add_json(verb)


def check(args: argparse.Namespace) -> int:
    """groupthink check [RECIPE] [key=value ...] [--json]"""
    from groupthink.model.place import resolve
    from groupthink.pipeline.reading import has_stages, load_pipeline
    from groupthink.recipe import load_recipe

    recipe_path, overrides = recipe_and_settings(args.words)
    if has_stages(recipe_path):
        return _check_stages(args, load_pipeline(recipe_path, overrides))
    recipe = load_recipe(recipe_path, overrides)
    resolve(recipe.model)

    from groupthink.stage.ready import require_ready

    quieten()
    require_ready(recipe, tell, room=False)  # the plan says whether it fits
    found, code = _checked(recipe, args.json)
    if args.json:
        print_json(found)
    return code


def _check_stages(args: argparse.Namespace, pipeline: "Pipeline") -> int:
    """`check`, of each stage."""
    from groupthink.pipeline import describe_stage
    from groupthink.pipeline.forecast import forecast
    from groupthink.run.printable import duration
    from groupthink.stage.pipeline import require_stages

    quieten()
    require_stages(pipeline, tell)
    every, codes = [], [0]
    for number, stage in enumerate(pipeline.stages):
        recipe = forecast(pipeline, number)
        waits = ""
        if recipe.model != stage.recipe.model:
            waits = f"; its model is still to be made, and reckoned with as if it were as large as {recipe.model}"
        if not args.json:
            print(f"\n{describe_stage(pipeline, number)}{waits}", flush=True)
        found, code = _checked(recipe, args.json)
        every.append({"name": stage.name, "kind": stage.kind, "model": recipe.model, **found})
        codes.append(code)
    times = [one["plan"]["total_seconds"] for one in every if "plan" in one]
    total = None if None in times else sum(times)
    if args.json:
        print_json({"stages": every, "total_seconds": total})
    elif total is not None:
        print(f"\nall stages: {duration(total)}")
    return max(codes)


def _checked(recipe: "Recipe", quiet: bool) -> tuple[dict[str, Any], int]:
    """The plan of a recipe and the trial of its rewards, printed unless `quiet`; and the exit code."""
    from groupthink.insight import plan, trials
    from groupthink.insight.plan.words import in_words
    from groupthink.recipe import BY_REWARDS
    from groupthink.run.printable import printable
    from groupthink.scale.direct import require_nixl
    from groupthink.scale.look import look_at

    if recipe.stage == "evaluate":
        return {}, 0
    if recipe.scale.transport == "nixl":
        require_nixl()
    nodes = look_at(recipe.scale) if recipe.scale.wanted and recipe.scale.address else None
    planned = plan.plan(recipe, tell, nodes)
    if not quiet:  # at once: it stands whatever becomes of the trials
        print("\n".join(in_words(planned)), flush=True)
    tried, failed = None, ""
    if recipe.stage in BY_REWARDS:
        try:
            tried = trials.try_rewards(recipe, tell, fits=planned.fits)
        except (ValueError, RuntimeError, OSError) as error:
            if isinstance(cause_of(error), KeyboardInterrupt) or tracebacks_wanted():
                raise
            failed = printable(f"{error}" or type(error).__name__)
    if failed and not quiet:
        print(f"\nNote: the rewards could not be tried: {failed}")
    elif tried is not None and not quiet:
        print("\n".join(["", *trials.in_words(tried)]))
    found = {"plan": asdict(planned), "rewards": None if tried is None else asdict(tried)}
    return found | ({"rewards_error": failed} if failed else {}), 2 if failed else 0 if planned.fits else 1
