"""Which parts of the adversarial game act together. The one place where a combination is refused.

`check` looks at the parts themselves, so it holds for games made in Python too; `objective_of` at
what only the recipes' arguments say. A combination is refused where the sum would not be what its
parts' papers define, or where one of them would do nothing.

    D a logit of the discriminator, a function of one image or of one pack of images
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from torch.nn.modules.batchnorm import _BatchNorm

from genarium.models.gan.objectives import OBJECTIVES, Minimax, Objective
from genarium.recipes import refuse

if TYPE_CHECKING:
    from genarium.models.gan.gan import GAN, Trick

if TYPE_CHECKING:
    ObjectiveName: TypeAlias = str
else:
    ObjectiveName = Literal[tuple(OBJECTIVES)]


def _named(*tricks: Trick) -> str:
    return f"--tricks {','.join(trick.flag for trick in tricks)}"


def objective_of(
    name: ObjectiveName, smoothing: float = 0.0, tricks: Sequence[Trick] = ()
) -> Objective:
    """The objective of that name.

    Raises UserError for a smoothing that it has no use for, or one that has no minimum with these
    tricks.
    """
    kind: Any = OBJECTIVES[name]
    if "smoothing" in kind.__dataclass_fields__:
        smoothed: Objective = kind(smoothing)
        return smoothed
    refuse(
        smoothing != 0,
        f"--smoothing {smoothing:g}: it moves the target of real images, and a critic under "
        f"--objective {name} has none: leave it out",
    )
    refuse(
        kind.unbounded and not any(trick.slope or trick.own_gradient for trick in tricks),
        f"--objective {name}: the critic's loss has no minimum unless its slope is bounded: "
        "add --tricks gradient-penalty, weight-clipping, spectral-norm or r1",
    )
    found: Objective = kind()
    return found


def check(gan: GAN) -> None:
    """Raise UserError, one line with the reason, for parts that cannot act together."""
    tricks = list(gan.each_trick())
    _check_pairs(tricks)
    _check_networks(gan, tricks)
    for trick in tricks:
        refuse(
            trick.replaces and type(gan.objective) is Minimax,
            f"--objective minimax {_named(trick)}: it differs from non-saturating in the "
            f"generator's loss alone, which feature matching replaces: leave one of them out, or "
            "add feature matching's loss to it by --tricks feature-matching:1:beside",
        )
        refuse(
            getattr(trick, "adaptive", False) and gan.objective.differences,
            f"{_named(trick)}:...:adaptive: it asks how many real images are called real, and this "
            "objective compares logits alone: give a probability, or another --objective",
        )
        refuse(
            trick.augments and gan.spec.planar,
            f"{_named(trick)}: it moves and hides pixels, and these data are points of the plane: "
            "leave it out",
        )


def _check_pairs(tricks: Sequence[Trick]) -> None:
    for number, second in enumerate(tricks):
        for first in tricks[:number]:
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


def _check_networks(gan: GAN, tricks: Sequence[Trick]) -> None:
    normed = any(isinstance(module, _BatchNorm) for module in gan.discriminator.modules())
    for trick in tricks:
        refuse(
            trick.own_gradient and normed,
            f"{_named(trick)}: it is about the gradient of an image's own logit, and with batch "
            "norm in the discriminator each logit depends on the whole batch: make the "
            "discriminator with norm=None",
        )
        refuse(
            trick.mixes and gan.conditioning.at_head,
            f"{_named(trick)}: it replaces the layers that read the text, leave it out",
        )
        refuse(
            trick.mixes and getattr(gan.discriminator, "judges_parts", False),
            f"{_named(trick)}: it replaces the layer that judges an image by its features, and "
            "this discriminator judges parts of an image by themselves: leave it out",
        )
    refuse(
        gan.objective.sees_real and gan.conditioning.at_head,
        "--objective relativistic: it compares each real image with one fake image, and captions "
        "add real images under wrong texts: take another",
    )
    refuse(
        gan.pack > 1 and gan.conditioning.of_features,
        f"--packing {gan.pack}: {type(gan.conditioning).__name__} are read from the features of "
        "single images, and a pack has one set of features: leave it out",
    )
