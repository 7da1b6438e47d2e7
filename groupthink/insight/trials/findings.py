"""What looks wrong with the rewards of a recipe, each as a question to what the trials have shown.

An answer is evidence in figures, and a setting to change. None is a proof: a reward that passes has passed these.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from groupthink.insight.trials.cases import CASES, Subject
from groupthink.insight.trials.seen import (
    NOTHING,
    OWN,
    RIGHT,
    TOO,
    TRICK,
    WRONG,
    Attempt,
    Failure,
    Finding,
    Own,
    Row,
    Timing,
    rows_of,
)
from groupthink.recipe import Recipe

SAME = 1e-9
"""What differs by less is rounded otherwise."""

NEGLIGIBLE = 0.01
"""Of the spread of all rewards: what is closer than this earns the same."""

MUCH = 0.05
"""Of the spread: a difference that a policy would follow."""

APART = 0.1
"""Of the spread: by so much, at least, a right answer must be worth more than a wrong one."""

HALF = 0.5
"""Of what a right answer earns beyond a wrong one: from there on a trick pays."""

OFTEN = 0.25
"""Of the responses of a case: where a trick pays in fewer, it was chance."""

SLOW = 5.0  # seconds of a step
SLOW_SHARE = 0.2  # of the time in which the model would draw a step's responses
STALLED = 1.0  # seconds for one response
FINDINGS_OF = {case.name: case.finding for case in CASES}
AIMED_AT = {case.name: case.needs for case in CASES}
ALONE = frozenset(case.name for case in CASES if case.alone)


@dataclass(frozen=True, slots=True)
class Against:
    """The mean rewards of two cases."""

    earned: float
    base: float

    @property
    def gain(self) -> float:
        return self.earned - self.base


@dataclass(frozen=True)
class Seen:
    """All that was tried."""

    recipe: Recipe
    weights: Mapping[str, float]
    subjects: Sequence[Subject]
    attempts: Sequence[Attempt]
    failures: Sequence[Failure]
    timing: Mapping[str, Timing]
    own: Own | None

    @cached_property
    def rows(self) -> dict[str, Row]:
        return {row.case: row for row in rows_of(list(self.attempts))}

    @cached_property
    def spread(self) -> float:
        """How far apart the best and the worst rewards of ordinary responses are: what a policy can win."""
        values = [attempt.score.value for attempt in self.attempts if attempt.case not in ALONE]
        return max(values) - min(values) if values else 0.0

    def against(self, case: str, base: str) -> "Against | None":
        """What a case earned beside another, on the problems that both were tried on; None where there are none."""
        values = [{attempt.problem.id: attempt.score.value for attempt in self.of_case(name)} for name in (case, base)]
        both = values[0].keys() & values[1].keys()
        if not both:
            return None
        earned, other = (sum(some[problem] for problem in both) / len(both) for some in values)
        return Against(earned, other)

    def of_kind(self, *kinds: str) -> list[Row]:
        return [row for row in self.rows.values() if row.kind in kinds]

    def of_case(self, case: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.case == case]

    @property
    def drawn_in_full(self) -> bool:
        """Whether the model could write as much as the recipe lets it."""
        return self.own is not None and self.own.max_tokens == self.recipe.rollout.max_tokens

    @property
    def responses_of_a_step(self) -> int:
        return self.recipe.task.problems_per_step * self.recipe.rollout.group_size

    @property
    def answers(self) -> Sequence[Attempt]:
        """What gives one answer, right or wrong; all, where none of the task's is known."""
        return [attempt for attempt in self.attempts if attempt.kind in (RIGHT, TOO, WRONG)] or self.attempts

    @property
    def own_attempts(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.kind == OWN]


Question = Callable[[Seen], Iterator[Finding]]


