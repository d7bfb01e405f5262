"""Sums and differences of the mean codes of groups of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run
from genarium.api._types import (
    GROUP,
    AcceptChanges,
    Code,
    Condition,
    Device,
    Grid,
    Group,
    Invert,
    Place,
    Run,
    Seed,
    Step,
)
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(repr=False)
class Sum(Made):
    """The sum of the mean codes of groups.

    images: that of the sum amid eight neighbours, [9,C,H,W] float32 on [-1, 1]; see `Made`. code:
    [1,D]. means: the image of each group's mean code, [groups,C,H,W], and exemplars: some images of
    each group, both as floats too.
    """

    NAME: ClassVar[str] = "arithmetic.png"

    code: Tensor
    means: Tensor
    exemplars: list[Tensor]
    terms: list[tuple[str, str]]
    run: str

    @property
    def image(self) -> Tensor:
        from genarium.drawing.arithmetic import draw

        some = [self.seen(images) for images in self.exemplars]
        return draw([sign for sign, _ in self.terms], some, self.seen(self.means), self.pictures)

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run, "terms": self.text(), "code": self.code.tolist()}

    def text(self) -> str:
        return " ".join(f"{sign} {name}" for sign, name in self.terms).removeprefix("+ ")


@verb(
    "latent",
    out=f"FILE.png: exemplars and mean of each group, and the sum; {IMAGES}, of the sum and its "
    "eight neighbours (default: RUN/arithmetic.png)",
    notes=GROUP,
)
def arithmetic(
    run: Run,
    *,
    plus: Annotated[Sequence[Group] | None, Flag(metavar="GROUP", repeat=True, raw=True)] = None,
    minus: Annotated[Sequence[Group] | None, Flag(metavar="GROUP", repeat=True, raw=True)] = None,
    noise: Annotated[float, Ge(0)] = 0.25,
    n: Grid = 64,
    seed: Seed = 0,
    condition: Condition | None = None,
    code: Code | None = None,
    invert: Invert = False,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    **sampler: Any,
) -> Sum:
    """Add and subtract the mean codes of groups of images.

    run: a run folder whose model decodes.
    plus: add the mean code of this group; as often as you like.
    minus: take away the mean code of this group; as often as you like.
    noise: the neighbours of the result differ by uniform noise on -X .. X.
    seed: of the samples that numbers name.
    """
    import torch

    from genarium.drawing.arithmetic import SHOWN
    from genarium.latent import analogy
    from genarium.runs.groups import Groups
    from genarium.runs.loading import that_decodes

    added, taken = _several(plus), _several(minus)
    if not added:
        raise UserError("arithmetic: name what to add, as --plus 1,2,3 --minus 4,5,6 --plus 7,8,9")
    trained = that_decodes(
        run, step, device, data=data, accept_changes=accept_changes, settings=sampler
    )
    named = Groups(trained, n=n, seed=seed, condition=condition, code=code, invert=invert)
    pairs = zip_longest([("+", g) for g in added], [("-", g) for g in taken])
    given = [term for pair in pairs for term in pair if term is not None]
    terms = [(sign, named("--plus" if sign == "+" else "--minus", group)) for sign, group in given]
    named.expect_samples(sampler)
    result = analogy(*([g.codes for s, g in terms if s == sign] for sign in "+-"))
    some = [
        trained.decode(group.codes[:SHOWN])
        if group.originals is None
        else trained.spec.values.signed(group.originals[:SHOWN])
        for _, group in terms
    ]
    return of_run(
        Sum(
            code=result,
            images=trained.decode(_neighbours(result, trained.noise, noise, seed)),
            means=trained.decode(torch.cat([group.mean for _, group in terms])),
            exemplars=some,
            terms=[(s, g if isinstance(g, str) else "given codes") for s, g in given],
            run=str(trained.path),
        ),
        trained,
    )


def _several(groups: Any) -> list[Any]:
    return [groups] if isinstance(groups, str) else list(groups or ())


def _neighbours(code: Tensor, columns: int | None, noise: float, seed: int) -> Tensor:
    """Nine codes [9,D]: the code in the middle, others with uniform noise on their noise part."""
    import torch

    from genarium.drawing.arithmetic import SHOWN
    from genarium.training.order import derive

    generator = torch.Generator().manual_seed(derive(seed, "arithmetic"))
    codes = code.repeat(SHOWN**2, 1)
    part = codes[:, :columns]
    move = noise * (2 * torch.rand(part.shape, generator=generator) - 1)
    move[SHOWN**2 // 2] = 0
    part += move
    return codes
