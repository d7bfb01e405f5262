"""Which parts of adversarial training act together. The one place where a combination is refused.

`check` looks at the parts themselves, so it holds for GANs made in Python too; `objective_of` at
what only the recipes' arguments say. A combination is refused where the sum would not be what its
parts' papers define, or where one of them would do nothing.

    D a logit of the discriminator, a function of one image or of one group of images
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch.nn.modules.batchnorm import _BatchNorm

from genarium.models.gan.objectives import Minimax, Objective
from genarium.models.gan.own import ObjectiveName, find, takes_smoothing
from genarium.recipes import refuse

if TYPE_CHECKING:
    from genarium.models.gan.gan import GAN, Regularizer


def _named(*regularizers: Regularizer) -> str:
    return f"--regularizers {','.join(regularizer.flag for regularizer in regularizers)}"


def objective_of(
    name: ObjectiveName, smoothing: float = 0.0, regularizers: Sequence[Regularizer] = ()
) -> Objective:
    """The objective of that name.

    Raises UserError for a smoothing that it has no use for, or one that has no minimum with these
    regularizers.
    """
    kind: Any = find(name)
    if takes_smoothing(kind):
        smoothed: Objective = kind(smoothing)
        return smoothed
    refuse(
        smoothing != 0,
        f"--smoothing {smoothing:g}: it moves the target of real images, and a critic under "
        f"--objective {name} has none: leave it out",
    )
    refuse(
        kind.unbounded
        and not any(regularizer.slope or regularizer.own_gradient for regularizer in regularizers),
        f"--objective {name}: the critic's loss has no minimum unless its slope is bounded: "
        "add --regularizers gradient-penalty, weight-clipping, spectral-norm or r1",
    )
    chosen: Objective = kind()
    return chosen


def check(gan: GAN) -> None:
    """Raise UserError, one line with the reason, for parts that cannot act together."""
    regularizers = list(gan.each_regularizer())
    _check_pairs(regularizers)
    _check_networks(gan, regularizers)
    for regularizer in regularizers:
        refuse(
            regularizer.replaces and type(gan.objective) is Minimax,
            f"--objective minimax {_named(regularizer)}: it differs from non-saturating in the "
            f"generator's loss alone, which feature matching replaces: leave one of them out, or "
            "add feature matching's loss to it by --regularizers feature-matching:1:beside",
        )
        refuse(
            getattr(regularizer, "adaptive", False) and gan.objective.differences,
            f"{_named(regularizer)}:...:adaptive: it asks how many real images are called "
            "real, and this objective compares logits alone: give a probability, or another "
            "--objective",
        )
        refuse(
            regularizer.augments and gan.spec.planar,
            f"{_named(regularizer)}: it moves and hides pixels, and these data are points of the "
            "plane: leave it out",
        )


def _check_pairs(regularizers: Sequence[Regularizer]) -> None:
    for number, second in enumerate(regularizers):
        for first in regularizers[:number]:
            both = _named(first, second)
            refuse(
                bool(first.flag) and first.flag == second.flag,
                f"{both}: {first.flag} twice: keep one",
            )
            refuse(
                first.slope and second.slope,
                f"{both}: both bound the critic's slope, each in its own way: keep one",
            )
            refuse(
                {first.flag, second.flag} == {"r1", "gradient-penalty"},
                f"{both}: one asks for slope 0 at the data, the other for slope 1: keep one",
            )
            for penalty, mixer in ((first, second), (second, first)):
                refuse(
                    penalty.own_gradient and mixer.mixes,
                    f"{both}: {penalty.flag} is about the gradient of an image's own logit, and "
                    f"with {mixer.flag} each logit depends on the whole batch: keep one",
                )
            refuse(
                first.flag == "spectral-norm" and second.mixes,
                f"{both}: spectral-norm divides the weights that are there when its turn comes: "
                f"name it after {second.flag}",
            )


def _check_networks(gan: GAN, regularizers: Sequence[Regularizer]) -> None:
    normed = any(isinstance(module, _BatchNorm) for module in gan.discriminator.modules())
    for regularizer in regularizers:
        refuse(
            regularizer.own_gradient and normed,
            f"{_named(regularizer)}: it is about the gradient of an image's own logit, and with "
            "batch norm in the discriminator each logit depends on the whole batch: make the "
            "discriminator with norm=None",
        )
        refuse(
            regularizer.mixes and gan.conditioning.at_head,
            f"{_named(regularizer)}: it replaces the layers that read the text, leave it out",
        )
        refuse(
            regularizer.mixes and getattr(gan.discriminator, "judges_parts", False),
            f"{_named(regularizer)}: it replaces the layer that judges an image by its features, "
            "and this discriminator judges parts of an image by themselves: leave it out",
        )
    refuse(
        gan.objective.sees_real and gan.conditioning.at_head,
        f"objective {type(gan.objective).__name__}: it compares real images with fake ones, and "
        "captions add real images under wrong texts: take another",
    )
    refuse(
        gan.group_size > 1 and gan.conditioning.of_features,
        f"--packing {gan.group_size}: {type(gan.conditioning).__name__} are read from the features "
        "of single images, and a group has one set of features: leave it out",
    )
