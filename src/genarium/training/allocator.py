"""glibc's allocator, told to keep its memory.

By default glibc maps every large buffer afresh and gives it back when freed, so each step of a
training pays for zeroed pages again. Kept memory makes training on a CPU 1.1 to 1.8 times as
fast; the price is that a process holds its largest footprint until it ends. It changes no number.

The command does this for itself at the start of the verbs that compute, and says so in run.json.
GENARIUM_ALLOCATOR=system leaves the allocator alone. The library never touches it by itself.
"""

from __future__ import annotations

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
KEPT = "glibc, memory kept"
SYSTEM = "system"

_state = SYSTEM


def keep_memory() -> str:
    """Tell glibc to keep freed memory; gives what `state` gives. Elsewhere it does nothing."""
    global _state
    if os.environ.get("GENARIUM_ALLOCATOR", "") == SYSTEM or platform.libc_ver()[0] != "glibc":
        return _state
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 64 * 2**20))
    if all(mallopt(name, value) == 1 for name, value in settings):
        _state = KEPT
    return _state


def state() -> str:
    """How this process allocates: "system", or "glibc, memory kept"."""
    return _state
