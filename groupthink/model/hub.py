"""Whether the Hugging Face hub has a model: asked before anything is begun, and not for long."""

import threading
from collections.abc import Callable
from functools import partial

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from groupthink.model.place import likely_models

CONFIG = "config.json"
PATIENCE = 10.0
"""Seconds within which the hub is to answer."""

DENIALS = (RepositoryNotFoundError, RevisionNotFoundError, RemoteEntryNotFoundError)
"""What the hub answers where it has no such model, or not for everybody."""


def require_on_hub(name: str, tell: Callable[[str], None]) -> None:
    """Raise ValueError where the hub does not give the model `name`, or gives no answer and nothing of it is kept here.

    `tell` hears that it is asked.
    """
    hub = constants.ENDPOINT
    try:
        validate_repo_id(name)
    except HFValidationError:
        raise ValueError(_no_model(name, f"{hub} can have none of that name")) from None
    tell(f"{name} is no folder here: asking {hub} for it, {PATIENCE:.0f} s at most; Ctrl-C ends it")
    failure = _failure(partial(get_hf_file_metadata, hf_hub_url(name, CONFIG), timeout=PATIENCE), PATIENCE)
    if failure is None:
        return
    why = (str(failure) or type(failure).__name__).strip().partition("\n")[0]
    if isinstance(failure, DENIALS) or not isinstance(try_to_load_from_cache(name, CONFIG), str):
        raise ValueError(_no_model(name, f"{hub} did not give it ({why})")) from failure
    tell(f"{hub} gave no answer ({why}): what is kept of {name} here is taken; HF_HUB_OFFLINE=1 keeps it from asking")


def _no_model(name: str, why: str) -> str:
    likely = likely_models(name)
    here = f" (here are {', '.join(likely)})" if likely else ""
    return (
        f"there is no model {name!r}: it is no folder here, and {why}; "
        f"take nano, a run, a checkpoint, a model's folder{here} or a hub id"
    )


def _failure(ask: Callable[[], object], seconds: float) -> Exception | None:
    """What `ask` fails with; a TimeoutError after so many seconds, for looking up a host may take any time."""
    failures: list[Exception] = []

    def work() -> None:
        try:
            ask()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return TimeoutError(f"nothing was heard in {seconds:.0f} s")
    return failures[0] if failures else None