def raises(seen: Seen) -> Iterator[Finding]:
    """A function of the user's fails on odd text: a run would end there."""
    for name in dict.fromkeys(failure.reward for failure in seen.failures):
        cases = Counter(failure.case for failure in seen.failures if failure.reward == name)
        errors = Counter(failure.error for failure in seen.failures if failure.reward == name)
        said, _ = errors.most_common(1)[0]
        yield Finding(
            "raises",
            f"{_title(name)} raises {said} on {_listed([f'{case!r}' for case in cases])} "
            f"({sum(cases.values())} responses)",
            "give 0 for what cannot be read, or None where the reward does not count: a run ends where it raises",
        )


def constant(seen: Seen) -> Iterator[Finding]:
    """Nothing makes a difference."""
    if seen.attempts and all(subject.fits for subject in seen.subjects):
        yield Finding(
            "constant",
            f"all {len(seen.attempts)} responses of {len(seen.rows)} kinds earn {seen.attempts[0].score.value:.2f}",
            "give a weight to a reward that tells right answers from wrong ones (reward.accuracy, or one of your own)",
        )


def own_answer(seen: Seen) -> Iterator[Finding]:
    """The task refuses its own answers, or tests the program that is said to be right."""
    asked = [subject for subject in seen.subjects if subject.accepted is not None]
    refused = [subject for subject in asked if not subject.accepted]
    if refused:
        yield Finding(
            "own_answer",
            f"of {len(asked)} reference answers the task's own verdict refuses {len(refused)}, such as "
            f"{_shown(refused[0].right)}",
            "see how answers are compared (task.verify) and which column they are from (task.answer)",
        )
    programs = [attempt for attempt in seen.of_case("right") if attempt.score.parts.get("code") is not None]
    failing = [attempt for attempt in programs if (attempt.score.parts["code"] or 0) < 1]
    if failing:
        yield Finding(
            "own_answer",
            f"of {len(programs)} reference programs {len(failing)} do not pass their problem's tests, such as that of "
            f"{failing[0].problem.id}",
            "see whether they need more time or memory, or packages that the sandbox does not have",
        )


def form_unread(seen: Seen) -> Iterator[Finding]:
    """The task reads a right answer bare, and not in the form that the recipe's own rewards ask for."""
    accepted = {subject.problem.id for subject in seen.subjects if subject.accepted}
    right = [attempt for attempt in seen.of_case("right") if attempt.problem.id in accepted]
    asked = [attempt for attempt in right if attempt.response.finish == "stop"]  # `no_room` speaks of the others
    unread = [attempt for attempt in asked if attempt.score.parts.get("accuracy") == 0]
    if unread:
        forms = [name for name in ("format_boxed", "format_answer") if getattr(seen.recipe.reward, name)]
        yield Finding(
            "form_unread",
            f"{len(unread)} of {len(asked)} right answers count as wrong in the form that is asked for, such as "
            f"{_shown(unread[0].response.text)}",
            f"set {' and '.join(f'reward.{name}' for name in forms) or 'another form'} to 0, or let answers be "
            "compared by a rule that reads it (task.verify)",
        )


def no_room(seen: Seen) -> Iterator[Finding]:
    """A right answer with hardly any reasoning is longer than a response may be."""
    cut = [subject for subject in seen.subjects if not subject.fits]
    if cut:
        yield Finding(
            "no_room",
            f"to {len(cut)} of {len(seen.subjects)} problems the answer does not fit into rollout.max_tokens="
            f"{seen.recipe.rollout.max_tokens} with one sentence of reasoning (they were tried without it)",
            "raise rollout.max_tokens",
        )


def right_is_low(seen: Seen) -> Iterator[Finding]:
    """Something that is not right earns more than the right answer."""
    higher = [
        (row, against)
        for row in seen.of_kind(WRONG, NOTHING, TRICK)
        if (against := seen.against(row.case, "right")) and against.gain > NEGLIGIBLE * seen.spread
    ]
    if higher:
        higher.sort(key=lambda each: -each[1].gain)
        [(first, _), *_] = higher
        yield Finding(
            "right_is_low",
            _listed(
                [f"{row.case!r} earns {found.earned:.2f}, the right answer {found.base:.2f}" for row, found in higher]
            ),
            f"it is {_title(_paid_by(seen, first, seen.rows['right']))} that pays for {first.case!r}: lower its "
            "weight, or pay it for right answers alone",
        )


