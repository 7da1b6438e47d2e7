"""Keeps the C library from handing freed memory back to the system between the steps of a run.

A step frees what the next one asks for again. glibc returns large blocks at once, and every page of
the next allocation is then cleared anew by the system, which on a CPU costs a learner much of its time.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
THRESHOLDS = (2**31 - 1, 2**25)  # bytes; the second is the largest that glibc took up to 2.34


def keep_freed_memory() -> None:
    """Let freed memory stay with the process, where the C library is glibc; elsewhere do nothing."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        any(mallopt(M_MMAP_THRESHOLD, threshold) for threshold in THRESHOLDS)  # 0: refused
        mallopt(M_TRIM_THRESHOLD, THRESHOLDS[0])
