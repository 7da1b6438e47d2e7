"""The verbs: each parses its words and calls one function. Heavy imports come late, so that --help is quick."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupthink.stage.settings import EvaluateSettings
from groupthink.stopping import Stopped, stopped_by_signals
from groupthink.web import verbs as web

if TYPE_CHECKING:
    from groupthink.pipeline import Pipeline
    from groupthink.recipe import Recipe
    from groupthink.run.directory import Run

BY_NAME = Path()
"""Of `doctor --bundle` without a file: it is named after the run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `groupthink` with the words of `argv` (those of the command line); the exit code."""
    try:
        with stopped_by_signals():
            args = _parse(argv)
            code = args.verb(args)
            sys.stdout.flush()
        return code or 0
    except BaseException as error:
        cause = _cause(error)
        match cause:
            case Stopped():
                said, code = "stopped", cause.code
            case KeyboardInterrupt():
                said, code = "stopped", 128 + signal.SIGINT
            case BrokenPipeError():  # what reads this output has ended, as `head` does
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
                said, code = "nobody reads the output any more", 141  # 128 + SIGPIPE, which Windows does not have
            case ValueError() | OSError() | FloatingPointError() | RuntimeError():
                if os.environ.get("GROUPTHINK_DEBUG") == "1":
                    raise
                said, code = str(cause), 2
            case _:
                raise
        print("; ".join([f"groupthink: {said}", *getattr(cause, "__notes__", ())]), file=sys.stderr)
        return code


def _cause(error: BaseException) -> BaseException:
    """The stop that `error` followed from, or else `error`: what is closed in the middle of its work may fail."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, KeyboardInterrupt):
            return link
        link = link.__context__
    return error


def train(args: argparse.Namespace) -> None:
    """groupthink train [RECIPE] [key=value ...] [--run DIR] [--resume] [--view] [--dry-run] [--json]"""
    if args.view:
        web.require_web("groupthink train --view")
    recipe_path, overrides = _recipe_and_settings(args.words)
    if args.resume and args.run is None:
        raise ValueError("--resume needs --run DIR: which run is to go on?")
    if args.resume and recipe_path is not None and not _is_pipeline(args.run):
        raise ValueError(f"a resumed run takes its own recipe: leave out {recipe_path}")
    if _of_stages(args, recipe_path):
        return _train_stages(args, recipe_path, overrides)
    if args.dry_run:
        return _dry_run(args, recipe_path, overrides)

    from groupthink import stage
    from groupthink.run.terminal import open_view

    view = open_view(stream=sys.stderr if args.json else sys.stdout)
    with _open_run(args, recipe_path, overrides) as run, web.beside(run.path, view.note, wanted=args.view):
        try:
            _quieten()
            view.started(run.recipe, run.remaining_steps())
            figures = stage.train(run, view)
            view.note(_what_next(run.path, run.recipe))
        except BaseException as error:
            _say_how_to_go_on(error, run.path)
            raise
        finally:
            view.closed()
    if args.json:
        _print_json({"run": str(run.path), **figures})


def _say_how_to_go_on(error: BaseException, run: Path) -> None:
    """Where it was stopped from outside."""
    if isinstance(cause := _cause(error), KeyboardInterrupt | BrokenPipeError):
        cause.add_note(f"go on with: groupthink train --resume --run {run}")


def _of_stages(args: argparse.Namespace, recipe_path: str | None) -> bool:
    """Whether it is a recipe of several stages that is to be trained by."""
    from groupthink.pipeline.reading import has_stages

    return _is_pipeline(args.run) if args.resume else has_stages(recipe_path)


def _is_pipeline(run: Path) -> bool:
    from groupthink.run.stages import is_pipeline

    return is_pipeline(run)