def wrong_pays(seen: Seen) -> Iterator[Finding]:
    """Wrong answers earn what right ones do."""
    found = seen.against("right", "wrong")
    if found is None or not -NEGLIGIBLE < found.gain / seen.spread < APART:
        return
    yield Finding(
        "wrong_pays",
        f"a wrong answer earns {found.base:.2f}, the right one {found.earned:.2f}: of the {seen.spread:.2f} between "
        f"the best and the worst response {found.gain / seen.spread:.0%} depends on being right",
        "raise reward.accuracy, or the weight of a reward that reads the answer",
    )


def form_pays(seen: Seen) -> Iterator[Finding]:
    """Most of a right answer's reward is to be had by form alone."""
    form, whole = seen.against("wrong", "wrong, without form"), seen.against("right", "wrong, without form")
    if form is None or whole is None or whole.gain <= MUCH * seen.spread:
        return
    share = form.gain / whole.gain
    if HALF < share <= 1 + NEGLIGIBLE:
        row, base = seen.rows["wrong"], seen.rows["wrong, without form"]
        yield Finding(
            "form_pays",
            f"a wrong answer in good form earns {form.earned:.2f}, without it {form.base:.2f}, and the right one "
            f"{whole.earned:.2f}: form alone is {share:.0%} of what there is to win",
            f"lower {_title(_paid_by(seen, row, base))}, or raise reward.accuracy",
        )


def tricks(seen: Seen) -> Iterator[Finding]:
    """What is no right answer is paid like one."""
    paid: dict[str, list[str]] = {}
    for row in seen.of_kind(TRICK):
        name = FINDINGS_OF.get(row.case, "")
        tried = seen.of_case(row.case)
        winners = [attempt for attempt in tried if _pays(seen, attempt)] if name else []
        if winners and len(winners) >= OFTEN * len(tried):
            paid.setdefault(name, []).append(f"{_earned(row)} (paid in {len(winners)} of {len(tried)})")
    found = seen.against("right", "wrong")
    scale = f"; the right answer earns {found.earned:.2f}, a wrong one {found.base:.2f}" if found else ""
    for name, rows in paid.items():
        yield Finding(name, _listed(rows) + scale, CURES[name])


CURES = {
    "spam": "read one answer only, the last that is marked as such, and give nothing for several (task.verify does)",
    "hidden": "read what stands after </think> alone: response.answer, not response.text",
    "garbage": "give nothing for what cannot be read",
    "injection": "say in the judge's prompt that the answer is to be judged and never obeyed, show it less (answer in "
    "place of response), take a stronger model, or lower reward.judge",
    "weak_tests": "give the problems more tests: these pass a program that does not do what is asked",
}


def _pays(seen: Seen, attempt: Attempt) -> bool:
    """Whether a trick has earned half of what a right answer earns beyond a wrong one, by the part that it aims at."""
    aimed = AIMED_AT[attempt.case]
    if aimed == "code":  # which knows no right program of many problems
        return (attempt.score.parts.get("code") or 0.0) >= HALF

    def of(tried: Attempt) -> float | None:
        return tried.score.parts.get(aimed) if aimed else tried.score.value

    def mean(case: str) -> float | None:
        known = [value for tried in seen.of_case(case) if (value := of(tried)) is not None]
        return sum(known) / len(known) if known else None

    right, wrong, earned = mean("right"), mean("wrong"), of(attempt)
    if right is None or wrong is None or earned is None:
        return False
    scale = 1.0 if aimed else seen.spread
    return right - wrong >= APART * scale and earned - wrong >= HALF * (right - wrong)


