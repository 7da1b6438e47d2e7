"""`groupthink train`: a run is begun or gone on with."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupthink.cli.dry_run import dry_run
from groupthink.cli.endings import say_how_to_go_on
from groupthink.cli.options import add_json, add_recipe, recipe_and_settings
from groupthink.cli.saying import print_json, quieten, tell
from groupthink.cli.train_stages import train_stages
from groupthink.web.verbs import beside, require_web

if TYPE_CHECKING:
    from groupthink.recipe import Recipe
    from groupthink.run.directory import Run


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser("train", help="train a model by a recipe", description="Train a model by a recipe.")
    verb.set_defaults(verb=train, parser=verb)
    add_recipe(verb)
    verb.add_argument(
        "--run", metavar="DIR", type=Path, help="where the run is kept (default: runs/NAME of the recipe)"
    )
    verb.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in DIR, by its own recipe (one of several stages takes an edited one, too)",
    )
    verb.add_argument("--view", action="store_true", help="show it in a browser while it is at work (see view)")
    verb.add_argument(
        "--dry-run", action="store_true", help="only check, and print the resolved recipe and what a step is"
    )
    add_json(verb)


def train(args: argparse.Namespace) -> None:
    """groupthink train [RECIPE] [key=value ...] [--run DIR] [--resume] [--view] [--dry-run] [--json]"""
    if args.view:
        require_web("groupthink train --view")
    recipe_path, overrides = recipe_and_settings(args.words)
    if args.resume and args.run is None:
        raise ValueError("--resume needs --run DIR: which run is to go on?")
    if args.resume and recipe_path is not None and not _is_pipeline(args.run):
        raise ValueError(f"a resumed run takes its own recipe: leave out {recipe_path}")
    if _of_stages(args, recipe_path):
        return train_stages(args, recipe_path, overrides)
    if args.dry_run:
        return dry_run(args, recipe_path, overrides)

    from groupthink import stage
    from groupthink.run.terminal import open_view

    view = open_view(stream=sys.stderr if args.json else sys.stdout)
    with _open_run(args, recipe_path, overrides) as run, beside(run.path, view.note, wanted=args.view):
        try:
            quieten()
            view.started(run.recipe, run.remaining_steps())
            figures = stage.train(run, view)
            view.note(_what_next(run.path, run.recipe))
        except BaseException as error:
            say_how_to_go_on(error, run.path)
            raise
        finally:
            view.closed()
    if args.json:
        print_json({"run": str(run.path), **figures})


def _of_stages(args: argparse.Namespace, recipe_path: str | None) -> bool:
    """Whether it is a recipe of several stages that is to be trained by."""
    from groupthink.pipeline.reading import has_stages

    return _is_pipeline(args.run) if args.resume else has_stages(recipe_path)


def _is_pipeline(run: Path) -> bool:
    from groupthink.run.stages import is_pipeline

    return is_pipeline(run)


def _open_run(args: argparse.Namespace, recipe_path: str | None, overrides: Sequence[str]) -> "Run":
    from groupthink.model.place import resolve
    from groupthink.recipe import load_recipe, recipe_name
    from groupthink.run.directory import Run, free_directory, refuse_taken

    if args.resume:
        return Run.resume(args.run, overrides)
    recipe = load_recipe(recipe_path, overrides)
    if args.run is not None:
        refuse_taken(args.run)
    resolve(recipe.model)

    from groupthink.stage.ready import require_ready

    quieten()
    require_ready(recipe, tell)
    return Run.create(args.run or free_directory(recipe_name(recipe_path)), recipe)


def _what_next(run: Path, recipe: "Recipe") -> str:
    from groupthink.pipeline import made_by
    from groupthink.run.standing import further

    made = made_by(recipe.stage)
    if made == "nothing":
        return (
            f"\nEvery response and what was found is in {run / 'evaluations'}. Next:\n"
            f"  groupthink report {run}    the figures once more, with intervals"
        )
    if made == "data":
        return (
            f"\nThe data set is in {run / 'data'}, and every response in {run / 'rollouts'}. To learn from it:\n"
            f"""  stage = "sft" with sft.tasks = ["data:{run / "data"}"] and sft.shares = [1.0]"""
        )
    rollouts = run / "rollouts"  # where demonstrations are imitated, nothing is drawn
    drawn = f", and every response of every step in {rollouts}" if rollouts.is_dir() else ""
    return (
        f"\nThe model is in {run / 'model'}{drawn}. Next:\n"
        f"  groupthink eval {run} --samples 16    measure it more closely\n"
        f"  groupthink train --resume --run {run} steps={further(recipe.steps)}    train it further\n"
        "  groupthink explain    see the five steps on one problem"
    )
