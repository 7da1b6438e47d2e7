"""Trials of a recipe's rewards: the judge that the run would have scores what the cases write, and the model's own.

The responses to one problem are one group, as in a step. What may take long is tried once, in a group of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from groupthink.insight.trials import own as models
from groupthink.insight.trials.cases import CASES, Case, Subject
from groupthink.insight.trials.findings import Seen, look
from groupthink.insight.trials.seen import OWN, Attempt, Own, Trials, rows_of
from groupthink.insight.trials.subjects import subjects_of
from groupthink.insight.trials.watch import Watch, WatchedTask, logged
from groupthink.insight.trials.writer import Writer, open_writer
from groupthink.recipe import BY_REWARDS, Recipe
from groupthink.records import Group
from groupthink.reward.judge import Judge
from groupthink.task import close_task, open_tasks

PROBLEMS = 8
ASKED_OF_A_JUDGE = 2
"""Problems where another model is asked: each question costs money or time."""

LONG = 0.5
"""Seconds for one response, from which on it is told."""

THE_MODELS = "the model's own"


@dataclass(frozen=True, eq=False, slots=True)
class Tried:
    """A group that is put before the judge."""

    cases: tuple[tuple[str, str], ...]  # of each response: the name of its case, and the kind
    group: Group


def try_rewards(
    recipe: Recipe,
    tell: Callable[[str], None],
    problems: int = PROBLEMS,
    model_responses: bool = True,
    fits: bool = True,
) -> Trials:
    """Try a recipe's rewards on responses to its first `problems` training problems. `tell` hears what is being done.

    `model_responses`: the model is asked for a few, too, where it lies on this machine and a run `fits` there. Raises
    ValueError for a task, a reward or a sandbox that is not there, and where every prompt is too long for the model.
    """
    if recipe.stage not in BY_REWARDS:
        note = f'stage="{recipe.stage}" learns from no reward: none was tried'
        return Trials(0, recipe.reward.weights, (), {}, (), None, (), (note,))
    task = open_tasks(recipe.task, recipe.seed)
    try:
        with logged() as said:
            trials = _tried(recipe, task, tell, problems, model_responses, fits)
        more = f" (and {len(said) - 1} messages more)" if said[1:] else ""
        return replace(trials, notes=(*trials.notes, *(text + more for text in said[:1])))
    finally:
        close_task(task)


def _tried(
    recipe: Recipe, task: Any, tell: Callable[[str], None], problems: int, model_responses: bool, fits: bool
) -> Trials:
    watch, writer = Watch(tell), open_writer(recipe, tell)
    too_long = writer.leave_out_long(task)
    watched = WatchedTask(task, watch)
    judge = _open_judge(recipe, watched, watch, opening=writer.opening)
    if recipe.reward.judge:
        problems = min(problems, ASKED_OF_A_JUDGE)
    subjects = subjects_of(recipe, task, watched, writer, problems)
    made = [_ordinary(subject, writer, recipe) for subject in subjects]
    alone = _alone(subjects, writer, recipe)
    names = [case for one in (*made, *alone) for case, _ in one.cases]
    tell(f"trying the rewards on {len(names)} responses of {len(set(names))} kinds, to {len(subjects)} problems")
    if recipe.reward.judge:
        more = models.most_responses(recipe) if model_responses else 0
        tell(_judge_note(recipe, len(names) + more))

    attempts = _scored(judge, watch, made)
    for one in alone:
        watch.by_itself(one.cases[0][0])
        attempts += _scored(judge, watch, [one])
    watch.by_itself(None)
    notes, own = _notes(recipe, subjects, made), None
    if too_long:
        notes.append(f"{len(too_long)} problems are too long for the model and were left out, such as {too_long[0]}")
    if model_responses:
        drawn, own, why = _own(recipe, task, writer, subjects, tell, fits)
        attempts += _scored(judge, watch, drawn)
        notes += why
    order = {case.name: place for place, case in enumerate(CASES)}
    attempts.sort(key=lambda attempt: order.get(attempt.case, len(order)))
    timing = watch.timing(recipe.task.problems_per_step * recipe.rollout.group_size)
    seen = Seen(recipe, judge.weights, subjects, attempts, watch.failures, timing, own)
    return Trials(
        problems=len(subjects),
        weights=judge.weights,
        rows=rows_of(attempts),
        timing=timing,
        failures=tuple(watch.failures),
        own=own,
        findings=tuple(look(seen)),
        notes=(*notes, *_long_notes(recipe, attempts, watch.alone)),
    )


def _ordinary(subject: Subject, writer: Writer, recipe: Recipe) -> Tried:
    """All cases of a problem but those that may take long."""
    texts = [(case, case.write(subject)) for case in CASES if not case.alone and _has_a_point(case, recipe)]
    return _tried_on(subject, [(case, text) for case, text in texts if text is not None], writer)


def _alone(subjects: Sequence[Subject], writer: Writer, recipe: Recipe) -> list[Tried]:
    """Each case that may take long, on the first problem that it can be written for."""
    found = []
    for case in CASES:
        if case.alone and _has_a_point(case, recipe):
            texts = ((subject, case.write(subject)) for subject in subjects)
            found += [_tried_on(subject, [(case, text)], writer) for subject, text in texts if text is not None][:1]
    return found


def _tried_on(subject: Subject, written: Sequence[tuple[Case, str]], writer: Writer) -> Tried:
    return Tried(
        tuple((case.name, case.kind) for case, _ in written),
        Group(
            subject.problem,
            writer.prompt_ids(subject.problem.prompt),
            tuple(writer.respond(text, case.finish, whole=case.whole) for case, text in written),
        ),
    )


def _scored(judge: Judge, watch: Watch, tried: Sequence[Tried]) -> list[Attempt]:
    """What the judge says of them."""
    groups = [one.group for one in tried]
    for one in tried:
        watch.cases |= {response: case for (case, _), response in zip(one.cases, one.group.responses, strict=True)}
    return [
        Attempt(case, kind, one.group.problem, response, score)
        for one, scores in zip(tried, judge.score(groups), strict=True)
        for (case, kind), response, score in zip(one.cases, one.group.responses, scores, strict=True)
    ]


def _has_a_point(case: Case, recipe: Recipe) -> bool:
    return not case.needs or bool(getattr(recipe.reward, case.needs))


def _own(
    recipe: Recipe,
    task: Any,
    writer: Writer,
    subjects: Sequence[Subject],
    tell: Callable[[str], None],
    fits: bool,
) -> tuple[list[Tried], Own | None, list[str]]:
    """What the model itself writes; where it writes nothing, why not."""
    found = models.drawn(recipe, task, writer.chat, [subject.problem for subject in subjects], tell, fits=fits)
    if isinstance(found, str):
        return [], None, [found]
    groups, own = found
    tried = [Tried(((THE_MODELS, OWN),) * len(group.responses), group) for group in groups]
    if own.max_tokens == recipe.rollout.max_tokens:
        return tried, own, []
    note = f"to save time the model's own responses were cut at {own.max_tokens} tokens"
    return tried, own, [f"{note}, and not at rollout.max_tokens={recipe.rollout.max_tokens}"]


def _notes(recipe: Recipe, subjects: Sequence[Subject], made: Sequence[Tried]) -> list[str]:
    """What was not tried and why, and how to read what was."""
    notes = []
    tested = [subject for subject in subjects if subject.tested]
    unknown = [subject for subject in subjects if subject.right is None and subject.fits]
    if without := sum(subject.tested.reference is None for subject in subjects if subject.tested):
        notes.append(f"{without} of {len(tested)} problems with tests bring no program that is right: none was tried")
    elif unknown:
        notes.append(
            f"of {len(unknown)} of {len(subjects)} problems nobody knows the answer: no right one was tried, and none "
            "that is wrong"
        )
    if any(subject.problem.answer is None and not subject.tested and subject.right for subject in subjects):
        notes.append(
            "nobody knows the answers: what is called right below is what most of the group say (reward.majority), "
            "whatever it is"
        )
    if recipe.reward.functions and made:
        most = max(len(one.cases) for one in made)
        notes.append(
            f"the cases of one problem were scored as one group of {most}: a reward that compares the responses of a "
            "group has compared these"
        )
    return notes


# What the trials need of the settings for code and for another model's opinion stands below, in one place.


def _open_judge(recipe: Recipe, watched: WatchedTask, watch: Watch, *, opening: str) -> Judge:
    """The judge of the recipe's run; but a server that does not answer is asked once, and ends nothing."""
    once = replace(recipe.judge, tries=1, failure="none")
    return Judge(recipe.reward, watched, opening=opening, code=recipe.code, judge=once, watch=watch.reward)


def _judge_note(recipe: Recipe, responses: int) -> str:
    return f"reward.judge: {recipe.judge.model} at {recipe.judge.url} is asked up to {responses} questions"


def _long_notes(recipe: Recipe, attempts: Sequence[Attempt], alone: Mapping[str, list[tuple[float, str]]]) -> list[str]:
    """What became of what was made to take long, where it did."""
    parts = {attempt.case: attempt.score.parts for attempt in attempts}
    notes = []
    for name, tried in alone.items():
        limit = f" (code.seconds={recipe.code.seconds})" if name == "code" else ""
        for seconds, case in tried:
            if seconds >= LONG:
                part = parts[case].get(name)
                worth = "did not count" if part is None else f"was worth {part:g}"
                notes.append(f"{case!r} took {name} {seconds:.1f} s, and {worth}{limit}")
    return notes
