"""The allocator is tuned on request only, and says so."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

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
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    glibc = platform.libc_ver()[0] == "glibc"
    expected = "glibc, memory kept" if glibc and not wish else "system"
    assert found.stdout.strip() == expected