def _train_stages(args: argparse.Namespace, recipe_path: str | None, overrides: Sequence[str]) -> None:
    """`train`, by a recipe of several stages."""
    from groupthink.pipeline.reading import load_pipeline
    from groupthink.recipe import recipe_name
    from groupthink.run.directory import free_directory, refuse_taken
    from groupthink.run.pipeline import PipelineRun
    from groupthink.run.stages import PIPELINE, chosen_line, overtaken, overtaken_line, to_choose
    from groupthink.run.terminal import open_view

    path = recipe_path if recipe_path is not None or not args.resume else args.run / PIPELINE
    pipeline = load_pipeline(path, overrides)
    if args.run is not None and not args.resume:
        try:
            refuse_taken(args.run)
        except FileExistsError as error:
            if _is_pipeline(args.run):
                error.add_note("--resume takes a recipe file, too, and runs the stages anew that it has changed")
            raise

    from groupthink.stage.pipeline import require_stages, run_stages

    _quieten()
    require_stages(pipeline, _tell, path=args.run if args.resume else None, ready=not args.dry_run)
    if args.dry_run:
        for place in overtaken(args.run, pipeline) if args.resume else ():
            _tell(overtaken_line(place, "would be set aside"))
        if args.resume and (choosing := to_choose(args.run, pipeline)):
            _tell(chosen_line(choosing, "would be chosen"))
        return _dry_run_stages(args, pipeline)
    begin = partial(PipelineRun.resume, tell=_tell) if args.resume else PipelineRun.create
    place = args.run or free_directory(recipe_name(recipe_path))
    with begin(place, pipeline) as run, web.beside(run.path, _tell, wanted=args.view):
        try:
            found = run_stages(run, lambda: open_view(stream=sys.stderr if args.json else sys.stdout))
        except BaseException as error:
            _say_how_to_go_on(error, run.path)
            raise
    if args.json:
        _print_json({"run": str(run.path), **found})
    else:
        model = "" if pipeline.last_model is None else f"The model is in {run.path / 'model'}. "
        print(f"\n{model}The run of each stage is in {run.path / 'stages'}:\n  groupthink report {run.path}")


def _open_run(args: argparse.Namespace, recipe_path: str | None, overrides: Sequence[str]) -> "Run":
    from groupthink.model.place import resolve
    from groupthink.recipe import recipe_name
    from groupthink.run.directory import Run, free_directory, refuse_taken

    if args.resume:
        return Run.resume(args.run, overrides)
    recipe = _load(recipe_path, overrides)
    if args.run is not None:
        refuse_taken(args.run)
    resolve(recipe.model)

    from groupthink.stage.ready import require_ready

    _quieten()
    require_ready(recipe, _tell)
    return Run.create(args.run or free_directory(recipe_name(recipe_path)), recipe)


def evaluate(args: argparse.Namespace) -> None:
    """groupthink eval MODEL [--task T] [--split S] [--problems N] [--samples K] [--temperature T] [--max-tokens N]
    [--template T] [--trust-remote-code]"""
    _require_there(args.model)

    from groupthink.model.loading import require_readable
    from groupthink.run.terminal import evaluation_lines
    from groupthink.stage.evaluate import evaluate_model

    _quieten()
    require_readable(args.model, trust_remote_code=args.trust_remote_code)
    figures = evaluate_model(
        args.model,
        task=args.task,
        problems=args.problems,
        samples=args.samples,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        split=args.split,
        template=args.template,
        trust_remote_code=args.trust_remote_code,
        note=_tell,
    )
    if args.json:
        _print_json(figures)
    else:
        print("\n".join(evaluation_lines(figures)))


def _require_there(model: str) -> None:
    """Raise ValueError for a model that is not there, before what reads models is imported, which takes seconds."""
    from groupthink.model.place import require_there

    try:
        require_there(model, _tell)
    except ValueError as error:
        if _is_pipeline(Path(model)):
            error.add_note(_where_models_are(Path(model)))
        raise


def _where_models_are(run: Path) -> str:
    """Of a recipe of several stages that has not come to its end."""
    from groupthink.pipeline.reading import load_pipeline
    from groupthink.run.stages import PIPELINE, made_models

    made = made_models(run, load_pipeline(run / PIPELINE))
    places = ", ".join(place.removesuffix("/model") for place in made.values())
    return (
        f"its recipe has not come to its end; these have models: {places}" if made else "none of its stages has one yet"
    )


def explain(args: argparse.Namespace) -> None:
    """groupthink explain [--json]"""
    _tell("working through the five steps")
    from groupthink import explain as worked

    _quieten()
    found = worked.explain()
    if args.json:
        _print_json(asdict(found))
    else:
        worked.print_explanation(found)


def serve(args: argparse.Namespace) -> None:
    """groupthink serve MODEL [--host H] [--port P] [--token T]"""
    web.require_web("groupthink serve")
    _require_there(args.model)

    from groupthink.web.serve.serving import serve as answer

    _quieten()
    answer(args.model, **web.listening_of(args), trust_remote_code=args.trust_remote_code, tell=_tell)


