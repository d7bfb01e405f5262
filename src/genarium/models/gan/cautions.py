"""Combinations that ended in one picture, or in nothing, when every one of them was trained.

They are allowed, since data and settings decide too, and warned of when a training begins. What was
trained and how each combination came out: the table in docs/adversarial.md, "Which combinations
learn", by tools/campaigns/gan_matrix.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from genarium.models.gan.networks.dense import DenseGenerator
from genarium.models.gan.networks.residual import ResidualGenerator
from genarium.models.gan.objectives import LeastSquares, Minimax
from genarium.nn.dcgan import DCGANGenerator

if TYPE_CHECKING:
    from genarium.models.gan.gan import GAN


def cautions(gan: GAN) -> Iterator[str]:
    """A line for each reason that a combination died of, with the remedy."""
    flags = {regularizer.flag for regularizer in gan.each_regularizer()}
    clipped = "weight-clipping" in flags
    made_by = type(gan.generator)
    if clipped and made_by is ResidualGenerator:
        yield (
            "--regularizers weight-clipping --architecture residual: clipped weights leave its "
            "discriminator, which has no norm, at chance, and the samples became one picture with "
            "every objective: take gradient-penalty or spectral-norm"
        )
    elif clipped and type(gan.objective) is LeastSquares:
        yield (
            "--regularizers weight-clipping --objective least-squares: a clipped discriminator "
            "hardly reaches its targets 0 and 1, and the samples became one picture: take "
            "--objective wasserstein, or spectral-norm"
        )
    if type(gan.objective) is Minimax and made_by is DCGANGenerator:
        yield (
            "--objective minimax --architecture dcgan: its discriminator wins early, the "
            "generator's gradient vanishes, and the samples became one picture: take --objective "
            "non-saturating, or --architecture resize"
        )
    if made_by is DenseGenerator and gan.spec.channels > 1:
        yield (
            "--architecture dense: half of the objectives and regularizers ended in one picture "
            "on colour pictures, since it sees no neighbouring pixels: take --architecture resize"
        )


def warn_of(gan: GAN) -> None:
    """Say what `cautions` has, as warnings."""
    for line in cautions(gan):
        warnings.warn(line, stacklevel=2)
