"""What a model with a discriminator lets others see of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from genarium.contract.batch import Batch


class Judgement(NamedTuple):
    """A discriminator's logits of a batch's images and of as many of the model's own, each [B], or
    [B,P] of P parts of an image."""

    real: Tensor
    fake: Tensor


@runtime_checkable
class Judges(Protocol):
    """Has a discriminator. No capability: users of a trained model have no use for it."""

    def judgements(self, batch: Batch) -> dict[str, Judgement]:
        """What each discriminator, by its name, makes of the batch's images and of the model's.

        In the mode in which the model is; nothing of it changes but what a forward pass in
        training mode changes. All randomness from `batch.noise`. Empty where the model was built
        without a discriminator.
        """
        ...
