"""Evaluation of data that are no 8-bit pictures: what is compared, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import genarium
from genarium import recipes
from genarium.contract import EIGHT_BIT, Values
from genarium.errors import UserError
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import of_channels
from genarium.evaluation.images import Seen, Stored
from genarium.evaluation.metrics.grey import to_grey
from genarium.evaluation.references import rows_of
from genarium.evaluation.scores.png import png_bytes
from tests.conftest import tiny_dataset

TWELVE = Values("uint16", (0.0,), (4095.0,), "given", "counts")
FLOATS = Values("float32", (-1024.0,), (3071.0,), "given", "HU")


def run_of(name: str, folder: Path, **data: object):  # type: ignore[no-untyped-def]
    tiny = recipes.get(name).tiny
    dataset = tiny_dataset(**data)  # type: ignore[arg-type]
    return genarium.train(name, dataset, out=folder, steps=1, batch=8, device="cpu", **tiny)


def test_stored_images_come_as_pictures_and_as_they_are() -> None:
    data = tiny_dataset(2, values=TWELVE)
    images = Stored(data.test.images, values=TWELVE).take(torch.tensor([1, 4, 9]))
    rows = data.test.images[[1, 4, 9]]
    assert torch.equal(torch.cat(list(images.kept(2))), rows)
    assert torch.equal(torch.cat(list(images.batches(2))), TWELVE.pictures(rows))
    raw = Stored(data.test.images, values=TWELVE)
    raw.batches = raw.kept  # type: ignore[method-assign]
    seen = Seen(raw, TWELVE)
    assert torch.equal(next(seen.batches(3)), TWELVE.pictures(data.test.images[:3]))
    with pytest.raises(UserError, match="give uint16"):
        list(Seen(Stored(EIGHT_BIT.stored(torch.zeros(2, 1, 4, 4))), TWELVE).batches(2))


@pytest.mark.parametrize("values", [TWELVE, FLOATS], ids=["12", "HU"])
def test_pictures_of_the_range_have_the_scores_of_the_8_bit_pictures(values: Values) -> None:
    """The tiny images are 8-bit ones stored in another type: what is scored is what they were."""
    plain, other = tiny_dataset(3), tiny_dataset(3, values=values)
    results = [
        evaluate_images(
            Stored(d.train.images[:24], values=d.spec.values),
            Stored(d.test.images[:24], values=d.spec.values),
            extractor="pixels",
        )
        for d in (plain, other)
    ]
    first, second = ({row.name: row.value for row in scores.rows} for scores in results)
    assert first == second
    said = {row.basis.get("pictures") for row in results[1].rows}
    assert said == {f"8 bits over {values.span}"}
    assert all("pictures" not in row.basis for row in results[0].rows)


def test_an_extractor_of_pictures_looks_at_each_channel() -> None:
    images = tiny_dataset(3).test.images[:3]
    four = torch.cat([images, images[:, :1].flip(2)], 1)
    whole = extractor("efficientnet-lite0", shape=(4, 16, 16))
    plain = extractor("efficientnet-lite0")
    each = [plain(four[:, c : c + 1]).pool for c in range(4)]
    torch.testing.assert_close(whole(four).pool, torch.cat(each, 1))
    assert whole.dims == 4 * plain.dims
    assert whole.resize.startswith("each of 4 channels as a grey picture")
    assert of_channels(whole, 3) is plain
    assert of_channels(extractor("digits"), 2).classes == ()
    for wrong in (plain, whole):
        with pytest.raises(UserError, match="2 channels"):
            wrong(four[:, :2])


def test_grey_is_the_mean_of_channels_that_are_no_colours() -> None:
    images = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).view(1, 4, 1, 1)
    assert float(to_grey(images)) == pytest.approx(0.4)


def test_levels_beyond_a_byte_have_files_of_16_bits() -> None:
    levels = torch.arange(64).view(1, 1, 8, 8)
    small, large = (float(png_bytes(x)) for x in (levels.to(torch.uint8), levels * 1000))
    assert 60 < small < large
    two = png_bytes(torch.cat([levels, levels], 1).to(torch.uint8))
    assert float(two) == 2 * small


def test_a_run_is_scored_on_its_range(tmp_path: Path) -> None:
    values = TWELVE
    run = run_of("vae", tmp_path / "run", channels=2, size=16, n=24, values=values)
    scores = genarium.evaluate(run, n=24, extractor="pixels")
    rows = {row.name: row for row in scores.rows}
    assert rows["copied"].reference == 0
    mse = rows["reconstruction MSE"]
    assert f"[0,1] is {values.span}" in mse.note
    some = run.dataset().test.images
    unit = [values.unit_interval(x) for x in (some, run.stored(run.reconstruct(some)))]
    assert mse.value == pytest.approx(float((unit[0] - unit[1]).square().mean()), rel=1e-4)
    bits = rows["bits/dim (upper bound)"]
    assert values.span in bits.basis["density"]
    assert "data of uint16, 0 to 4,095 counts (given), scored as pictures" in scores.text()
    data = run.dataset()
    both = rows_of(data, torch.tensor([30, 3, 24]))
    expected = torch.stack([data.test.images[6], data.train.images[3], data.test.images[0]])
    assert torch.equal(both, expected)
    how = {"metrics": "fid", "reference": "train+test", "extractor": "pixels"}
    wider = genarium.evaluate(run, n=20, **how)
    assert wider.get("FID") is not None


def test_translations_are_scored_on_the_range_of_their_domain(tmp_path: Path) -> None:
    kinds = {"values": TWELVE, "second": FLOATS}
    run = run_of("cyclegan", tmp_path / "run", channels=2, size=16, n=8, **kinds)
    rows = {row.name: row for row in genarium.evaluate(run, n=8, metrics="fid").rows}
    data = run.dataset()
    given, wanted = data.test.images, data.test.extra["b"]
    made = FLOATS.unit_interval(run.stored(run.translate(given, "a2b"), "b"))
    error = float((made - FLOATS.unit_interval(wanted)).abs().mean())
    assert rows["a2b L1"].value == pytest.approx(error, rel=1e-4)
    assert "[0,1] is -1,024 to 3,071 HU" in rows["a2b L1"].note
    assert "[0,1] is 0 to 4,095 counts" in rows["b2a L1"].note


def test_validation_of_other_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genarium.runs.validation.MOST", 24)
    tiny = recipes.get("gan").tiny
    data = tiny_dataset(2, size=16, n=24, values=FLOATS)
    run = genarium.train(
        "gan", data, out=tmp_path / "r", steps=2, batch=8, keep_best=True, device="cpu", **tiny
    )
    assert any("score" in row or "best" in row for row in run.history())