def chat(args: argparse.Namespace) -> None:
    """groupthink chat MODEL [--temperature T] [--max-tokens N] [--system S] [--seed N]"""
    _require_there(args.model)

    from groupthink.web import chat_terminal

    _quieten()
    chat_terminal.chat(
        args.model,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        system=args.system,
        seed=args.seed,
        trust_remote_code=args.trust_remote_code,
        tell=_tell,
    )


def doctor(args: argparse.Namespace) -> None:
    """groupthink doctor RUN [--bundle [FILE]] [--json]"""
    if args.bundle is not None:
        return _bundle(args.run, None if args.bundle == BY_NAME else args.bundle, args.json)
    from groupthink.insight.doctor import examine, in_words
    from groupthink.run.stages import is_pipeline, runs_in

    found = [examine(run) for run in runs_in(args.run)]
    if args.json:
        _print_json({"stages": [asdict(one) for one in found]} if is_pipeline(args.run) else asdict(found[0]))
    else:
        print("\n\n".join("\n".join(in_words(one)) for one in found))


def _bundle(run: Path, file: Path | None, as_json: bool) -> None:
    from groupthink.insight.bundle import in_words, write_bundle

    found = write_bundle(run, file)
    if as_json:
        _print_json({"bundle": str(found.file), "files": found.sizes})
    else:
        print("\n".join(in_words(found)))


def report(args: argparse.Namespace) -> None:
    """groupthink report RUN [--markdown DIR] [--html FILE] [--json]"""
    from groupthink.insight.report import read_report
    from groupthink.insight.report.as_json import as_json
    from groupthink.insight.report.markdown import write_markdown
    from groupthink.insight.report.words import in_words

    found = read_report(args.run)
    if args.markdown is not None:
        _tell(f"the report is in {write_markdown(args.markdown, found, _tell)}")
    if args.html is not None:
        web.write_html(args.run, args.html, _tell)
    if args.json:
        _print_json(as_json(found))
    else:
        print("\n".join(in_words(found)))


def check(args: argparse.Namespace) -> int:
    """groupthink check [RECIPE] [key=value ...] [--json]"""
    from groupthink.model.place import resolve
    from groupthink.pipeline.reading import has_stages, load_pipeline

    recipe_path, overrides = _recipe_and_settings(args.words)
    if has_stages(recipe_path):
        return _check_stages(args, load_pipeline(recipe_path, overrides))
    recipe = _load(recipe_path, overrides)
    resolve(recipe.model)

    from groupthink.stage.ready import require_ready

    _quieten()
    require_ready(recipe, _tell, room=False)  # the plan says whether it fits
    found, code = _checked(recipe, args.json)
    if args.json:
        _print_json(found)
    return code


def _check_stages(args: argparse.Namespace, pipeline: "Pipeline") -> int:
    """`check`, of each stage."""
    from groupthink.pipeline import describe_stage
    from groupthink.pipeline.forecast import forecast
    from groupthink.run.printable import duration
    from groupthink.stage.pipeline import require_stages

    _quieten()
    require_stages(pipeline, _tell)
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
        _print_json({"stages": every, "total_seconds": total})
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
    planned = plan.plan(recipe, _tell, nodes)
    if not quiet:  # at once: it stands whatever becomes of the trials
        print("\n".join(in_words(planned)), flush=True)
    tried, failed = None, ""
    if recipe.stage in BY_REWARDS:
        try:
            tried = trials.try_rewards(recipe, _tell, fits=planned.fits)
        except (ValueError, RuntimeError, OSError) as error:
            if isinstance(_cause(error), KeyboardInterrupt) or os.environ.get("GROUPTHINK_DEBUG") == "1":
                raise
            failed = printable(f"{error}" or type(error).__name__)
    if failed and not quiet:
        print(f"\nNote: the rewards could not be tried: {failed}")
    elif tried is not None and not quiet:
        print("\n".join(["", *trials.in_words(tried)]))
    found = {"plan": asdict(planned), "rewards": None if tried is None else asdict(tried)}
    return found | ({"rewards_error": failed} if failed else {}), 2 if failed else 0 if planned.fits else 1


