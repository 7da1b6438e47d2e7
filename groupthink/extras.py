"""Packages that only some settings need, imported when one of them asks; each is an extra of the installation."""

from importlib import import_module
from types import ModuleType


def need(package: str, purpose: str, extra: str) -> ModuleType:
    """The module `package`, for `purpose`. Raises ValueError where it is missing, naming the extra that brings it."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # it is there, and misses something itself
        raise ValueError(
            f"{purpose} needs the package {package}, which is not installed: pip install 'groupthink[{extra}]'"
        ) from None
