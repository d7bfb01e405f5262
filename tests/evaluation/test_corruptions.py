"""Ten ways to spoil pictures: each does what its line of the table says, and more of it."""

import pytest
import torch
from PIL import Image

from genarium.evaluation.diagnostics.corruptions import NAMES, TILES, applicable, corrupt
from genarium.evaluation.metrics.grey import to_grey

STRENGTHS = (0.25, 0.5, 0.75, 1.0)


def pictures(n=24, channels=3, side=32, seed=0):
    """Smooth coloured pictures of three classes, a class a brightness."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    coarse = torch.rand(n, channels, 5, 5, generator=draw)
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (fine * (90 + 80 * labels.view(-1, 1, 1, 1))).to(torch.uint8), labels


def moved(before, after):
    return (after.float() - before.float()).square().mean().item()


@pytest.mark.parametrize("name", NAMES)
def test_stronger_is_further_from_the_pictures_and_the_same_each_time(name):
    images, labels = pictures()
    assert torch.equal(corrupt(name, images, 0, labels), images)
    results = [corrupt(name, images, s, labels) for s in STRENGTHS]
    distances = [moved(images, each) for each in results]
    assert distances == sorted(distances)
    assert len({*distances}) == len(distances)
    assert all(each.dtype == torch.uint8 and each.shape == images.shape for each in results)
    assert torch.equal(results[-1], corrupt(name, images, 1.0, labels))


def test_colour_goes_to_the_luma():
    images, _ = pictures()
    result = corrupt("colour removed", images, 1.0)
    assert (result == result[:, :1]).all()
    assert (result[:, :1].float() - 255 * to_grey(images)).abs().max() <= 0.5 + 1e-3


def test_red_and_blue_are_swapped_in_a_share_of_the_pictures():
    images, _ = pictures()
    result = corrupt("channels swapped", images, 0.25)
    swapped = (result == images.flip(1)).flatten(1).all(1)
    same = (result == images).flatten(1).all(1)
    assert (swapped ^ same).all()
    assert swapped.sum() == 6


def test_tiles_change_places_and_no_pixel_is_lost():
    images, _ = pictures(side=34)  # two rows and columns belong to no tile
    half, whole = (corrupt("tiles shuffled", images, s) for s in (0.5, 1.0))
    assert torch.equal(whole.flatten(2).sort().values, images.flatten(2).sort().values)
    assert torch.equal(whole[:, :, 32:], images[:, :, 32:])

    def changed(result):
        tiles = (result != images)[:, :, :32, :32].any(1).unflatten(1, (TILES, 8))
        return tiles.unflatten(3, (TILES, 8)).any(4).any(2).flatten(1).sum(1)

    assert (changed(half) == TILES**2 // 2).all()
    assert (changed(whole) == TILES**2).all()


def test_blur_is_the_gaussian_of_its_width():
    images = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    images[0, 0, 32, 32] = 255
    assert torch.equal(
        corrupt("blur", torch.full_like(images, 77), 1.0), torch.full_like(images, 77)
    )
    result = corrupt("blur", images, 0.5)[0, 0].double()  # one pixel wide
    assert result[32, 32] == round(255 / (2 * torch.pi))
    assert result[32, 33] / result[32, 32] == pytest.approx(torch.e**-0.5, abs=0.02)


def test_contrast_keeps_the_mean_and_leaves_a_quarter():
    images, _ = pictures()
    result = corrupt("contrast", images, 1.0).float().flatten(1)
    before = images.float().flatten(1)
    assert (result.mean(1) - before.mean(1)).abs().max() < 0.5
    assert (result.std(1) / before.std(1) - 0.25).abs().max() < 0.01


@pytest.mark.parametrize("size", [(32, 32), (24, 48)])
def test_rotation_is_that_of_pillow_to_both_sides(size):
    images = pictures(2, side=48)[0][:, :, : size[0], : size[1]].contiguous()
    result = corrupt("rotation", images, 2 / 3)
    for image, ours, angle in zip(images, result, (30, -30)):
        pixels = Image.fromarray(image.permute(1, 2, 0).numpy())
        turned = pixels.rotate(angle, Image.Resampling.BILINEAR)
        theirs = torch.tensor(list(turned.getdata())).view(*size, 3).permute(2, 0, 1)
        inner = (slice(None), slice(size[0] // 2 - 4, size[0] // 2 + 4), slice(20, 28))
        inner = inner if size[1] == 48 else (slice(None), slice(10, 22), slice(10, 22))
        assert (ours.float() - theirs)[inner].abs().max() <= 2


def test_mixtures_are_of_two_classes():
    labels = torch.tensor([0, 0, 1, 1])
    images = torch.tensor([0, 0, 200, 200], dtype=torch.uint8).view(4, 1, 1, 1)
    assert (corrupt("mixed classes", images, 1.0, labels) == 100).all()
    half = corrupt("mixed classes", images, 0.5, labels)
    assert (half == 100).sum() == 2
    lone = corrupt("mixed classes", images, 1.0, torch.zeros(4, dtype=torch.int64))
    assert lone.shape == images.shape


def test_dropped_classes_are_replaced_by_the_others():
    images, labels = pictures(48)
    counts = {}
    for strength in (0.5, 0.75, 1.0):
        result = corrupt("dropped classes", images, strength, labels)
        rows = [(images == each).flatten(1).all(1).nonzero()[0].item() for each in result]
        stayed = torch.tensor([row == place for place, row in enumerate(rows)])
        counts[strength] = sorted(labels[stayed].bincount(minlength=3).tolist())
        assert {labels[row].item() for row in rows} == {
            labels[row].item() for row in rows if stayed[row]
        }
    assert counts[0.5] == [0, 16, 16]
    assert counts[0.75][0] == 0
    assert 0 < counts[0.75][1] < 16
    assert counts[1.0] == [0, 0, 16]


def test_grey_pictures_and_those_without_classes_are_asked_less():
    images, labels = pictures()
    grey = images[:, :1]
    assert applicable(images, labels) == NAMES
    assert applicable(grey, labels) == applicable(grey.expand(-1, 3, -1, -1), labels) == NAMES[2:]
    assert applicable(images, None) == applicable(images, torch.zeros(24)) == NAMES[:-1]
    for name in applicable(grey, None):
        assert corrupt(name, grey, 1.0).shape == grey.shape


def test_what_cannot_be_meant_is_refused():
    images, _ = pictures(2)
    with pytest.raises(ValueError, match="0 to 1"):
        corrupt("blur", images, 1.5)
    with pytest.raises(ValueError, match="labels"):
        corrupt("dropped classes", images, 0.5)
    with pytest.raises(ValueError, match="none of"):
        corrupt("bluur", images, 0.5)