def _what_next(run: Path, recipe: "Recipe") -> str:
    from groupthink.pipeline import made_by
    from groupthink.run.directory import further

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
    return (
        f"\nThe model is in {run / 'model'}, and every response of every step in {run / 'rollouts'}. Next:\n"
        f"  groupthink eval {run} --samples 16    measure it more closely\n"
        f"  groupthink train --resume --run {run} steps={further(recipe.steps)}    train it further\n"
        "  groupthink explain    see the five steps on one problem"
    )


def _dry_run(args: argparse.Namespace, recipe_path: str | None, overrides: Sequence[str]) -> None:
    from groupthink.model.place import resolve
    from groupthink.recipe import describe_step, dump_recipe, recipe_table
    from groupthink.run.directory import find_standing, refuse_taken
    from groupthink.stage.named import require_named
    from groupthink.stage.prompt import a_prompt

    done, prompt = 0, None
    if args.resume:
        standing = find_standing(args.run, overrides)
        recipe, done = standing.recipe, standing.done
    else:
        recipe = _load(recipe_path, overrides)
        require_named(recipe, _tell)
        resolve(recipe.model)  # a folder that is not there; the hub is not asked
        if args.run is not None:
            refuse_taken(args.run)
        _quieten()
        prompt = a_prompt(recipe)
    left = recipe.steps - done
    if args.json:
        place = {} if args.run is None else {"run": str(args.run)}
        found = {"recipe": recipe_table(recipe), "step": describe_step(recipe), "remaining_steps": left}
        _print_json({**place, **found, "prompt": prompt})
        return
    print(dump_recipe(recipe))
    if prompt is not None:
        print("\n".join(["# The model is asked a problem so:", *_as_comment(prompt), "#"]))
    print(f"# {describe_step(recipe)}")
    print(f"# {left} of {recipe.steps} steps remain." if args.resume else f"# {left} of them.")
    if args.run is not None and not args.resume:
        print(f"# The run would be kept in {args.run}, which is free.")


def _dry_run_stages(args: argparse.Namespace, pipeline: "Pipeline") -> None:
    from groupthink.pipeline import describe_stage, dump_said, pipeline_table
    from groupthink.pipeline.references import references
    from groupthink.recipe import BY_SAMPLES, describe_step
    from groupthink.stage.prompt import a_prompt

    if args.json:
        place = {} if args.run is None else {"run": str(args.run)}
        steps = [describe_step(stage.recipe) for stage in pipeline.stages]
        return _print_json({**place, "recipe": pipeline_table(pipeline), "steps": steps})
    print("# What is not said here stands at its default; --json has all of it.\n")
    print(dump_said(pipeline))
    for stage in pipeline.stages:
        if stage.kind in BY_SAMPLES and not references(stage.recipe):  # its model and its problems are there already
            _quieten()
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


def _load(recipe_path: str | None, overrides: Sequence[str]) -> "Recipe":
    from groupthink.recipe import load_recipe

    return load_recipe(recipe_path, overrides)


def _quieten() -> None:
    """No bars and no warnings of the libraries that load models: what goes wrong is said once, by an error."""
    from huggingface_hub.utils import logging as hub_logging

    from groupthink.model.loading import hide_progress_bars

    hide_progress_bars()
    hub_logging.set_verbosity_error()


def _tell(text: str) -> None:
    """What is being done, for whoever waits. Standard output is for what comes of it."""
    print(text, file=sys.stderr, flush=True)


