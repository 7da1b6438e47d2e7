"""Problems whose prompts are too long for the model, left out before anything is drawn."""

from collections.abc import Callable, Sized

from groupthink.records import Problem, Prompt
from groupthink.task import Task
from groupthink.task.mixture import Mixture


def leave_out_long(task: Task, encode: Callable[[Prompt], Sized], context: int | None, max_tokens: int) -> list[str]:
    """Leave out of data sets, and of finite tasks of the user's, what leaves no room for `max_tokens` in a model's
    `context` (tokens; None: unbounded), and give the ids. `encode` gives the tokens of a prompt.

    Generators are told to make nothing as long; a task without an end passes over what is. Raises ValueError where
    nothing is left of a finite one.
    """
    if context is None:
        return []
    room, template = context - max_tokens, len(encode("?"))

    def fits(problem: Problem) -> bool:
        messages = [problem.prompt] if isinstance(problem.prompt, str) else [m["content"] for m in problem.prompt]
        # A token is at least a byte, so that short prompts, which most are, need not be encoded.
        if sum(len(text.encode()) + template for text in messages) <= room:
            return True
        return len(encode(problem.prompt)) <= room

    why = f"every prompt is longer than the {room} tokens that rollout.max_tokens={max_tokens} leaves of {context}"
    tasks = task.tasks.values() if isinstance(task, Mixture) else [task]
    for one in tasks:
        if callable(limit := getattr(one, "limit", None)):
            limit(room - template)
    return [name for one in tasks if callable(keep := getattr(one, "keep", None)) for name in keep(fits, why)]
