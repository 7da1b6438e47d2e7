"""`groupthink train`, by a recipe of several stages."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from groupthink.cli.dry_run import dry_run_stages
from groupthink.cli.endings import say_how_to_go_on
from groupthink.cli.saying import print_json, quieten, tell
from groupthink.web.verbs import beside


def train_stages(args: argparse.Namespace, recipe_path: str | None, overrides: Sequence[str]) -> None:
    """Begin its run, go on with it, or say what would be done (`dry_run`)."""
    from groupthink.pipeline.reading import load_pipeline
    from groupthink.recipe import recipe_name
    from groupthink.run.directory import free_directory, refuse_taken
    from groupthink.run.pipeline import PipelineRun
    from groupthink.run.stages import PIPELINE, chosen_line, is_pipeline, overtaken, overtaken_line, to_choose
    from groupthink.run.terminal import open_view

    path = recipe_path if recipe_path is not None or not args.resume else args.run / PIPELINE
    pipeline = load_pipeline(path, overrides)
    if args.run is not None and not args.resume:
        try:
            refuse_taken(args.run)
        except FileExistsError as error:
            if is_pipeline(args.run):
                error.add_note("--resume takes a recipe file, too, and runs the stages anew that it has changed")
            raise

    from groupthink.stage.pipeline import require_stages, run_stages

    quieten()
    require_stages(pipeline, tell, path=args.run if args.resume else None, ready=not args.dry_run)
    if args.dry_run:
        for place in overtaken(args.run, pipeline) if args.resume else ():
            tell(overtaken_line(place, "would be set aside"))
        if args.resume and (choosing := to_choose(args.run, pipeline)):
            tell(chosen_line(choosing, "would be chosen"))
        return dry_run_stages(args, pipeline)
    begin = partial(PipelineRun.resume, tell=tell) if args.resume else PipelineRun.create
    place = args.run or free_directory(recipe_name(recipe_path))
    with begin(place, pipeline) as run, beside(run.path, tell, wanted=args.view):
        try:
            found = run_stages(run, lambda: open_view(stream=sys.stderr if args.json else sys.stdout))
        except BaseException as error:
            say_how_to_go_on(error, run.path)
            raise
    if args.json:
        print_json({"run": str(run.path), **found})
    else:
        model = "" if pipeline.last_model is None else f"The model is in {run.path / 'model'}. "
        print(f"\n{model}The run of each stage is in {run.path / 'stages'}:\n  groupthink report {run.path}")
