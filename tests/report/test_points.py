"""Scatter plots: each point where it belongs, whatever the number of points."""

from __future__ import annotations

import pytest
import torch

from genarium.drawing.images import grid
from genarium.drawing.points import DRAWN, MARGIN, MODE, PAPER, SCALE, SIDE, planar, scatter, sheet
from genarium.drawing.points import pairs as beside
from genarium.report.pictures import interpolation_grid, pairs, strip
from genarium.report.records import Interpolations, Pairs

MIXTURE = {"centres": [[0.0, 0.0], [1.0, 0.5]], "sigma": 0.1, "scale": 2.0}


def points(*pixels: tuple[int, int]) -> torch.Tensor:
    return torch.tensor(pixels, dtype=torch.uint8).view(-1, 1, 1, 2)


def at(plot: torch.Tensor, x: int, y: int) -> torch.Tensor:
    """The colour at the stored values x and y, [3] float."""
    row, column = MARGIN + (255 - y) * SCALE, MARGIN + x * SCALE
    return plot[:, row : row + SCALE, column : column + SCALE].float().mean((1, 2))


def inked(plot: torch.Tensor) -> torch.Tensor:
    """Where the plot differs from one that shows a single other point."""
    return (plot.float() - scatter(points((128, 128))).float()).abs().sum(0) > 60


def test_a_point_is_where_its_pixels_say_with_y_upwards() -> None:
    plot = scatter(points((200, 60), (200, 60), (200, 60), (200, 60), (200, 60)))
    assert plot.shape == (3, SIDE, SIDE)
    assert plot.dtype == torch.uint8
    assert (at(plot, 200, 60) - torch.tensor(DRAWN).float()).abs().max() < 6  # five layers
    assert torch.equal(at(plot, 200, 195), torch.tensor(PAPER).float())
    assert torch.equal(at(plot, 60, 200), torch.tensor(PAPER).float())
    rows, columns = inked(plot).nonzero().T
    near = (rows - rows.median()).abs() < 8
    assert near.sum() > 8
    middle = MARGIN + (200.5 * SCALE) - 0.5
    drawn = columns[(columns > middle - 8) & (columns < middle + 8)].float()
    assert drawn.mean() == pytest.approx(middle, abs=0.3)  # symmetric about the level's middle


def test_floats_are_taken_as_they_would_be_stored() -> None:
    exact = points((200, 60))
    assert torch.equal(scatter(exact), scatter(exact.float() / 127.5 - 1))


def test_more_points_are_darker_and_their_order_does_not_matter() -> None:
    some = torch.randint(256, (400, 1, 1, 2), dtype=torch.uint8)
    assert torch.equal(scatter(some), scatter(some.flip(0)))
    once, thrice = (at(scatter(points(*[(90, 90)] * n)), 90, 90)[0] for n in (1, 3))
    assert thrice < once < 255


def test_real_points_lie_below_and_modes_have_circles() -> None:
    here, there = points((30, 30)), points((220, 30))
    plot = scatter(here, real=there)
    assert at(plot, 220, 30)[0] > at(plot, 220, 30)[2]  # ochre
    assert at(plot, 30, 30)[0] < at(plot, 30, 30)[2]  # blue
    plot = scatter(here, mixture=MIXTURE)
    unit = 127.5 * SCALE / 2.0
    centre = MARGIN + 128 * SCALE - 0.5
    for x, y in MIXTURE["centres"]:
        column, row = round(centre + (x + 0.3) * unit), round(centre - y * unit)
        colour = plot[:, row, column].float()  # 3 σ to the right of the centre
        assert (colour - torch.tensor(MODE).float()).abs().max() < 80
        beyond = plot[:, row + 3, round(column + 5)]
        assert (beyond.float() - torch.tensor(MODE).float()).abs().max() > 80


def test_what_are_no_points_becomes_a_grid() -> None:
    images = torch.randint(256, (5, 1, 2, 2), dtype=torch.uint8)
    assert not planar(images)
    assert torch.equal(sheet(images, 3, pad=1), grid(images, 3, pad=1))
    again = images.flip(0)
    both = torch.stack([images, again], 1).flatten(0, 1)
    assert torch.equal(beside(images, again, columns=4), grid(both, columns=4))
    two = points((1, 2), (3, 4))
    assert torch.equal(sheet(two, 2), scatter(two))
    assert torch.equal(beside(two, two.flip(0), columns=2), scatter(two, real=two))


@pytest.mark.parametrize(
    ("images", "words"), [(torch.zeros(2, 1, 2, 2), "N,1,1,2"), (points()[:0], "at least one")]
)
def test_other_shapes_are_refused(images: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scatter(images)


def test_the_pages_rows_become_plots() -> None:
    first, second = points((1, 2), (3, 4)), points((50, 60), (70, 80))
    assert torch.equal(pairs(Pairs(first, second)), scatter(second, real=first))
    assert torch.equal(strip(first, 1), scatter(first))
    ends = torch.stack([first, second], 1)
    result = Interpolations(ends.repeat_interleave(2, 1), "linear", ends)
    plot = scatter(result.images.flatten(0, 1), real=ends.flatten(0, 1))
    assert torch.equal(interpolation_grid(result), plot)
