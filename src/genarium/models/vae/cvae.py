"""Conditional VAE: p(x|z,y) and q(z|x,y), the code free of what y already says.

Sohn, Lee & Yan 2015, Learning Structured Output Representation using Deep Conditional Generative
Models. The prior of the code is the same whatever y is, so a code keeps its meaning (a handwriting,
say) when the label is changed.
"""

from __future__ import annotations

from typing import Unpack

from genarium.contract import Spec
from genarium.models.conditioning import conditioning_of
from genarium.models.vae.arguments import Beta, FreeBits, Networks
from genarium.models.vae.model import VAE
from genarium.models.vae.vae import build
from genarium.recipes import recipe


@recipe(
    family="explicit/approximate",
    tiny={"latent": 2, "width": 4},
    paper="Sohn, Lee & Yan 2015",
    batch=64,
    steps=2000,
    training={"ema": 0.99},
    former={"prior": "fixed"},
)
def cvae(
    spec: Spec,
    *,
    condition: str = "class",
    beta: Beta = 1.0,
    free_bits: FreeBits = 0.0,
    **networks: Unpack[Networks],
) -> VAE:
    """Conditional VAE: samples a given class, and changes the class while the latents stay.

    condition: class (the labels), attributes (the factors of the data, as `shapes` has them), or
        the name of a vector that goes with each image (an embedding, say).
    """
    return build(
        spec,
        networks,
        conditioning=conditioning_of(spec, condition),
        beta=beta,
        free_bits=free_bits,
    )
