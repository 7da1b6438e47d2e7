"""C that was compiled at installation, as ctypes has it."""

import ctypes
from importlib.util import find_spec


def compiled(module: str) -> ctypes.CDLL | None:
    """The library of an extension module, such as `groupthink.model._native`.

    None where it was not compiled, for want of a compiler, or for another Python.
    """
    found = find_spec(module)
    return None if found is None or found.origin is None else ctypes.CDLL(found.origin)
