"""Memory of a verdict does not grow with the training images: counted in bytes allocated."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genarium.errors import UserError
from genarium.evaluation.diagnostics import findings, lookalikes, thumbnails, watch
from genarium.evaluation.diagnostics.findings import Originals, copying_finding, repeats_finding
from genarium.evaluation.diagnostics.lookalikes import Pool
from genarium.evaluation.diagnostics.thumbnails import Thumbs, thumbnails_of
from genarium.evaluation.images import Images
from genarium.evaluation.scores.score import Undefined
from tests.allocated import allocated

FEW, MANY = 400, 1600
EACH = 128  # bytes an image at the peak: place and side, digests, sums over them; measured: 89


class Made:
    """Images that lie nowhere: each batch is made when it is asked for."""

    def __init__(self, count: int, seed: int, side: int = 34, channels: int = 1):
        self.warnings: list[str] = []
        self.size = (side, side)
        generator = torch.Generator().manual_seed(seed)
        self.coarse = torch.rand(5000, channels, 6, 6, generator=generator)[:count]

    def __len__(self) -> int:
        return len(self.coarse)

    def batches(self, batch: int) -> Iterator[Tensor]:
        for part in self.coarse.split(batch):
            fine = torch.nn.functional.interpolate(part, self.size, mode="bilinear")
            yield (255 * fine).to(torch.uint8)

    def take(self, rows: Tensor) -> Images:
        raise AssertionError("nobody takes some of them")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a search holds at once, small beside the images of these tests."""
    for module, name, value in (
        (thumbnails, "MEMORY", 1 << 16),
        (thumbnails, "PIECE", 200),
        (lookalikes, "BLOCK", 16),
        (lookalikes, "SEARCHED", 64),
        (lookalikes, "MEMORY", 1 << 16),
        (findings, "REAL", 30),
        (findings, "ALONE", 20),
    ):
        monkeypatch.setattr(module, name, value)


def peak_of(count: int) -> tuple[int, list[object]]:
    samples = next(Made(30, 2).batches(30))
    train, heldout = Made(count, 0), Made(100, 1)
    copies = next(Made(10, 0).batches(10))
    with allocated() as counted, torch.inference_mode():
        originals = Originals(train, heldout)
        found = [copying_finding(torch.cat([samples, copies]), originals)]
        found += [repeats_finding(samples, originals), copying_finding(samples, originals)]
    return counted.peak, [finding.to_dict() for finding in found]


def test_a_verdict_takes_a_few_bytes_of_each_training_image(small: None) -> None:
    peak_of(100)  # for what is imported on the way
    (few, _), (many, found) = peak_of(FEW), peak_of(MANY)
    assert (many - few) / (MANY - FEW) < EACH
    assert found[0]["detected"]  # type: ignore[index]


def test_pieces_of_any_size_find_the_same(monkeypatch: pytest.MonkeyPatch, small: None) -> None:
    """And so does a second search, for which some descriptors were kept, and a third."""
    _, in_pieces = peak_of(300)
    monkeypatch.setattr(thumbnails, "PIECE", 4096)
    monkeypatch.setattr(lookalikes, "SEARCHED", 4096)
    monkeypatch.setattr(thumbnails, "MEMORY", 1 << 30)
    assert peak_of(300)[1] == in_pieces


@pytest.mark.parametrize("again", [1, 2, 3])
def test_the_nearest_over_pieces_are_those_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch, again: int
) -> None:
    images = thumbnails_of(Made(300, 0))
    queries, own = images[::7], torch.arange(0, 300, 7)
    own[::2] = -1
    whole = Pool(Thumbs(images)).nearest(queries, own=own)
    monkeypatch.setattr(thumbnails, "PIECE", 64)
    monkeypatch.setattr(lookalikes, "MEMORY", 2 * 64 * 4 * (196 + 91))  # of two pieces
    cut = Pool(Thumbs(images[:130], images[130:]))
    for _ in range(again):
        result = cut.nearest(queries, own=own)
    assert torch.equal(result.index, whole.index)
    assert torch.equal(result.distance, whole.distance)
    assert len(cut._described) == (2 if again > 1 else 0)
    assert (result.index[::2, 0] == torch.arange(0, 300, 14)).all()
    assert not (result.index[1::2] == own[1::2, None]).any()


def test_thumbnails_in_a_file_are_those_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Made(100, 0, side=40, channels=3)
    wanted = thumbnails_of(images)
    monkeypatch.setattr(thumbnails, "MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = thumbnails_of(images)
    assert torch.equal(result, wanted)
    assert torch.equal(wanted, thumbnails_of(next(images.batches(100))))
    assert result.shape == (100, 3, 32, 32)
    assert not list(tmp_path.iterdir())


def test_rows_of_several_tensors() -> None:
    images = torch.arange(60, dtype=torch.uint8).view(15, 1, 2, 2)
    rows = torch.tensor([0, 3, 4, 9, 14])
    thumbs = Thumbs(images[:4], images[4:10], images[10:]).take(rows)
    assert torch.equal(
        thumbs[torch.tensor([[4, 0], [2, 1]])], images[torch.tensor([[14, 0], [4, 3]])]
    )
    assert (len(thumbs), thumbs.shape) == (5, (1, 2, 2))
    assert torch.equal(thumbs.take(torch.tensor([1, 3]))[torch.arange(2)], images[[3, 9]])


def test_no_room_for_thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(Undefined, match="TMPDIR"):
        Originals(Made(40, 0), Made(10, 1))
    with pytest.raises(UserError, match="TMPDIR"):
        watch.for_images(Made(40, 0), Made(10, 1))
