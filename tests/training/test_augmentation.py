"""Random changes of training images: by name, for pairs alike, and refused with the reason."""

from __future__ import annotations

import typing

import pytest
import torch

from genarium.contract import Noise, Values, from_uint8
from genarium.errors import UserError
from genarium.nn.augmentation import KINDS
from genarium.training.options import Augmentation
from genarium.training.trainer import TrainingData
from tests.conftest import make_trainer, tiny_dataset
from tests.training.test_domains import trainer_of


def test_every_kind_is_a_value_of_the_flag() -> None:
    assert set(typing.get_args(Augmentation)) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_changes_images_by_draws_of_their_own(kind: str) -> None:
    x = torch.randn(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x[16:] = x[:16]
    first, again = KINDS[kind](x, Noise(1, 32)), KINDS[kind](x, Noise(1, 32))
    assert first.shape == x.shape
    assert torch.equal(first, again)
    moved = (first != x).flatten(1).any(1)
    assert moved.float().mean() > 0.3
    assert (first[:16] != first[16:]).flatten(1).any(1).float().mean() > 0.3


@pytest.mark.parametrize("kind", ["flip", "affine", "translation"])
def test_pairs_are_changed_alike(kind: str) -> None:
    trainer = trainer_of("pix2pix", 12, 12, True, augment=(kind,))
    shape = trainer.data.images.shape
    made = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0))
    pictures = made.to(torch.uint8)
    trainer.batches.data = TrainingData(pictures, None, {"b": pictures.clone()})
    seen = trainer.batch_of("generator", 0)
    assert torch.equal(seen.images, seen.extra["b"])
    plain = {tuple(x.flatten().tolist()) for x in pictures}
    changed = [tuple(x.flatten().tolist()) not in plain for x in seen.images]
    assert any(changed)


def test_a_change_is_that_of_the_kind_by_the_turns_noise() -> None:
    trainer = trainer_of("pix2pix", 12, 12, True, augment=("translation",))
    plain = trainer_of("pix2pix", 12, 12, True)
    seen, before = trainer.batch_of("generator", 0), plain.batch_of("generator", 0)
    seed = trainer.batches.seed(0, "noise", 0, "generator", 0)
    joined = torch.cat([from_uint8(before.images), from_uint8(before.extra["b"])], 1)
    expected = KINDS["translation"](joined, Noise(seed, len(joined)))
    channels = before.images.shape[1]
    difference = from_uint8(seen.images) - expected[:, :channels]
    assert difference.abs().max() < 1.01 / 127.5


def test_flip_and_augment_flip_are_one() -> None:
    old, new = (
        trainer_of("pix2pix", 12, 12, True, **options).batch_of("generator", 0)
        for options in ({"flip": True}, {"augment": ("flip",)})
    )
    both = trainer_of("pix2pix", 12, 12, True, flip=True, augment=("flip",))
    assert torch.equal(old.images, new.images)
    assert torch.equal(old.images, both.batch_of("generator", 0).images)


def test_colours_of_a_pair_are_not_changed() -> None:
    with pytest.raises(UserError, match="--augment color: it would recolour"):
        trainer_of("pix2pix", 12, 12, True, augment=("color",))


@pytest.mark.parametrize("kind", ["flip", "affine", "translation"])
def test_other_values_are_changed_as_pictures_of_them_are(kind: str) -> None:
    """Of 12 bits, and their pairs of floats: the same draws, kept in their own type and units."""
    twelve = Values("uint16", (0.0,), (4095.0,))
    floats = Values("float32", (-1024.0,), (3071.0,))
    plain, other = (
        make_trainer("pix2pix", data, augment=(kind,)).batch_of("generator", 0)
        for data in (tiny_dataset(2), tiny_dataset(2, values=twelve, second=floats))
    )
    assert other.images.dtype == torch.uint16
    for values, ours, theirs in (
        (twelve, other.images, plain.images),
        (floats, other.extra["b"], plain.extra["b"]),
    ):
        difference = values.pictures(ours).int() - theirs.int()
        assert int(difference.abs().max()) <= (kind != "flip")
