"""Which weights, or which data: digits that tell them from others, and are the same wherever they are spoken of."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from groupthink.run.checkpoints import MANIFEST, sha256, step_of

DIGITS = 12
DATA = "train.parquet"


def version_of(files: Iterable[Path]) -> str | None:
    """The first digits of the sha256 of a model's weights, among `files`; None where there are none."""
    return _version([sha256(file) for file in sorted(files) if _holds_weights(file.name)])


def weights_version(run: Path, newest: bool = True) -> str | None:
    """The same of a run's newest checkpoint, as it was sealed, or of its first, which holds what the run began with.

    None where there is no such checkpoint, or no weights in it.
    """
    sealed = sorted((run / "checkpoints").glob(f"step-*/{MANIFEST}"))
    if not newest:
        sealed = [manifest for manifest in sealed if step_of(manifest.parent) == 0]
    if not sealed:
        return None
    files = json.loads(sealed[-1].read_text(encoding="utf-8"))["files"]
    return _version([file["sha256"] for name, file in sorted(files.items()) if _holds_weights(name)])


def data_version(folder: Path) -> str | None:
    """The first digits of the sha256 of a data set that a stage wrote into `folder`; None where there is none."""
    return _version([sha256(folder / DATA)]) if (folder / DATA).is_file() else None


def _holds_weights(name: str) -> bool:
    return re.fullmatch(r"model.*\.safetensors", name) is not None


def _version(digests: Sequence[str]) -> str | None:
    """Of several files: the digits of what tells them all."""
    if not digests:
        return None
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return whole[:DIGITS]
