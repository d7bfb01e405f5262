"""Conditional VAE: p(x|z,y) and q(z|x,y), the code free of what y already says.

Sohn, Lee & Yan 2015, Learning Structured Output Representation using Deep Conditional Generative
Models. The prior of the code is N(0, I) whatever y is, so a code keeps its meaning (a handwriting,
say) when the label is changed.
"""

from __future__ import annotations

from typing import Unpack

from genarium.contract import Attribute, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Conditioning, Labels, Rows
from genarium.models.vae.arguments import Beta, FreeBits, Networks
from genarium.models.vae.model import VAE
from genarium.models.vae.vae import build
from genarium.recipes import recipe


def conditioning_of(spec: Spec, name: str) -> Conditioning:
    """What `--condition NAME` asks for; UserError where the data of `spec` do not have it."""
    known = {
        **({"class": len(spec.classes)} if spec.classes else {}),
        **({"attributes": len(spec.attributes)} if spec.attributes else {}),
        **dict(spec.vectors),
    }
    if name not in known:
        have = f"the data have {', '.join(known)}" if known else "the data have no labels either"
        raise UserError(f"--condition {name}: {have}: put images into one sub-folder a class")
    if name == "class":
        return Labels(len(spec.classes))
    if name == "attributes":
        return Rows("factors", spec.attributes)
    return Rows(name, tuple(Attribute(f"{name}[{i}]") for i in range(known[name])))


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
