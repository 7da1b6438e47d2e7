"""In which words a run will ask its model, found out before anything is begun."""

from groupthink.model.chat import Chat
from groupthink.model.loading import load_tokenizer
from groupthink.model.settings import ChatSettings
from groupthink.recipe import Recipe
from groupthink.task import close_task, open_tasks


def require_chat(recipe: Recipe) -> None:
    """Raise ValueError where [chat] asks for what the model's chat template does not have, such as a switch.

    A recipe that asks for nothing is not looked at: nothing can be wrong with it, and the tokenizer need not be read.
    """
    if recipe.chat != ChatSettings():
        Chat(load_tokenizer(recipe.model, trust_remote_code=recipe.trust_remote_code), recipe.chat)


def a_prompt(recipe: Recipe) -> str | None:
    """A training problem as its model is asked it; None where the model's tokenizer is not on this machine.

    The hub is not asked for it. Raises what `Chat` and `open_tasks` raise.
    """
    try:
        tokenizer = load_tokenizer(recipe.model, trust_remote_code=recipe.trust_remote_code, local=True)
    except OSError:
        return None
    chat = Chat(tokenizer, recipe.chat)
    task = open_tasks(recipe.task, recipe.seed)
    try:
        problem, *_ = task.sample(0, 1)
    finally:
        close_task(task)
    return chat.render(problem.prompt)
