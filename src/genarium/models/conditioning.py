"""What a model is conditioned on: class labels, attributes, a vector that goes with an image.

`genarium.models.gan.latent_codes` are the latent codes of InfoGAN, and
`genarium.models.text_to_image.captions` are texts.

B batch · K classes · F features of the discriminator · S numbers that the networks get
A columns of the data's tensor · M rows kept
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.contract import Attribute, Batch, Condition, Spec
from genarium.errors import UserError
from genarium.nn.norm import gather_rows

if TYPE_CHECKING:
    from genarium.models.gan.gan import Turn

KEPT = 512


def no_category(given: Tensor, count: int) -> Tensor:
    """Which numbers are neither NaN (left open) nor a whole one of 0 .. count - 1, bool."""
    return ~given.isnan() & ((given < 0) | (given >= count) | (given != given.round()))


class Part(NamedTuple):
    """A part of the S numbers of a condition, in their order: a control.

    values: the names of a category, one-hot in as many numbers; empty for one number, which lies
    between low and high.
    """

    name: str
    values: tuple[str, ...] = ()
    low: float = -1.0
    high: float = 1.0


class Conditioning(nn.Module):
    """What a model is conditioned on besides noise; this base class stands for nothing.

    size: S, numbers added to the generator's input. channels: added to the discriminator's.
    classes: whether it is the images' classes. latent_codes: how many values a code of it has.
    continuous_codes: how many of its S numbers, the last ones, are continuous; the rest are
    categorical. of_features: whether it works on the discriminator's features of single images.
    at_head: whether the discriminator gets the condition at its head (`condition`), which must then
    be the one made for it. interpolated: whether the last conditions of `of_generator` lie between
    those of the data, where no sample is asked for: the generator's running statistics leave them
    out.
    """

    size: int = 0
    channels: int = 0
    classes: bool = False
    latent_codes: int = 0
    continuous_codes: int = 0
    of_features: bool = False
    at_head: bool = False
    interpolated: bool = False

    def of_batch(self, batch: Batch) -> Tensor:
        """The condition of each image of a training batch, [B,S]."""
        return torch.empty(len(batch), 0, device=batch.images.device)

    def of_generator(self, batch: Batch) -> Tensor:
        """The conditions [B,S] that the generator's turn plays with; those of the images here."""
        return self.of_batch(batch)

    def draw(self, n: int, condition: Condition, generator: torch.Generator | None) -> Tensor:
        """What was asked for by `condition`, else draws from its prior: [n,S] on the CPU."""
        if condition is not None:
            raise UserError("this model was trained without classes: leave out --class")
        return torch.empty(n, 0)

    def parts(self, spec: Spec) -> tuple[Part, ...]:
        """What its S numbers are, one control after another; none where they mean nothing alone."""
        return ()

    def of_images(
        self, images: Tensor, condition: Condition, classify: Callable[[Tensor], Tensor]
    ) -> Tensor | None:
        """The condition [B,S] to encode images [B,C,H,W] with; None where this stands for nothing.

        Not given, it is the class that `classify` makes of the images.
        """
        if condition is None and not self.size:
            return None
        if condition is None and self.classes:
            condition = classify(images)
        y = self.draw(len(images), condition, None).to(images.device)
        return y if self.size else None

    def join(self, images: Tensor, code: Tensor) -> Tensor:
        """What the discriminator sees of images [B,C,H,W] with conditions [B,S]."""
        return images

    def condition(self, features: Tensor, code: Tensor) -> Tensor:
        """What the discriminator's head gets of features [B,F] with conditions [B,S]."""
        return features

    def losses(self, turn: Turn) -> dict[str, Tensor]:
        """Losses added in both players' turns (an information term, say)."""
        return {}

    def observe(self, turn: Turn) -> None:
        """Called in the discriminator's turns, to keep what is wanted of the real images."""


class Labels(Conditioning):
    """Class labels for both players (Mirza & Osindero 2014): p(x | y).

    The generator gets the label one-hot, S = K, joined to the noise. The discriminator gets it as
    K constant planes joined to the image's channels, 1 on the plane of the class, else 0; under
    its first layer that is a bias a class. Asked for no class, samples draw theirs uniformly.
    """

    classes = True

    def __init__(self, classes: int):
        super().__init__()
        self.size = self.channels = classes

    def parts(self, spec: Spec) -> tuple[Part, ...]:
        return (Part("class", spec.classes),)

    def of_batch(self, batch: Batch) -> Tensor:
        assert batch.labels is not None
        return functional.one_hot(batch.labels, self.size).float()

    def draw(self, n: int, condition: Condition, generator: torch.Generator | None) -> Tensor:
        if condition is None:
            at = generator.device if generator is not None else torch.device("cpu")
            condition = torch.randint(self.size, (n,), generator=generator, device=at)
        return functional.one_hot(condition.long(), self.size).float()

    def join(self, images: Tensor, code: Tensor) -> Tensor:
        planes = code.to(images)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return torch.cat([images, planes], 1)


