"""How pairs, walks and neighbours are laid out."""

from __future__ import annotations

import re

import torch

from genarium.drawing.images import FILL, data_uri
from genarium.report.pictures import interpolation_grid, neighbours, pairs, picture
from genarium.report.records import Interpolations, Matches, Pairs


def numbered(*shape: int, start: int = 0) -> torch.Tensor:
    """Images of one pixel, counted from `start`."""
    count = torch.Size(shape).numel()
    return torch.arange(start, start + count, dtype=torch.uint8).view(*shape, 1, 1, 1)


def cells(image: torch.Tensor) -> list[list[int]]:
    """The single pixels of a grid, without the gaps of one pixel."""
    return image[0, 1::2, 1::2].tolist()


def test_each_row_of_originals_stands_above_what_was_made_of_it() -> None:
    result = Pairs(numbered(5), numbered(5, start=100))
    rows = cells(pairs(result, columns=3))
    assert rows == [[0, 1, 2], [100, 101, 102], [3, 4, FILL], [103, 104, FILL]]


def test_walks_are_rows_between_their_ends() -> None:
    images, ends = numbered(2, 3), numbered(2, 2, start=50)
    assert cells(interpolation_grid(Interpolations(images, "spherical"))) == [[0, 1, 2], [3, 4, 5]]
    whole = interpolation_grid(Interpolations(images, "linear", ends))
    assert whole.shape == (1, 5, 3 + 4 + 7 + 4 + 3)
    assert [[row[1], *row[8:13:2], row[19]] for row in whole[0, 1::2].tolist()] == [
        [50, 0, 1, 2, 51],
        [52, 3, 4, 5, 53],
    ]


def test_neighbours_have_their_distances_below() -> None:
    result = Matches(numbered(2), numbered(2, start=9), (1.04, 2.55), 1.5, 10)
    figure = neighbours(result, "samples")
    assert re.findall("<li>(.*?)</li>", figure) == ["1.0", "2.5"]
    assert "Distances 1.04, 2.55." in figure


def test_a_picture_says_its_size_and_grows_threefold_at_most() -> None:
    image = torch.zeros(1, 20, 30, dtype=torch.uint8)
    figure = picture(image, 'a "b"', "words")
    assert data_uri(image) in figure
    assert "--w:30px;--most:90px" in figure
    assert 'alt="a &quot;b&quot;" width="30" height="20"' in figure
    assert "<figcaption>words</figcaption>" in figure
    wide = picture(torch.zeros(1, 2, 500, dtype=torch.uint8), "a")
    assert "--w:500px;--most:960px" in wide
    assert 'class="large"' in wide
    assert "figcaption" not in wide
