"""What an extractor is worth: eyes that are blind to something are found out, and it is said."""

import pytest
import torch
from torch import nn

from genarium.evaluation.diagnostics import worth
from genarium.evaluation.diagnostics.corruptions import NAMES
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import from_module
from genarium.evaluation.images import Drawn
from genarium.evaluation.plan import score_images
from genarium.evaluation.scores.features import fid
from genarium.evaluation.scores.measured import Measured, Metric

torch.set_num_threads(1)


def pictures(n=48, side=32):
    """Coloured stripes of two classes."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    waves = torch.linspace(0, 6.3, side).view(1, 1, 1, -1) * (1 + 2 * labels.view(-1, 1, 1, 1))
    phase = 6.3 * torch.rand(n, 3, 1, 1, generator=draw)
    images = 127 + 100 * torch.sin(waves + phase).expand(n, 3, side, side)
    return images.to(torch.uint8), labels


class Eye(nn.Module):
    """The mean of each channel, or of all, and how often it was asked."""

    def __init__(self, colour, broken=False):
        super().__init__()
        self.colour, self.broken, self.asked = colour, broken, 0

    def forward(self, x):
        self.asked += len(x)
        x = x if self.colour else x.mean(1, keepdim=True)
        pool = torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)
        return pool * (float("nan") if self.broken else 1), pool[:, :0]


def eye(colour=True, broken=False, name="eye"):
    made = Eye(colour, broken)
    dims = 6 if colour else 2
    return from_module(
        made, name=name, dims=dims, prepare=lambda x: x.float(), resize=f"none {colour} {broken}"
    )


def test_an_eye_without_colour_does_not_order_its_loss():
    images, labels = pictures()
    seeing = worth.assess(eye(), images, labels)
    blind = worth.assess(eye(colour=False), images, labels)
    assert {*seeing.orders} == {*blind.orders} == {*NAMES}
    assert seeing.orders["colour removed"]
    assert seeing.orders["contrast"]
    assert not blind.orders["channels swapped"]
    assert not blind.orders["tiles shuffled"]  # means and deviations stay
    assert blind.orders["contrast"]
    assert blind.images == 24


def test_words_count_and_name_what_is_missed():
    some = worth.Worth(40, {"blur": True, "noise": False, "JPEG": True})
    assert some.words() == "orders 2 of 3 corruptions of 40 images by strength (not noise)"
    assert "not" not in worth.Worth(40, {"blur": True}).words()


def test_the_shipped_extractor_of_pictures_sees_colour_and_the_classifier_does_not():
    from genarium.evaluation.diagnostics.corruptions import corrupt

    images, _ = pictures(24)
    grey = corrupt("colour removed", images, 1.0)
    results = {}
    for name in ("efficientnet-lite0", "fashion-proxy"):
        chosen = extractor(name)
        sets = []
        for some in (images[:12], images[12:], grey[12:]):
            sets.append(Measured("set", chosen, (Metric(fid),)))
            sets[-1].add(some)
        real, same, spoiled = sets
        results[name] = fid(spoiled, real).value / fid(same, real).value
    assert results["efficientnet-lite0"] > 2
    assert results["fashion-proxy"] < 1.5


def test_the_note_says_it_and_the_cache_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path))
    images, _ = pictures()
    seeing = eye()
    scores = score_images(images[:24], images, split="test", extractor=seeing, metrics="fid")
    assert "corruptions of 24 images by strength" in scores.get("FID").note
    asked = seeing.network.asked
    again = score_images(images[:24], images, split="test", extractor=seeing, metrics="fid")
    assert again.get("FID").note == scores.get("FID").note
    assert seeing.network.asked - asked == 48  # 24 of either side, and no corruption
    (kept,) = (tmp_path / "worth").iterdir()
    kept.write_text("[")
    damaged = score_images(images[:24], images, split="test", extractor=seeing, metrics="fid")
    assert damaged.get("FID").note == scores.get("FID").note
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path / "other"))
    score_images(images[:24], images, split="test", extractor=seeing, metrics="precision")
    assert not (tmp_path / "other").exists()  # no note, no question


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path / "file"))
    images, labels = pictures()
    assert "corruptions" in worth.stated(eye(), images, labels).caveat


def test_where_it_is_no_question_nothing_is_asked():
    images, labels = pictures()
    for few in (images[:10], images[:, :, :8, :8]):
        seeing = eye()
        assert worth.stated(seeing, few) is seeing
        assert seeing.network.asked == 0
    digits = extractor("digits")
    assert worth.stated(digits, images, labels) is digits
    drawn = []

    def draw(n):
        drawn.append(n)
        return images[:n]

    seeing = eye()
    assert worth.stated(seeing, Drawn(draw, 48)) is seeing
    assert not drawn
    broken = eye(broken=True)
    assert worth.stated(broken, images, labels) is broken


@pytest.mark.parametrize(("n", "asked"), [(4, 0), (30, 30), (1000, 48), (None, 48)])
def test_no_more_pictures_are_asked_with_than_are_scored(n, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path))
    images, _ = pictures()
    words = worth.stated(eye(), images, n=n).caveat
    assert (f"of {asked // 2} images" in words) == bool(asked)
    assert ("corruptions" in words) == bool(asked)


def test_labels_stay_with_their_pictures(monkeypatch):
    images, labels = pictures(100)
    images[:, :, 0, 0] = labels.view(-1, 1).to(torch.uint8)
    seen = {}
    monkeypatch.setattr(worth, "_kept", lambda e, i, k: seen.update(images=i, labels=k))
    worth.stated(eye(), images, labels)
    assert len(seen["images"]) == worth.MOST
    assert torch.equal(seen["images"][:, 0, 0, 0].long(), seen["labels"])
    assert 0.3 < seen["labels"][: worth.MOST // 2].double().mean() < 0.7


@pytest.mark.parametrize("rows", [2, 40])
def test_the_score_is_the_same_with_and_without_the_note(rows):
    images, _ = pictures()
    with_note = score_images(images[:rows], images, split="test", extractor=eye(), metrics="fid")
    measured = [Measured(n, eye(), (Metric(fid),)) for n in ("sample", "test")]
    count = min(rows, len(images))
    from genarium.evaluation.images import Stored, thin

    for one, some in zip(measured, (images[:rows], images)):
        for part in thin(Stored(some), count).batches(256):
            one.add(part)
    assert with_note.get("FID").value == fid(*measured).value
