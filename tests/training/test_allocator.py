"""The allocator is tuned on request only, and says so."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from genarium.training import allocator
assert allocator.state() == "system"
print(allocator.keep_memory())
assert allocator.state() == allocator.keep_memory()
"""


@pytest.mark.parametrize("wish", ["", "system"])
def test_state_is_what_was_done(wish: str) -> None:
    environment = {**os.environ, "GENARIUM_ALLOCATOR": wish}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    glibc = platform.libc_ver()[0] == "glibc"
    expected = "glibc, memory kept" if glibc and not wish else "system"
    assert process.stdout.strip() == expected


HUGE = """
import ctypes, pathlib
from genarium.training import allocator
allocator.keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
inside = libc.malloc(512 * 2**20) + 500 * 2**20  # beyond what a trim would leave
mine = False
for line in pathlib.Path("/proc/self/smaps").read_text().splitlines():
    head = line.split()[0]
    if "-" in head and not head.endswith(":"):
        first, last = (int(part, 16) for part in head.split("-"))
        mine = first <= inside < last
    elif mine and head == "VmFlags:":
        print("hg" in line.split())
"""


@pytest.mark.parametrize("wish", ["", "system"])
def test_what_is_allocated_next_may_lie_in_huge_pages(wish: str) -> None:
    known = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if platform.libc_ver()[0] != "glibc" or not known.exists():
        pytest.skip("no huge pages here")
    process = subprocess.run(
        [sys.executable, "-c", HUGE],
        env={**os.environ, "GENARIUM_ALLOCATOR": wish},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == str(not wish)
