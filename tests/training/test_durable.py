"""A save is on the disk before it has its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from genarium.training import checkpoint as checkpoints
from genarium.training.checkpoint import Checkpoint


def test_every_file_is_synced_before_the_checkpoint_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename may reach the disk before the bytes of what is renamed: then a loss of power leaves
    a checkpoint of empty files under the newest name."""
    folder, target = tmp_path / "checkpoints", tmp_path / "checkpoints" / "00000001"
    synced: list[tuple[int, bool]] = []  # the file, by its number, and whether it had its name
    really = os.fsync

    def remember(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, target.exists()))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", remember)
    weights = {"w": torch.ones(2, 3)}
    checkpoints.save(folder, Checkpoint(1, weights, weights, {}, {"step": 1}), keep=1)
    files = [*target.iterdir(), target]
    assert len(files) == 6  # weights, averaged weights, optimizer, state, sums; and the folder
    before = {number for number, named in synced if not named}
    assert {path.stat().st_ino for path in files} <= before
    assert (folder.stat().st_ino, True) in synced  # the new name
