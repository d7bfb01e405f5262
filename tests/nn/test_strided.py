"""The networks between pictures and codes: every size, where they begin, and what an image sees."""

from __future__ import annotations

import pytest
import torch

from genarium.errors import UserError
from genarium.nn.strided import StridedDecoder, StridedEncoder


@pytest.mark.parametrize("shape", [(1, 8, 8), (5, 9, 31), (3, 48, 64), (1, 33, 21)])
def test_every_output_pixel_follows_the_code_and_every_input_pixel_reaches_it(
    shape: tuple[int, int, int],
) -> None:
    torch.manual_seed(0)
    encoder, decoder = StridedEncoder(shape, 6, width=4), StridedDecoder(6, shape, width=4)
    made = decoder(torch.randn(64, 6))
    assert made.shape == (64, *shape)
    assert (made.std(0) > 0).all()
    images = torch.randn(2, *shape, requires_grad=True)
    encoder(images).square().sum().backward()
    reached = images.grad[0].abs().sum(0) > 0
    # a side that is odd is halved without its last line, as in any strided convolution
    height, width = (2 * (side // 2) for side in shape[1:])
    assert reached[:height, :width].all()


def test_pictures_begin_at_the_mean_that_is_given() -> None:
    torch.manual_seed(0)
    decoder = StridedDecoder(4, (3, 15, 22), width=16)
    mean = torch.tensor([-2.0, 0.0, 1.5]).view(3, 1, 1).expand(3, 15, 22)
    decoder.begin_at(mean)
    made = decoder(torch.randn(256, 4))
    torch.testing.assert_close(made.mean((0, 2, 3)), mean[:, 0, 0], atol=0.05, rtol=0)
    assert made.std(0).mean() < 0.3, "and all of them, whatever the code"


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_the_signal_keeps_its_scale_at_every_size(size: int) -> None:
    torch.manual_seed(0)
    encoder, decoder = StridedEncoder((3, size, size), 32), StridedDecoder(16, (3, size, size))
    with torch.no_grad():
        codes = encoder(torch.rand(8, 3, 1, 1).expand(8, 3, size, size) * 2 - 1)
        made = decoder(torch.randn(8, 16))
    assert 0.1 < codes.std() < 2
    assert 0.02 < made.std() < 0.5


def test_what_stands_beside_changes_the_code_and_a_neighbour_does_not() -> None:
    torch.manual_seed(0)
    encoder = StridedEncoder((1, 12, 12), 4, width=4, beside=3).eval()
    images, labels = torch.randn(5, 1, 12, 12), torch.eye(3)[[0, 1, 2, 0, 1]]
    codes = encoder(images, labels)
    alone = torch.cat([encoder(images[i : i + 1], labels[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(codes, alone)
    assert (encoder(images, labels.roll(1, 1)) - codes).abs().mean() > 0.01


def test_small_images_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="--size"):
        StridedEncoder((1, 7, 28), 4)
