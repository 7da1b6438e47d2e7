"""The trained model as others expect it: a Hugging Face folder with a card that carries the figures."""

from pathlib import Path
from typing import Any

from groupthink.model.chat import Chat, stop_ids
from groupthink.model.saving import save_generation
from groupthink.policy.learning import Learning
from groupthink.run.card import PROBLEM, write_card
from groupthink.run.directory import Run
from groupthink.run.stages import run_name


def publish(run: Run, learner: Learning, chat: Chat, figures: dict[str, Any]) -> None:
    """Write `model/`, whole or not at all, and the run's closing event."""
    rollout = run.recipe.rollout

    def write(folder: Path) -> None:
        learner.write_model(folder)
        save_generation(
            folder,
            stops=stop_ids(chat.tokenizer, learner.model),
            max_tokens=rollout.max_tokens,
            temperature=rollout.temperature,
            top_p=rollout.top_p,
            top_k=rollout.top_k,
        )
        chat.save(folder)
        write_card(folder, run_name(run.path), run.recipe, figures, chat.render(PROBLEM), chat.is_plain)

    run.publish(write)
    run.finish(figures)
