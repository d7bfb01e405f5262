"""Headless Chromium for the tests of pages; tests skip, with the reason, where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# the sandbox needs rights that containers seldom give; only pages of our own are opened
FLAGS = ("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")


def executable() -> str:
    """A Chromium of this machine, or the one that Playwright installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    result = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if result is None:
        with sync_api.sync_playwright() as playwright:
            own = playwright.chromium.executable_path
            result = own if Path(own).is_file() else None
    if result is None:
        pytest.skip(f"no Chromium on this machine: none of {', '.join(NAMES)}, nor $CHROMIUM")
    return result


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser; nothing but 127.0.0.1 can be reached from it."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        running = playwright.chromium.launch(
            executable_path=path, args=[*FLAGS, rules], chromium_sandbox=False
        )
        try:
            yield running
        finally:
            running.close()
