"""glibc's allocator, set to keep its memory.

By default glibc maps every large buffer afresh and gives it back when freed, so each step of a
training waits for zeroed pages again. Kept memory makes training on a CPU 1.1 to 1.8 times as
fast; the price is that a process holds its largest footprint until it ends. It changes no number.

The command does this for itself at the start of the verbs that compute, and says so in run.json.
GENARIUM_ALLOCATOR=system leaves the allocator alone. The library never touches it by itself.
"""

from __future__ import annotations

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
MADV_HUGEPAGE = 14  # sys/mman.h
PAGE = 2 * 2**20
KEPT = "glibc, memory kept"
SYSTEM = "system"

_state = SYSTEM


def keep_memory() -> str:
    """Make glibc keep freed memory; gives what `state` gives. Elsewhere it does nothing."""
    global _state
    if os.environ.get("GENARIUM_ALLOCATOR", "") == SYSTEM or platform.libc_ver()[0] != "glibc":
        return _state
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, 64 * 2**20))
    if all(mallopt(name, value) == 1 for name, value in settings):
        _state = KEPT
        _ask_for_huge_pages()
    return _state


def _ask_for_huge_pages() -> None:
    """Say of the heap's next quarter of the memory that it may lie in pages of 2 MiB.

    It is asked for and freed again untouched, which costs address space alone: since freed memory
    is kept, what is allocated later comes from there.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    libc.free.argtypes = (ctypes.c_void_p,)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    start = libc.malloc(size)
    if start:
        first = -(-start // PAGE) * PAGE
        libc.madvise(first, (start + size - first) // PAGE * PAGE, MADV_HUGEPAGE)
        libc.free(start)


def state() -> str:
    """How this process allocates: "system", or "glibc, memory kept"."""
    return _state
