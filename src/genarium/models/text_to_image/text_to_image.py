"""Text to image with DCGAN's networks (Reed et al. 2016, GAN-INT-CLS).

The paper's networks for 64×64 images, at any size, or those of `fusion`: the embedding φ(t) of the
text, compressed to 128 numbers by a dense layer and LeakyReLU, is joined to the generator's noise;
the discriminator's own 128 numbers are laid over every place of its last map (4×4), and a 1×1
convolution with batch norm and LeakyReLU mixes both before the last one scores the whole.

B batch · E numbers of an embedding · Z noise · F features of the discriminator
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from genarium.contract import Batch, Judgement, Settings, Spec, Step
from genarium.contract.exports import ROWS, Function
from genarium.errors import UserError
from genarium.models.gan.arguments import (
    Beta1,
    Latent,
    LearningRate,
    Regularizers,
    Smoothing,
    Width,
)
from genarium.models.gan.composition import adam, mixes_images, regularizers_of
from genarium.models.gan.gan import GAN
from genarium.models.gan.objectives import NonSaturating
from genarium.models.text_to_image.captions import NAME, Captions, MatchingAware, one_caption
from genarium.models.text_to_image.encoders import (
    CharacterEncoder,
    FrozenEncoder,
    SubwordEncoder,
    TextEncoder,
)
from genarium.models.text_to_image.fusion import FusionGenerator, PooledDiscriminator
from genarium.nn.dcgan import (
    DCGANDiscriminator,
    DCGANGenerator,
    Norm,
    initialize,
    map_channels,
    map_sizes,
)
from genarium.nn.norm import BatchNorm2d
from genarium.recipes import (
    NonNegativeFloat,
    PositiveInt,
    Probability,
    recipe,
    refuse,
)

LEAST_MIXED = 256
EncoderName = Literal["characters", "subwords", "minilm"]
LEARNED: dict[str, type[CharacterEncoder | SubwordEncoder]] = {
    "characters": CharacterEncoder,
    "subwords": SubwordEncoder,
}
NETWORKS: dict[str, tuple[Any, Any]] = {
    "dcgan": (DCGANGenerator, DCGANDiscriminator),
    "fusion": (FusionGenerator, PooledDiscriminator),
}
"""The generator and the discriminator of an architecture, whose start maps are of one shape."""


def _compress(inputs: int, outputs: int, bias: bool = False) -> nn.Sequential:
    # Where all texts of a batch are on one side of the kink, batch norm subtracts a bias again.
    return nn.Sequential(nn.Linear(inputs, outputs, bias=bias), nn.LeakyReLU(0.2))


class TextGenerator(nn.Module):
    """Codes [B, Z+E], noise then embedding -> images [B,C,H,W]: the embedding goes in compressed.

    latent: Z. text: E. compressed: K, numbers of the compressed embedding. network: makes the
    images of codes [B, Z+K].
    """

    def __init__(self, latent: int, text: int, compressed: int, network: nn.Module):
        super().__init__()
        self.inputs, self.latent = latent + text, latent
        self.compress = _compress(text, compressed)
        self.network = network

    def forward(self, z: Tensor) -> Tensor:
        noise, text = z.tensor_split([self.latent], 1)
        images: Tensor = self.network(torch.cat([noise, self.compress(text)], 1))
        return images


class TextHead(nn.Module):
    """Features and embedding [B, F+E] -> logits [B,1].

    start: (h, w, c) of the map that the F features are. norm: of the 1×1 convolution, or None. Its
    channels are c as in the paper, but no fewer than 256: they compare image and text.
    """

    def __init__(self, start: tuple[int, int, int], text: int, compressed: int, norm: Norm | None):
        super().__init__()
        height, width, channels = self.start = start
        self.compress = _compress(text, compressed, bias=norm is None)
        mixed = max(channels, LEAST_MIXED)
        self.mix = nn.Sequential(
            nn.Conv2d(channels + compressed, mixed, 1, bias=norm is None),
            norm(mixed) if norm is not None else nn.Identity(),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Conv2d(mixed, 1, (height, width))
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        height, width, channels = self.start
        features, text = x.tensor_split([height * width * channels], 1)
        maps = features.unflatten(1, self.start).permute(0, 3, 1, 2)
        text = self.compress(text)[:, :, None, None].expand(-1, -1, height, width)
        score: Tensor = self.score(self.mix(torch.cat([maps, text], 1)))
        return score.flatten(1)


class TextToImage(GAN):
    """A GAN that is conditioned on captions: `Captions` with `MatchingAware`."""

    conditioned_on = NAME

    def step(self, batch: Batch, phase: str) -> Step:
        return super().step(one_caption(batch), phase)

    def judgements(self, batch: Batch) -> dict[str, Judgement]:
        return super().judgements(one_caption(batch))

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """`decode`, and `text`: rows of UTF-8 bytes [B,T], zeros behind, as embeddings."""
        captions = self.conditioning
        assert isinstance(captions, Captions)
        rows = {"captions": torch.zeros(ROWS, self.spec.caption_bytes)}
        text = Function("text", captions.encoded, rows, "embeddings", (captions,))
        return {**super().exports(settings), "text": text}


def encoder_of(name: EncoderName, weights: str, size: int) -> TextEncoder | FrozenEncoder:
    """The text encoder of that name; UserError for weights that are missing or not wanted."""
    if name in LEARNED:
        if weights:
            raise UserError(
                f"--weights {weights}: the {name}' encoder learns its own, leave --weights out "
                "or add --encoder minilm"
            )
        return LEARNED[name](size)
    from genarium.models.text_to_image.minilm import minilm

    return minilm(weights)


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4, "embedding": 8, "compressed": 6},
    paper="Reed et al. 2016",
    batch=64,
    steps=10_000,
    needs=("captions",),
)
def text_to_image(
    spec: Spec,
    *,
    encoder: EncoderName = "characters",
    weights: str = "",
    architecture: Literal["dcgan", "fusion"] = "dcgan",
    latent: Latent = 100,
    width: Width = 64,
    embedding: PositiveInt = 128,
    compressed: PositiveInt = 128,
    interpolation: Probability = 0.5,
    candidates: PositiveInt = 1,
    contrast: NonNegativeFloat = 1.0,
    generator_contrast: NonNegativeFloat = 1.0,
    lr: LearningRate = 2e-4,
    generator_lr: NonNegativeFloat = 0.0,
    beta1: Beta1 = 0.5,
    smoothing: Smoothing = 0.0,
    regularizers: Regularizers = (),
) -> TextToImage:
    """Text to image: a GAN conditioned on a caption, with a matching-aware discriminator.

    encoder: of the captions: characters or subwords (both learn with the discriminator and
        need no download) or minilm (a sentence encoder that stays as it is, needs --weights).
    weights: the folder of the sentence encoder's model.safetensors and tokenizer.json, or hub to
        download both (91 MB).
    architecture: dcgan as in the paper, or fusion: the text goes into every map of the generator,
        and both networks learn shapes sooner; a step costs up to half as much again.
    embedding: numbers of a caption's embedding (not of minilm).
    compressed: size to which each network compresses the embedding.
    interpolation: share of the generator's updates whose texts lie halfway between two captions.
    candidates: captions of the batch among which the wrong text is the one most like the right;
        1 draws it uniformly, as in the paper.
    contrast: weight of the loss that matches captions and images of a batch.
    generator_contrast: weight of the same loss for the generator, as a share of --contrast.
    lr: learning rate of both players' Adam, and of an encoder that learns.
    generator_lr: learning rate of the generator, if not the same; 0 for the same.
    """
    refuse(
        not contrast and generator_contrast != 1,
        f"--generator-contrast {generator_contrast:g}: it is a share of --contrast, which is 0: "
        "leave it out",
    )
    refuse(
        encoder == "minilm" and embedding != 128,
        f"--embedding {embedding}: the minilm encoder has its own size: leave it out",
    )
    reader = encoder_of(encoder, weights, embedding)
    sizes = map_sizes(spec.height, spec.width)
    start = (*sizes[-1], map_channels(sizes, spec.channels, width)[-1])
    norm: Norm | None = BatchNorm2d if mixes_images(regularizers) else None
    make_generator, make_discriminator = NETWORKS[architecture]
    discriminator = make_discriminator(spec.shape, width, norm)
    discriminator.score = TextHead(start, reader.outputs, compressed, norm)
    conditioning = Captions(
        spec.caption_bytes, reader, discriminator.outputs if contrast else 0, interpolation
    )
    drawing = make_generator(latent + compressed, spec.shape, width)
    return TextToImage(
        spec,
        TextGenerator(latent, reader.outputs, compressed, drawing),
        discriminator,
        NonSaturating(smoothing),
        conditioning=conditioning,
        regularizers=[
            MatchingAware(contrast, candidates, generator_contrast),
            *regularizers_of(regularizers),
        ],
        optimizers=(adam(lr, beta1), adam(generator_lr or lr, beta1)),
    )