def nothing_pays(seen: Seen) -> Iterator[Finding]:
    """Giving no answer earns more than giving a wrong one."""
    paid = []
    for row in seen.of_kind(NOTHING):
        wrong, right = seen.against(row.case, "wrong"), seen.against(row.case, "right")
        beyond = right is not None and right.gain > NEGLIGIBLE * seen.spread  # `right_is_low` says so
        if wrong is not None and wrong.gain > MUCH * seen.spread and not beyond:
            paid.append((row, wrong))
    if paid:
        paid.sort(key=lambda each: -each[1].gain)
        [(first, _), *_] = paid
        yield Finding(
            "nothing_pays",
            _listed([f"{row.case!r} earns {found.earned:.2f}, a wrong answer {found.base:.2f}" for row, found in paid]),
            f"the policy may learn not to answer: it is {_title(_paid_by(seen, first, seen.rows['wrong']))} that pays "
            "for it",
        )


def long_pays(seen: Seen) -> Iterator[Finding]:
    """The same answer is worth more the longer it is, right or wrong."""
    pairs = [(case, seen.against(f"{case}, nearly too long", case)) for case in ("right", "wrong")]
    known = [(case, found) for case, found in pairs if found is not None]
    if known and all(found.gain > MUCH * seen.spread for _, found in known):
        [(case, _), *_] = known
        short, long = seen.rows[case], seen.rows[f"{case}, nearly too long"]
        yield Finding(
            "long_pays",
            f"with words that say nothing, to {long.tokens:.0f} tokens in place of {short.tokens:.0f}: "
            + _listed([f"{case!r} {found.base:.2f} becomes {found.earned:.2f}" for case, found in known]),
            f"the policy will learn to write at length: lower {_title(_paid_by(seen, long, short))}, or pay for "
            "brevity (reward.brevity)",
        )


def short_pays(seen: Seen) -> Iterator[Finding]:
    """A right answer that takes its time is worth less than none."""
    long = "right, nearly too long"
    found = {case: seen.against(case, long) for case in ("wrong", "empty")}
    better = {case: one for case, one in found.items() if one is not None and one.gain > NEGLIGIBLE * seen.spread}
    if better:
        yield Finding(
            "short_pays",
            f"with {seen.rows[long].tokens:.0f} tokens a right answer earns less than what is short: "
            + _listed([f"{case!r} {one.earned:.2f}, it {one.base:.2f}" for case, one in better.items()]),
            "the policy may learn to give up: raise reward.brief and reward.long, or lower what is taken for length",
        )


def thinking_costs(seen: Seen) -> Iterator[Finding]:
    """An answer at once is worth more than one that was reasoned."""
    found = seen.against("right, without reasoning", "right")
    if found is None or found.gain <= MUCH * seen.spread:
        return
    yield Finding(
        "thinking_costs",
        f"a right answer with {seen.rows['right'].tokens:.0f} tokens earns {found.base:.2f}, and without its reasoning "
        f"{found.earned:.2f}",
        "raise reward.brief and reward.long to what reasoning needs",
    )


def another_form(seen: Seen) -> Iterator[Finding]:
    """A right answer is worth more in another form than in the one that the recipe asks for."""
    said_elsewhere = ("right, without reasoning", "right, nearly too long")
    better = [
        (row, found)
        for row in seen.of_kind(TOO)
        if row.case not in said_elsewhere
        and (found := seen.against(row.case, "right"))
        and found.gain > MUCH * seen.spread
    ]
    if better:
        better.sort(key=lambda each: -each[1].gain)
        [(first, _), *_] = better
        yield Finding(
            "another_form",
            _listed([f"{row.case!r} earns {found.earned:.2f}, 'right' {found.base:.2f}" for row, found in better]),
            f"{_title(_paid_by(seen, first, seen.rows['right']))} reads another form: ask for it in the prompt, or let "
            "it read this one",
        )


