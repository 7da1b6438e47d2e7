"""Where a model lies that was named. Known without torch, so that a wrong name is refused at once."""

from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

NANO = Path(__file__).parent.parent / "nano" / "model"
RUNS = Path("runs")
LIKELY = 3
"""Models that are named where another one was meant, at most."""


def resolve(name: str | Path) -> Path | str:
    """The folder that `name` stands for; a name that is no folder here is a hub id, returned as it is.

    `name`: "nano" (the bundled model), a run directory (its final model, or else its newest complete
    checkpoint), a checkpoint, or a folder in Hugging Face format. Raises ValueError for a folder
    that holds no model.
    """
    if name == "nano":
        return NANO
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if isinstance(name, Path) or folder.is_absolute() or str(name).startswith(("~", ".")):
            raise ValueError(
                f"there is no folder {str(name)!r}: give a run, a checkpoint, a model's folder or a hub id"
            )
        return str(name)
    if (found := _model_in(folder)) is None:
        raise ValueError(f"{str(name)!r} holds no model: neither config.json, model/, nor a complete checkpoint")
    return found


def _model_in(folder: Path) -> Path | None:
    # What a checkpoint must hold is written last, as its complete.json: without that it is damaged.
    checkpoints = [sealed.parent for sealed in sorted(folder.glob("checkpoints/step-*/complete.json"), reverse=True)]
    places = (folder, folder / "model", *checkpoints)
    return next((place for place in places if (place / "config.json").is_file()), None)


def require_there(name: str, tell: Callable[[str], None]) -> Path | str:
    """`resolve`, and of a hub id whether the hub has it. Raises ValueError where not; `tell` hears that it is asked."""
    place = resolve(name)
    if isinstance(place, str):
        from groupthink.model.hub import require_on_hub

        require_on_hub(place, tell)
    return place


def likely_models(name: str) -> list[str]:
    """The models in this folder and in runs/ that are called most like `name`, as `resolve` takes them."""
    folders = [folder for below in (RUNS, Path()) for folder in sorted(below.glob("*")) if folder.is_dir()]
    here = [folder for folder in folders if _model_in(folder)]
    wanted = Path(name).name
    likest = sorted(here, key=lambda folder: -SequenceMatcher(None, wanted, folder.name).ratio())
    return [folder.as_posix() for folder in likest[:LIKELY]]
