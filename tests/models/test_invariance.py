"""Codes that stay when an image is moved: the moves, the mutual information, the loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.gan import invariance as module
from genarium.models.gan.dcgan import dcgan
from genarium.models.gan.infogan import infogan
from genarium.models.gan.invariance import Invariance, agreement
from genarium.nn.augmentation import affine as moved

SPEC = Spec(1, 16, 16)


class Drawn(Noise):
    """Uniform numbers that are what the test says, given as draws on [-1, 1]."""

    def __init__(self, *rows: list[float]):
        super().__init__(0, len(rows))
        self.rows_of = torch.tensor(rows)

    def uniform(self, *shape: int) -> Tensor:
        assert shape == (6,)
        return (self.rows_of + 1) / 2


def ramps(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """An image [1,2,S,S] whose channels are each pixel's place (x, y) on [-1, 1], and these."""
    along = (2 * torch.arange(size) + 1) / size - 1
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y])[None], x, y


def test_no_move_is_no_change_and_a_shift_moves_pixels_in_from_the_edge() -> None:
    image = torch.rand(2, 3, 10, 10)
    still, shifted = [0.0] * 6, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]  # a fifth of half a side: 1 pixel
    result = moved(image, Drawn(still, shifted))
    torch.testing.assert_close(result[0], image[0])
    torch.testing.assert_close(result[1, :, :, :-1], image[1, :, :, 1:])
    torch.testing.assert_close(result[1, :, :, -1], image[1, :, :, -1])


MOVES = [
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, -1.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    [0.7, -0.4, 0.3, -0.6, 0.2, -0.5],
]


@pytest.mark.parametrize("draws", MOVES)
def test_each_pixel_is_looked_up_where_the_affine_map_says(draws: list[float]) -> None:
    image, x, y = ramps(32)
    angle, slant, zoom, aspect, across, down = draws
    zoom = 1 + 0.15 * zoom
    wide, high = zoom * (1 + 0.075 * aspect), zoom * (1 - 0.075 * aspect)
    sheared = wide * x + 0.3 * slant * y, high * y
    cos, sin = math.cos(angle * math.pi / 12), math.sin(angle * math.pi / 12)
    expected = torch.stack(
        [
            cos * sheared[0] - sin * sheared[1] + 0.2 * across,
            sin * sheared[0] + cos * sheared[1] + 0.2 * down,
        ]
    )
    result = moved(image, Drawn(draws))[0]
    inside = (expected.abs() < 1 - 1 / 32).all(0)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(result[:, inside], expected[:, inside], atol=1e-5, rtol=0)


def test_agreement_is_the_mutual_information() -> None:
    sure = torch.eye(4).repeat(3, 1)
    assert agreement(sure, sure).item() == pytest.approx(math.log(4), abs=1e-5)
    renamed = sure[:, [1, 0, 3, 2]]  # the other answer under other names tells as much
    assert agreement(sure, renamed).item() == pytest.approx(math.log(4), abs=1e-5)
    unsure = torch.full((12, 4), 0.25)
    assert agreement(sure, unsure).item() == pytest.approx(0, abs=1e-5)
    one = torch.eye(4)[torch.zeros(12, dtype=torch.int64)]
    assert agreement(one, one).item() == pytest.approx(0, abs=1e-5)  # sure, but always the same
    p, q = torch.rand(20, 3).softmax(1), torch.rand(20, 3).softmax(1)
    joint = sum((a[:, None] * b[None] + b[:, None] * a[None]) / 40 for a, b in zip(p, q))
    expected = sum(
        joint[k, n] * math.log(joint[k, n] / (joint[k].sum() * joint[:, n].sum()))
        for k in range(3)
        for n in range(3)
    )
    assert agreement(p, q).item() == pytest.approx(float(expected), abs=1e-6)


def batch(n: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, 16, 16), generator=generator).to(torch.uint8)
    return Batch(images, None, Noise(0, n))


def test_the_loss_is_that_of_real_images_and_their_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "affine", lambda images, noise: images.flip(3))
    torch.manual_seed(0)
    model = infogan(SPEC, latent=4, width=2, categories=(3, 2), continuous=1, invariance=0.5)
    b = batch()
    step = model.step(b, "discriminator")
    x = b.signed()
    for number in range(2):
        ours, theirs = (
            model.conditioning.read(model.discriminator.features(images))[number].softmax(1)
            for images in (x, x.flip(3))
        )
        expected = agreement(ours, theirs)
        torch.testing.assert_close(step.losses[f"invariance{number}"], -0.5 * expected)
        torch.testing.assert_close(step.metrics[f"agreement{number}"], expected.detach())
    step.losses["invariance0"].backward()
    assert model.conditioning.reader[-1].weight.grad.abs().sum() > 0
    assert model.discriminator.down[0].convolution.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.generator.parameters())
    assert not any("invariance" in name for name in model.step(b, "generator").losses)


def test_it_is_for_categories() -> None:
    with pytest.raises(UserError, match=r"--invariance 1: .*--categories"):
        infogan(SPEC, latent=4, width=2, categories=(), continuous=1, invariance=1.0)
    plain = dcgan(SPEC, latent=4, width=2)
    with pytest.raises(ValueError, match="category"):
        Invariance().prepare(plain)