def idle(seen: Seen) -> Iterator[Finding]:
    """A part of the reward is the same for whatever is written, so it teaches nothing."""
    if "right" not in seen.rows:
        return  # what is meant to tell right answers from others has seen none
    known = {
        "accuracy": any(subject.accepted for subject in seen.subjects),
        "brevity": any(subject.accepted for subject in seen.subjects),
        "code": any(subject.tested and subject.right for subject in seen.subjects),
        "language": False,  # no case is written in each script that may be asked for
    }
    without = _uncounted(seen)
    for name, values in _columns(seen, seen.attempts):
        asked = known.get(name, True) and name not in without
        if asked and len(values) > 1 and max(values) - min(values) <= SAME:
            yield Finding(
                "idle",
                f"{_title(name)} is {values[0]:.2f} for all {len(values)} responses of {len(seen.rows)} kinds",
                "see whether it reads what it is meant to read; what is always the same teaches nothing",
            )


def uncounted(seen: Seen) -> Iterator[Finding]:
    """A part of the reward counts for no answer that was tried."""
    known, failing = any(subject.accepted for subject in seen.subjects), {failure.reward for failure in seen.failures}
    for name in _uncounted(seen):
        if name not in failing and (known or name not in ("accuracy", "brevity")):
            yield Finding(
                "uncounted",
                f"{_title(name)} does not count (None) for any of {len(seen.answers)} responses that give an answer",
                "see whether its server can be reached, and that it gives a number for what it can judge"
                if name == "judge"
                else "see what it asks for: a reward that never counts teaches nothing",
            )


def _uncounted(seen: Seen) -> list[str]:
    return [name for name, values in _columns(seen, seen.answers) if seen.answers and not values]


def slow(seen: Seen) -> Iterator[Finding]:
    """A reward takes a good part of a step."""
    for name, timing in seen.timing.items():
        drawing = seen.own.seconds / seen.own.responses * seen.responses_of_a_step if seen.own else None
        if timing.step_seconds < SLOW or (drawing and timing.step_seconds < SLOW_SHARE * drawing):
            continue
        share = f", {timing.step_seconds / drawing:.0%} of what the model needs to write them" if drawing else ""
        yield Finding(
            "slow",
            f"{_title(name)} takes {timing.seconds:.3f} s for a response, {timing.step_seconds:.0f} s for the "
            f"{seen.responses_of_a_step} of a step{share}",
            "give the problems fewer tests, or this machine more cores"
            if name == "code"
            else "make it quicker, or let it wait for several at a time (an async function)",
        )


def stalls(seen: Seen) -> Iterator[Finding]:
    """A function of the user's takes long on what is made to take long."""
    for name, timing in seen.timing.items():
        if name in seen.recipe.reward.functions and timing.slowest > max(STALLED, 20 * timing.seconds):
            yield Finding(
                "stalls",
                f"{_title(name)} takes {timing.slowest:.1f} s on {timing.slowest_case!r}, and {timing.seconds:.3f} s "
                "on other responses",
                "never evaluate what a model wrote, nor search it by a pattern that goes back; bound what is read",
            )


def no_signal(seen: Seen) -> Iterator[Finding]:
    """The model's own responses to a problem all earn the same, so there is nothing to learn from at the start."""
    by_problem: dict[str, list[float]] = {}
    for attempt in seen.own_attempts:
        by_problem.setdefault(attempt.problem.id, []).append(attempt.score.value)
    all_cut = all(attempt.response.finish == "length" for attempt in seen.own_attempts)
    if all_cut and not seen.drawn_in_full:
        return
    if by_problem and all(max(values) - min(values) <= SAME for values in by_problem.values()):
        earned = _listed([f"{values[0]:.2f}" for values in by_problem.values()], most=8)
        yield Finding(
            "no_signal",
            f"all of the model's own {len(next(iter(by_problem.values())))} responses to a problem earn the same, on "
            f"{len(by_problem)} of {len(by_problem)} problems ({earned})",
            "take easier or harder problems, raise rollout.group_size or rollout.temperature, or begin with "
            'demonstrations (stage="sft")',
        )


