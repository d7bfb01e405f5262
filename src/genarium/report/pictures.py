"""Image batches as figures of the page.

Shapes: N images · R rows · S steps · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genarium.drawing.images import FILL, data_uri, grid, promote
from genarium.drawing.markup import Child, Markup, tag
from genarium.drawing.points import planar, scatter, sheet
from genarium.report.records import Interpolations, Matches, Pairs

LARGE = 420  # wider pictures are shrunk on most screens, which looks better smoothed
PAD = 1
MOST = 3  # the largest enlargement
WIDEST = 960  # and the widest picture that is still enlarged, in pixels


def picture(
    image: Tensor,
    alt: str,
    caption: Child = None,
    *,
    under: Sequence[str] = (),
) -> Markup:
    """A figure of one image, uint8 [C,H,W], in whole multiples of its size where it fits.

    under: words in equal columns below it.
    """
    height, width = image.shape[-2:]
    drawn = tag(
        "img",
        src=data_uri(image),
        alt=alt,
        width=width,
        height=height,
        class_="large" if width > LARGE else None,
    )
    words = tag("ol", *(tag("li", word) for word in under), class_="under") if under else None
    most = max(width, min(MOST * width, WIDEST))
    frame = tag("div", drawn, words, class_="pix", style=f"--w:{width}px;--most:{most}px")
    note = tag("figcaption", caption) if caption else None
    return tag("figure", tag("div", frame, class_="fit"), note)


def strip(images: Tensor, most: int) -> Tensor:
    """The first of images [N,C,H,W] in one row, at most `most`; all points in one plot."""
    shown = images if planar(images) else images[:most]
    return sheet(shown, columns=len(shown), pad=PAD)


def pairs(panels: Pairs, columns: int = 8) -> Tensor:
    """Rows of originals, each with the row of what was made of them below, as one image.

    A third row, where there is one, follows those two. Points: what was made of them in a plot over
    the originals.
    """
    if planar(panels.made):
        return scatter(panels.made, real=panels.originals)
    rows = [
        part
        for start in range(0, len(panels.originals), columns)
        for part in _padded(panels, start, columns)
    ]
    return grid(torch.cat(rows), columns=columns, pad=PAD)


def _padded(panels: Pairs, start: int, columns: int) -> list[Tensor]:
    kinds = [panels.originals, panels.made, *([] if panels.third is None else [panels.third])]
    rows = [kind[start : start + columns] for kind in promote(*kinds)]
    missing = columns - len(rows[0])
    return [torch.cat([row, row.new_full((missing, *row.shape[1:]), FILL)]) for row in rows]


def interpolation_grid(interpolations: Interpolations) -> Tensor:
    """The interpolations as rows; the test images at their ends, where there are any, set a little
    apart.

    Points: all of them in a plot over the ends.
    """
    if planar(interpolations.images.flatten(0, 1)):
        ends = None if interpolations.ends is None else interpolations.ends.flatten(0, 1)
        return scatter(interpolations.images.flatten(0, 1), real=ends)
    middle = grid(
        interpolations.images.flatten(0, 1), columns=interpolations.images.shape[1], pad=PAD
    )
    if interpolations.ends is None:
        return middle
    first, last = (grid(end, columns=1, pad=PAD) for end in interpolations.ends.unbind(1))
    gap = torch.full((*middle.shape[:2], 4), FILL, dtype=torch.uint8)
    return torch.cat([first, gap, middle, gap, last], dim=2)


def neighbours(matches: Matches, what: str) -> Markup:
    """Images above, their nearest training images below, and the distances under them."""
    image = grid([matches.images, matches.nearest], columns=len(matches.images), pad=PAD)
    return picture(
        image,
        alt=f"Upper row: {len(matches.images)} {what}. Lower row: the training image nearest to "
        f"each. Distances {', '.join(f'{d:.2f}' for d in matches.distances)}.",
        under=[f"{distance:.1f}" for distance in matches.distances],
    )
