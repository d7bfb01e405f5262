"""`genarium arithmetic RUN --plus A --minus B --plus C`: sums of the mean codes of groups.

The picture is that of Radford, Metz & Chintala 2016, figure 7: up to three exemplars of each group
above the image of their mean code, and the image of the result amid eight of its neighbours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genarium.cli.parser import real
from genarium.runs.groups import add_flags

if TYPE_CHECKING:
    from torch import Tensor

NAME = "arithmetic.png"
SHOWN = 3  # exemplars of a group, and the side of the square of results


class Term(argparse.Action):
    """Keeps --plus and --minus in the order in which they were given."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: str | None = None) -> None:
        namespace.terms = [*namespace.terms, (option, value)]


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model decodes")
    parser.set_defaults(terms=[])
    for flag, text in (("--plus", "add"), ("--minus", "take away")):
        parser.add_argument(
            flag,
            action=Term,
            dest="terms",
            metavar="GROUP",
            default=argparse.SUPPRESS,
            help=f"{text} the mean code of this group; as often as you like",
        )
    parser.add_argument(
        "--noise",
        type=real("--noise", least=0),
        default=0.25,
        metavar="X",
        help="the neighbours of the result differ by uniform noise on -X .. X (default: 0.25)",
    )
    add_flags(parser, NAME)


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.errors import UserError
    from genarium.latent import analogy
    from genarium.runs import groups

    if "--plus" not in [sign for sign, _ in found.terms]:
        raise UserError("arithmetic: name what to add, as --plus 1,2,3 --minus 4,5,6 --plus 7,8,9")
    trained = groups.open_run(found)
    named = groups.Groups(trained, found)
    terms = [(sign, named(sign, text)) for sign, text in found.terms]
    plus, minus = ([g.codes for s, g in terms if s == sign] for sign in ("--plus", "--minus"))
    result = analogy(plus, minus)
    columns = [
        group.codes[:SHOWN] if group.originals is None else group.originals[:SHOWN]
        for _, group in terms
    ]
    exemplars = [x if x.ndim == 4 else trained.decode(x) for x in columns]
    import torch

    means = trained.decode(torch.cat([group.mean for _, group in terms]))
    around = trained.decode(_neighbours(result, trained.noise, found.noise, found.seed))
    signs = [sign for sign, _ in terms]
    out = groups.picture(found, trained, draw(signs, exemplars, means, around), NAME)
    words = " ".join(f"{'+' if sign == '--plus' else '-'} {text}" for sign, text in found.terms)
    words = words.removeprefix("+ ")
    if found.json:
        facts = {"run": str(trained.path), "terms": words, "out": str(out)}
        show.as_json({**facts, "code": result.tolist()})
    else:
        print(f"{words}: {out}")
    return 0


def _neighbours(code: Tensor, columns: int | None, noise: float, seed: int) -> Tensor:
    """Nine codes [9,D]: the code in the middle, others with uniform noise on their noise part."""
    import torch

    from genarium.training.order import derive

    generator = torch.Generator().manual_seed(derive(seed, "arithmetic"))
    codes = code.repeat(SHOWN**2, 1)
    part = codes[:, :columns]
    move = noise * (2 * torch.rand(part.shape, generator=generator) - 1)
    move[SHOWN**2 // 2] = 0
    part += move
    return codes


def draw(signs: Sequence[str], exemplars: list[Tensor], means: Tensor, around: Tensor) -> Tensor:
    """Columns of exemplars [n,C,H,W] over their means [G,C,H,W], then nine results [9,C,H,W]."""
    import torch

    from genarium.drawing.images import FILL, as_uint8, grid

    height, width = means.shape[-2:]
    gap = max(16, width // 2)  # holds a sign, and parts the columns
    parts: list[Tensor] = []
    for number, (sign, some, mean) in enumerate(zip(signs, exemplars, means)):
        if number or sign == "--minus":
            parts.append(_sign("+" if sign == "--plus" else "-", height, gap, means.shape[1]))
        column = as_uint8(some)
        blank = torch.full((SHOWN - len(column), *column.shape[1:]), FILL, dtype=torch.uint8)
        top = grid(torch.cat([column, blank]), columns=1, pad=1)
        parts.append(_stack(top, grid(mean[None], pad=1), height // 4))
    parts.append(_sign("=", height, gap, means.shape[1]))
    middle = around[SHOWN**2 // 2][None]
    parts.append(_stack(grid(around, columns=SHOWN, pad=1), grid(middle, pad=1), height // 4))
    edge = torch.full((means.shape[1], parts[0].shape[1], 3), FILL, dtype=torch.uint8)
    return torch.cat([edge, *parts, edge], dim=2)


def _stack(top: Tensor, bottom: Tensor, gap: int) -> Tensor:
    """`bottom` [C,h,w] centred below `top` [C,H,W], `gap` pixels away."""
    import torch

    from genarium.drawing.images import FILL

    left = (top.shape[2] - bottom.shape[2]) // 2
    right = top.shape[2] - bottom.shape[2] - left
    row = torch.nn.functional.pad(bottom, (left, right, gap, 0), value=FILL)
    return torch.cat([top, row], dim=1)


def _sign(sign: str, height: int, width: int, channels: int) -> Tensor:
    """A strip [C,rows,width] as high as the picture, with +, - or = beside the means."""
    import torch

    from genarium.drawing.images import FILL

    rows = SHOWN * (height + 1) + 1 + height // 4 + height + 2
    strip = torch.full((channels, rows, width), FILL, dtype=torch.uint8)
    y, x, arm = rows - 1 - (height + 1) // 2, width // 2, 4
    bars = (-2, 2) if sign == "=" else (0,)
    for bar in bars:
        strip[:, y + bar - 1 : y + bar + 1, x - arm : x + arm] = 255
    if sign == "+":
        strip[:, y - arm : y + arm, x - 1 : x + 1] = 255
    return strip