class Rows(Conditioning):
    """Rows [A] of an extra tensor of the data: attributes, or a vector such as an embedding.

    name: of the tensor in `Batch.extra`. columns: what its columns hold; those with named values
    become one-hot, numbers pass as they are. The prior p(y) is the `KEPT` rows that training saw
    last, so that a model samples without its data; NaN in a condition is filled from such a row.
    """

    def __init__(self, name: str, columns: tuple[Attribute, ...]):
        super().__init__()
        self.name, self.columns = name, columns
        widths = [max(1, len(column.values)) for column in columns]
        self.size = self.channels = sum(widths)
        self.widths = widths
        # The bits of float rows: an average of rows, which averaged weights take of every
        # floating-point buffer, would be no row.
        self.register_buffer("seen", torch.zeros(KEPT, len(columns), dtype=torch.int32))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.seen: Tensor
        self.count: Tensor

    def of_batch(self, batch: Batch) -> Tensor:
        rows = batch.extra[self.name].float()
        if self.training:
            self._keep(gather_rows(rows))
        return self.encoded(rows)

    @torch.no_grad()
    def _keep(self, rows: Tensor) -> None:
        rows = rows[:KEPT].contiguous().view(torch.int32)
        self.seen.copy_(torch.cat([rows, self.seen])[:KEPT])
        self.count.add_(len(rows)).clamp_(max=KEPT)

    def encoded(self, rows: Tensor) -> Tensor:
        """Rows [B,A] as the networks get them, [B,S]."""
        parts = [
            functional.one_hot(column.long(), width).float() if width > 1 else column[:, None]
            for column, width in zip(rows.unbind(1), self.widths)
        ]
        return torch.cat(parts, 1)

    def parts(self, spec: Spec) -> tuple[Part, ...]:
        known = self.known()
        return tuple(
            Part(column.name, column.values)
            if len(column.values) > 1
            else Part(column.name, (), known[:, i].min().item(), known[:, i].max().item())
            for i, column in enumerate(self.columns)
        )

    def known(self) -> Tensor:
        """The kept rows [M,A]; one of zeros before training."""
        return self.seen.view(torch.float32)[: max(1, int(self.count))]

    def mean(self) -> Tensor:
        """What the networks get when nothing is known of an image: the mean of the kept rows."""
        return self.encoded(self.known()).mean(0)

    def of_images(
        self, images: Tensor, condition: Condition, classify: Callable[[Tensor], Tensor]
    ) -> Tensor | None:
        """As above; not given, it is the mean of the kept rows."""
        if condition is None:
            return self.mean().to(images.device).expand(len(images), -1)
        return super().of_images(images, condition, classify)

    def filled(self, condition: Condition, uniform: Tensor) -> Tensor:
        """What was asked for, [n,S]; the rest from the row that `uniform` [n] on [0, 1) names."""
        known = self.known()
        rows = known[(uniform.to(known) * len(known)).long()]
        if condition is not None:
            asked = self._checked(condition).to(rows)
            rows = torch.where(asked.isnan(), rows, asked.nan_to_num())
        return self.encoded(rows)

    def draw(self, n: int, condition: Condition, generator: torch.Generator | None) -> Tensor:
        at = generator.device if generator is not None else torch.device("cpu")
        return self.filled(condition, torch.rand(n, generator=generator, device=at)).to(at)

    def _checked(self, condition: Tensor) -> Tensor:
        if condition.ndim != 2 or condition.shape[1] != len(self.columns):
            raise UserError(
                f"a condition {list(condition.shape)}: this model is conditioned on "
                f"{len(self.columns)} numbers of {self.name} an image: give [n,{len(self.columns)}]"
            )
        for column, number in zip(self.columns, range(len(self.columns))):
            given, count = condition[:, number], len(column.values)
            wrong = no_category(given, count)
            if count and wrong.any():
                raise UserError(
                    f"{column.name} {given[wrong][0].item():g}: choose 0 to {count - 1}, "
                    f"{', '.join(column.values)}"
                )
        return condition


def conditioning_of(spec: Spec, name: str) -> Conditioning:
    """What `--condition NAME` asks for; UserError where the data of `spec` do not have it."""
    known = {
        **({"class": len(spec.classes)} if spec.classes else {}),
        **({"attributes": len(spec.attributes)} if spec.attributes else {}),
        **dict(spec.vectors),
    }
    if name not in known:
        have = f"the data have {', '.join(known)}" if known else "the data have no labels either"
        remedies = {"attributes": "give a table of them (--labels)"}
        folders = "put images into one sub-folder a class"
        remedy = remedies.get(name, "choose one of these" if known else folders)
        raise UserError(f"--condition {name}: {have}: {remedy}")
    if name == "class":
        return Labels(len(spec.classes))
    if name == "attributes":
        return Rows("factors", spec.attributes)
    return Rows(name, tuple(Attribute(f"{name}[{i}]") for i in range(known[name])))
