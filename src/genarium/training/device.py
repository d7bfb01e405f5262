"""Devices by name: which one a name stands for, and whether it is here."""

from __future__ import annotations

import torch

from genarium.errors import UserError


def expect_device(name: str) -> None:
    """Raise UserError for a device that cannot hold a value here; "auto" is not asked about."""
    if name in ("auto", "cpu"):
        return
    try:
        # a value, for `meta` has places and none
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError):
        raise UserError(
            f"--device {name} is not available here: leave --device away, or give cpu"
        ) from None


def device_of(name: str) -> str:
    """The device that `name` stands for: "auto" is a GPU where there is one. UserError as above."""
    if name != "auto":
        expect_device(name)
        return name
    mps = torch.backends.mps.is_available()
    return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
