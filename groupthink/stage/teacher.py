"""The teacher of a distillation: another model, which reads what the student writes, token by token."""

from collections.abc import Callable

import numpy as np
from transformers import PreTrainedTokenizerBase

from groupthink.model.chat import Chat
from groupthink.model.loading import (
    load_tokenizer,
    read_config,
    require_model,
    stored_dtype,
    weights_here,
)
from groupthink.model.origin import Origin
from groupthink.recipe import Recipe
from groupthink.run.directory import Run
from groupthink.run.versions import version_of

PROBES = (
    "Solve x^2-5x+6=0",
    "Ann's 3 boxes cost £12.50 each; how much is that?\n\n\tShow   your work.",
    "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)",
    "¿Cuántos? Où ça? 3² − 2 ≈ 7, 多少",
)
"""Prompts that student and teacher must read as the same tokens."""


def require_teacher(recipe: Recipe, tell: Callable[[str], None]) -> None:
    """Raise ValueError, before anything is begun, where the teacher of a distillation is not there or reads otherwise.

    `tell` hears that the hub is asked, which may take its time. Other stages have no teacher.
    """
    if recipe.stage == "distill":
        trusted = recipe.trust_remote_code
        require_model(recipe.distill.teacher, tell, trust_remote_code=trusted)
        student = Chat(load_tokenizer(recipe.model, trust_remote_code=trusted), recipe.chat)
        require_same_tokens(student, load_tokenizer(recipe.distill.teacher, trust_remote_code=trusted), recipe)


def teacher_of(run: Run, student: Chat) -> Origin:
    """The teacher, in the precision that it was saved in.

    What a resumed run is taught must be what it was taught before. Raises ValueError where the teacher has changed
    since the run began, reads other tokens than the student, or knows fewer.
    """
    recipe, name, trusted = run.recipe, run.recipe.distill.teacher, run.recipe.trust_remote_code
    require_same_tokens(student, load_tokenizer(name, trust_remote_code=trusted), recipe)
    config = read_config(name, trust_remote_code=trusted)
    if config.get_text_config().vocab_size < len(student.tokenizer):
        raise ValueError(
            f"the teacher {name} knows {config.get_text_config().vocab_size} tokens, and the student's "
            f"tokenizer has {len(student.tokenizer)}: take a teacher that was trained with that tokenizer"
        )
    _require_unchanged(run)
    return Origin(name, str(stored_dtype(config)).removeprefix("torch."), trusted)


def require_same_tokens(student: Chat, teachers: PreTrainedTokenizerBase, recipe: Recipe) -> None:
    """Raise ValueError unless each token of the student's is the teacher's, too, and prompts become the same tokens.

    The teacher is asked how likely it finds the student's own tokens after the student's own prompt: their ids must
    mean the same to both.
    """
    names = f"the student {recipe.model} and the teacher {recipe.distill.teacher}"
    own, its = student.tokenizer.get_vocab(), teachers.get_vocab()
    if own != its:
        token = min((token for token in {**own, **its} if own.get(token) != its.get(token)), key=lambda one: str(one))
        raise ValueError(
            f"{names} have different tokens ({token!r} is {_place(own.get(token))} to the one and "
            f"{_place(its.get(token))} to the other): a token's log-probability can be compared only where both have "
            "the same tokenizer; take a teacher of the student's family, or let it write a data set and learn from "
            'that by stage="sft"'
        )
    teacher = Chat(teachers, recipe.chat)
    for prompt in PROBES:
        if not np.array_equal(student.encode(prompt), teacher.encode(prompt)):
            raise ValueError(
                f"{names} read the prompt {prompt!r} as different tokens: {student.render(prompt)!r} and "
                f'{teacher.render(prompt)!r}. If their chat templates differ, set chat.template="plain"; else take a '
                "teacher with the student's tokenizer"
            )


def _place(token_id: int | None) -> str:
    return "unknown" if token_id is None else f"number {token_id}"


def _require_unchanged(run: Run) -> None:
    """Note at the first start which weights teach, and raise ValueError where a resume finds others."""
    version = version_of(weights_here(run.recipe.distill.teacher))
    before = run.events("teacher")
    if not before:
        run.event("teacher", name=run.recipe.distill.teacher, version=version)
    elif before[0]["version"] != version:
        raise ValueError(
            f"the teacher {run.recipe.distill.teacher} has other weights than when {run.path} was begun: bring those "
            "back, or begin another run"
        )