def _recipe_and_settings(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """A word with `=` is a setting, the one without is the recipe."""
    settings = [word for word in words if "=" in word]
    recipes = [word for word in words if "=" not in word]
    if len(recipes) > 1:
        raise ValueError(f"one recipe at a time, not {' and '.join(recipes)} (a setting is written key=value)")
    return (recipes[0] if recipes else None), settings


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    args, more = _parser().parse_known_args(argv)
    # argparse leaves over the words that follow an option.
    if args.verb in (train, check) and not any(word.startswith("-") for word in more):
        args.words += more
    elif more:
        args.parser.error(f"unrecognized arguments: {' '.join(more)}")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groupthink", description="Makes reasoning models, with GRPO.")
    verbs = parser.add_subparsers(required=True, metavar="{train,eval,check,doctor,report,view,explain,serve,chat}")
    _add_train(verbs)
    _add_eval(verbs)

    verb = verbs.add_parser(
        "check",
        help="what a recipe would take of this machine, and whether its rewards can be earned wrongly",
        description="Try a recipe before it is trained by: what it takes of this machine, and its rewards on trial.",
    )
    verb.set_defaults(verb=check, parser=verb)
    _add_recipe(verb)
    _add_json(verb)

    verb = verbs.add_parser("explain", help="the five steps on one problem, worked through")
    verb.set_defaults(verb=explain, parser=verb)
    _add_json(verb)

    verb = verbs.add_parser("doctor", help="what is wrong with a run, and which setting to change")
    verb.set_defaults(verb=doctor, parser=verb)
    verb.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, at work or finished")
    verb.add_argument(
        "--bundle",
        metavar="FILE",
        nargs="?",
        type=Path,
        const=BY_NAME,
        help="collect what others need to help, without data and secrets, in a zip file (default: NAME.groupthink.zip)",
    )
    _add_json(verb)

    verb = verbs.add_parser("report", help="what came of a run and of each of its stages, with intervals")
    verb.set_defaults(verb=report, parser=verb)
    verb.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, at work or finished")
    verb.add_argument("--markdown", metavar="DIR", type=Path, help="write it there, too, as report.md with plots")
    verb.add_argument("--html", metavar="FILE", type=Path, help="write the run's pages there, too, as one file")
    _add_json(verb)

    web.add_view(verbs)
    _add_serve(verbs)
    _add_chat(verbs)
    return parser


def _add_train(verbs: Any) -> None:
    verb = verbs.add_parser("train", help="train a model by a recipe", description="Train a model by a recipe.")
    verb.set_defaults(verb=train, parser=verb)
    _add_recipe(verb)
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
    _add_json(verb)


def _add_eval(verbs: Any) -> None:
    given = EvaluateSettings()
    verb = verbs.add_parser("eval", help="measure a model", description="Measure a model on held-out problems.")
    verb.set_defaults(verb=evaluate, parser=verb)
    _add_model(verb)
    verb.add_argument("--task", metavar="T", help="the problems' task (default: the run's, or else quadratics)")
    verb.add_argument(
        "--problems", metavar="N", type=_count, default=given.problems, help=f"how many problems ({given.problems})"
    )
    verb.add_argument(
        "--samples", metavar="K", type=_count, default=given.samples, help=f"responses to each ({given.samples})"
    )
    verb.add_argument("--temperature", metavar="T", type=float, default=1.0, help="of the samples (1.0)")
    verb.add_argument(
        "--max-tokens", metavar="N", type=_count, help="where a response is cut (default: the run's, or else 200)"
    )
    verb.add_argument("--split", metavar="S", help="which problems (default: the run's, or else held_out)")
    verb.add_argument(
        "--template",
        metavar="T",
        help="in which words it is asked: model (its chat template), plain or auto (default: the run's, or else auto)",
    )
    _add_json(verb)


def _add_serve(verbs: Any) -> None:
    verb = verbs.add_parser("serve", help="a model behind OpenAI's API", description="A model behind OpenAI's API.")
    verb.set_defaults(verb=serve, parser=verb)
    _add_model(verb)
    web.add_listening(verb, port=8000)


def _add_chat(verbs: Any) -> None:
    verb = verbs.add_parser("chat", help="talk with a model in the terminal", description="Talk with a model.")
    verb.set_defaults(verb=chat, parser=verb)
    _add_model(verb)
    verb.add_argument("--temperature", metavar="T", type=float, default=1.0, help="0: always the likeliest token (1.0)")
    verb.add_argument("--max-tokens", metavar="N", type=_count, help="where a response is cut")
    verb.add_argument("--system", metavar="S", default="", help="what the model is told before the first message")
    verb.add_argument("--seed", metavar="N", type=int, help="draw the same each time (default: another each time)")


def _add_model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="MODEL", help="nano, a run, a checkpoint, a local folder or a hub id")
    verb.add_argument(
        "--trust-remote-code", action="store_true", help="run the code that comes with the model, where it needs some"
    )


def _add_recipe(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "words",
        nargs="*",
        metavar="RECIPE | key=value",
        help="a TOML file or the name of a bundled recipe (default: nano), and settings that go before it, such as "
        "steps=400",
    )


def _add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print one JSON object on standard output, and nothing else")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 upwards")
    return int(text)


def _print_json(figures: Mapping[str, Any]) -> None:
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    sys.exit(main())
