"""The trained model as others expect it: a Hugging Face folder with a card that carries the figures."""

from typing import Any

from groupthink.policy.learner import Learner
from groupthink.run.card import write_card
from groupthink.run.directory import Run


def publish(run: Run, learner: Learner, tokenizer: Any, figures: dict[str, Any]) -> None:
    """Write `model/` and the run's closing event."""
    folder = run.path / "model"
    learner.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_card(folder, run.recipe, figures)
    run.finish(figures)
