"""What a conditional VAE is told of each image: attributes, or a vector that goes with it.

Class labels are `genarium.models.implicit.conditioning.Labels`, the same as for a GAN.

B batch · A columns of the data's tensor · S numbers that the networks get · M rows kept
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from genarium.contract import Attribute, Batch, Condition
from genarium.errors import UserError
from genarium.models.implicit.gan import Conditioning
from genarium.nn.norm import gather_rows

KEPT = 512


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

    def _known(self) -> Tensor:
        """The kept rows [M,A]; one of zeros before training."""
        return self.seen.view(torch.float32)[: max(1, int(self.count))]

    def mean(self) -> Tensor:
        """What the networks get when nothing is known of an image: the mean of the kept rows."""
        return self.encoded(self._known()).mean(0)

    def filled(self, condition: Condition, uniform: Tensor) -> Tensor:
        """What was asked for, [n,S]; the rest from the row that `uniform` [n] on [0, 1) names."""
        known = self._known()
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
                f"a condition {list(condition.shape)}: this model is told {len(self.columns)} "
                f"numbers of {self.name} an image, give [n, {len(self.columns)}]"
            )
        for column, number in zip(self.columns, range(len(self.columns))):
            given, count = condition[:, number], len(column.values)
            wrong = ~given.isnan() & ((given < 0) | (given >= count) | (given != given.round()))
            if count and wrong.any():
                raise UserError(
                    f"{column.name} {given[wrong][0].item():g}: choose 0 to {count - 1}, "
                    f"{', '.join(column.values)}"
                )
        return condition