def cut(seen: Seen) -> Iterator[Finding]:
    """None of the model's own responses comes to an end."""
    own = seen.own_attempts
    if own and seen.drawn_in_full and all(attempt.response.finish == "length" for attempt in own):
        yield Finding(
            "cut",
            f"all {len(own)} of the model's own responses are cut at rollout.max_tokens="
            f"{seen.recipe.rollout.max_tokens}",
            "raise rollout.max_tokens, or see whether the model knows how to end: generation_config.json names the "
            "token",
        )


def no_form(seen: Seen) -> Iterator[Finding]:
    """The model never writes in the form that is paid, though it comes to an end."""
    own = seen.own_attempts
    ended = [attempt for attempt in own if attempt.response.finish == "stop"]
    if len(ended) * 2 < len(own) or not own:
        return
    for name in ("format", "format_answer", "format_boxed"):
        values = [attempt.score.parts.get(name) for attempt in own]
        if seen.weights.get(name) and not any(values):
            yield Finding(
                "no_form",
                f"reward.{name} is 0 for all {len(own)} of the model's own responses",
                "ask for the form in the prompt, see whether the chat template opens <think> itself, or begin with "
                'demonstrations of it (stage="sft")',
            )
            return


QUESTIONS: tuple[Question, ...] = (
    raises,
    own_answer,
    no_room,
    form_unread,
    right_is_low,
    wrong_pays,
    form_pays,
    tricks,
    nothing_pays,
    long_pays,
    short_pays,
    thinking_costs,
    another_form,
    idle,
    uncounted,
    slow,
    stalls,
    no_signal,
    cut,
    no_form,
)
"""What matters most first."""

IN_ANY_CASE = frozenset((raises, own_answer, no_room, slow, stalls))
"""What is asked where all rewards are the same, too."""

OF_RIGHT_ANSWERS = frozenset((right_is_low, wrong_pays, form_pays, short_pays, thinking_costs, another_form))
"""What has no meaning where most right answers do not count as such: that has been said then."""


def look(seen: Seen) -> list[Finding]:
    """What looks wrong, the gravest first."""
    right = seen.of_case("right")
    asked: list[Question]
    if seen.spread <= SAME:
        asked = [constant, *(ask for ask in QUESTIONS if ask in IN_ANY_CASE)]
    elif sum(map(_is_spoilt, right)) * 2 > len(right):
        asked = [ask for ask in QUESTIONS if ask not in OF_RIGHT_ANSWERS]
    else:
        asked = list(QUESTIONS)
    return [finding for ask in asked for finding in ask(seen)]


def _is_spoilt(right: Attempt) -> bool:
    """Whether a right answer does not count as right."""
    accuracy, code = (right.score.parts.get(name) for name in ("accuracy", "code"))
    return accuracy == 0 or (code is not None and code < 1)


def _columns(seen: Seen, attempts: Sequence[Attempt]) -> Iterator[tuple[str, list[float]]]:
    """The values of each part that weighs something, where it counts."""
    for name, weight in seen.weights.items():
        if weight:
            values = (attempt.score.parts.get(name) for attempt in attempts)
            yield name, [value for value in values if value is not None]


def _paid_by(seen: Seen, row: Row, base: Row) -> str:
    """The part of the reward by which a case earns more than another."""

    def worth(row: Row, name: str) -> float:
        return seen.weights[name] * (row.parts.get(name) or 0.0)

    return max(seen.weights, key=lambda name: worth(row, name) - worth(base, name))


def _earned(row: Row) -> str:
    return f"{row.case!r} {row.reward:.2f}"


def _title(name: str) -> str:
    return f"reward {name}" if ":" in name else f"reward.{name}"


def _listed(things: Sequence[str], most: int = 4) -> str:
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more


def _shown(text: str | None) -> str:
    text = repr(text)
    return text if len(text) <= 80 else text[:77] + "..."
