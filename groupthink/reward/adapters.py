"""Rewards as other libraries call them: recognised by the names of their parameters, and called unchanged.

    TRL             f(completions, **columns) -> list       also prompts, completion_ids, trainer_state
    verl            compute_score(data_source, solution_str, ground_truth, extra_info) -> number or dict
    reasoning-gym   score_answer(answer, entry) -> number

What stands in a column of a data set is read from `Problem.columns`, and the reference answer from `Problem.answer`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from groupthink.nearest import nearest
from groupthink.records import Group, Problem, Prompt, Response

ANSWER_COLUMNS = ("answer", "solution", "ground_truth")
"""Names under which `Problem.answer` is to be had where the data has no column of that name."""

GROUP, RESPONSE = "group", "response"  # what a function is called for

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A way of calling a reward, which the parameters of a function show."""

    library: str
    shows: Callable[[frozenset[str]], bool]  # the names of a function's parameters -> whether this is its form
    called_for: str  # GROUP or RESPONSE
    arguments: Callable[[Group, int], Arguments]  # a group and a place in it -> all that may be asked for
    value: Callable[[Any], Any] = lambda given: given  # what the function gave -> a number, or None


def form_of(parameters: frozenset[str]) -> Form | None:
    """The form of another library that the names of a function's parameters show, or None: then it is our own."""
    return next((form for form in FORMS if form.shows(parameters)), None)


def asked_for(function: Callable[..., Any], offered: Arguments, name: str, problem: Problem) -> dict[str, Any]:
    """What of `offered` the function takes by name; all of it where it has `**columns`.

    Raises ValueError where it needs what there is not, with the columns that there are.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        taken = dict(offered)
    else:
        taken = {parameter.name: offered[parameter.name] for parameter in parameters if parameter.name in offered}
    for parameter in parameters:
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if by_name and parameter.default is parameter.empty and parameter.name not in offered:
            raise ValueError(
                f"reward {name} asks for {parameter.name!r}, which problem {problem.id} has not: did you mean "
                f"{nearest(parameter.name, offered)}? (there are: {', '.join(offered)})"
            )
    return taken


@dataclass(frozen=True, slots=True)
class TrainerState:
    """What a reward can know of the training that it is part of; TRL's has more."""

    global_step: int  # updates that the weights had seen which wrote the response


def trl_arguments(group: Group, place: int) -> dict[str, Any]:
    """What TRL gives to a reward, for the responses of one group: a list with an entry for each, by name.

    Completions are text where the prompt is text, and a list of one message where it is messages.
    """
    problem, responses = group.problem, group.responses
    prompt, chat = problem.prompt, not isinstance(problem.prompt, str)
    columns = {name: [value] * len(responses) for name, value in _columns(problem).items()}
    return columns | {
        "prompts": [prompt if isinstance(prompt, str) else [*map(dict, prompt)] for _ in responses],
        "completions": [
            [{"role": "assistant", "content": response.text}] if chat else response.text for response in responses
        ],
        "completion_ids": [response.token_ids_T.tolist() for response in responses],
        "trainer_state": TrainerState(max((_step(response) for response in responses), default=0)),
        "log_extra": _log_nothing,
        "log_metric": _log_nothing,
    }


def verl_arguments(group: Group, place: int) -> dict[str, Any]:
    """What verl gives to `compute_score`, from a row of its kind of data or of any other."""
    problem = group.problem
    extra = problem.info.get("extra_info")
    return {
        "data_source": problem.info.get("data_source", problem.task),
        "solution_str": group.responses[place].text,
        "ground_truth": _ground_truth(problem),
        "extra_info": dict(extra) if isinstance(extra, Mapping) else problem.columns,
    }


def verl_value(given: Any) -> Any:
    """The score of what `compute_score` gave; the other entries of a dict are figures for a log, and dropped."""
    if not isinstance(given, Mapping):
        return given
    if "score" not in given:
        raise ValueError(f"a dict without 'score' (it has: {', '.join(map(str, given)) or 'nothing'})")
    return given["score"]


def reasoning_gym_arguments(group: Group, place: int) -> dict[str, Any]:
    """What reasoning-gym gives to `score_answer`: the answer after the chain of thought, and the problem's entry."""
    problem = group.problem
    entry = {"question": _as_text(problem.prompt), "answer": problem.answer, "metadata": problem.columns}
    return {"answer": group.responses[place].answer, "entry": entry | problem.columns}


FORMS = (
    Form("TRL", lambda names: bool(names & {"completions", "completion_ids", "prompts"}), GROUP, trl_arguments),
    Form("verl", lambda names: "solution_str" in names, RESPONSE, verl_arguments, verl_value),
    Form("reasoning-gym", lambda names: {"answer", "entry"} <= names, RESPONSE, reasoning_gym_arguments),
)


def _columns(problem: Problem) -> dict[str, Any]:
    own = ("prompt", "completion", "completion_ids")
    kept = {name: value for name, value in problem.columns.items() if name not in own}
    return dict.fromkeys(ANSWER_COLUMNS, problem.answer) | kept


def _ground_truth(problem: Problem) -> Any:
    rule = problem.info.get("reward_model")
    if isinstance(rule, Mapping) and "ground_truth" in rule:
        return rule["ground_truth"]
    return problem.info.get("ground_truth", problem.answer)


def _as_text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def _step(response: Response) -> int:
    return int(response.versions_T.max(initial=0))


def _log_nothing(name: str, value: object) -> None:
    """TRL lets a reward log figures of its own; what counts here is its value alone."""
