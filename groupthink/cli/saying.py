"""What a verb says, and where: what comes of it on standard output, what it does meanwhile on the other."""

import json
import sys
from collections.abc import Mapping
from typing import Any


def tell(text: str) -> None:
    """What is being done, for whoever waits. Standard output is for what comes of it."""
    print(text, file=sys.stderr, flush=True)


def print_json(figures: Mapping[str, Any]) -> None:
    """What came of it, as one object."""
    print(json.dumps(figures, indent=2))


def quieten() -> None:
    """No bars and no warnings of the libraries that load models: what goes wrong is said once, by an error."""
    from huggingface_hub.utils import logging as hub_logging

    from groupthink.model.loading import hide_progress_bars

    hide_progress_bars()
    hub_logging.set_verbosity_error()
