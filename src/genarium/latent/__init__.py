"""The latent space of any model that decodes: paths, directions, inversion.

Pure functions on codes; a decoder is any differentiable function [B,D] -> [B,C,H,W]. The verbs
`interpolate`, `arithmetic`, `traverse` and `invert` put them to work on trained runs.
"""

from genarium.latent.directions import analogy, attribute_vector, quantiles, traverse, turn_vector
from genarium.latent.effects import DEAD, REACH, effect
from genarium.latent.inversion import Inversion, invert, nearest_draws
from genarium.latent.paths import interpolate, lerp, slerp
from genarium.latent.quality import completeness, continuity, gaussian_of

__all__ = [
    "DEAD",
    "REACH",
    "Inversion",
    "analogy",
    "attribute_vector",
    "completeness",
    "continuity",
    "effect",
    "gaussian_of",
    "interpolate",
    "invert",
    "lerp",
    "nearest_draws",
    "quantiles",
    "slerp",
    "traverse",
    "turn_vector",
]
