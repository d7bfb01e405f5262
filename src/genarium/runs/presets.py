"""Sizes of networks and budgets by name: `--preset quick | standard | large | paper`.

One rule for the recipes of the package, from what the images, their number and the device are:

- **Networks**: a row of `LADDER` for each argument that says how large a network is. quick begins
  at the second rung, standard and large one and two above; a GPU is one more; pictures of more
  than 96 pixels a side on a CPU one less.
- **Steps**: quick at most 2,000, standard at least 5,000, large at least 20,000 or four times the
  recipe's own, whatever that is; but no more passes over the images than `EPOCHS` says, so that a
  small set is not learned by heart.
- **Batch**: the recipe's (quick: at most 64), and at most a quarter of the training images.

quick is meant for about ten minutes of two CPU cores at 64 pixels, standard for an hour or two of
them or minutes of a GPU, large for a GPU. `train` says how long it will be before it is well under
way. What comes out is plain settings, which flags override; a run stores those, not the name.

paper: the sizes and batch of the recipe's paper (`PAPER`), whatever they cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.recipes import MODELS, Recipe, catalogue
from genarium.training.options import BUDGET

Preset = Literal["quick", "standard", "large", "paper"]

LEVEL = {"quick": 1, "standard": 2, "large": 3}
LADDER: dict[str, tuple[int, ...]] = {
    "width": (8, 16, 32, 64, 96),  # channels of the outermost convolution
    "disc_width": (8, 16, 32, 64, 96),
    "head": (16, 16, 32, 64, 96),
    "blocks": (4, 5, 8, 12, 15),
    "layers": (1, 2, 4, 7, 9),
    "hidden": (128, 256, 512, 1024, 1024),
    "embedding": (64, 96, 128, 192, 256),  # of a transformer
}
DENSE = (128, 256, 512, 1024, 1200)  # units of a layer of the dense GAN
UNITS = (250, 500, 1000, 1000, 2000)  # of a stacked autoencoder
SIZES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("autoencoder", "denoising-autoencoder"), ("width", "hidden")),
    **dict.fromkeys(("vae", "cvae", "iwae"), ("width", "hidden")),
    "stacked-autoencoder": ("hidden",),
    "pixelcnn": ("width", "head", "blocks"),
    **dict.fromkeys(("row-lstm", "diagonal-bilstm"), ("width", "head", "layers")),
    **dict.fromkeys(("gan", "wgan", "wgan-gp", "dcgan", "cgan", "lsgan"), ("width",)),
    **dict.fromkeys(("improved-gan", "vae-gan", "text-to-image", "fast-gan"), ("width",)),
    "infogan": ("width", "hidden"),
    **dict.fromkeys(("pix2pix", "cyclegan"), ("width", "disc_width")),
    **dict.fromkeys(("realnvp", "glow", "spline-flow"), ("width",)),
    "tarflow": ("embedding",),
    **dict.fromkeys(("flow-matching", "ddpm", "edm", "mean-flow"), ("width",)),
}
"""Which arguments of a recipe of the package say how large its networks are."""

DENSE_NETS = ("conv", "dense")  # values of `net` with dense layers
LARGE_PICTURE = 96  # pixels a side
EPOCHS = {"quick": 100, "standard": 400, "large": 1000}
FEWEST_STEPS = 500

DCGAN = {"architecture": "dcgan", "regularizers": (), "width": 64}
PAPER: dict[str, dict[str, Any]] = {
    "gan": {"latent": 100, "width": 1200, "batch": 100},
    "dcgan": {**DCGAN, "latent": 100, "batch": 128},
    "cgan": {**DCGAN, "latent": 100},
    "lsgan": {"width": 64},
    "infogan": {"latent": 62, "width": 64, "hidden": 1024, "batch": 128},
    "wgan": {"width": 64, "critic_steps": 5, "batch": 64},
    "wgan-gp": {"width": 64, "critic_steps": 5, "batch": 64},
    "fast-gan": {"width": 64, "batch": 8},
    "improved-gan": {"kernels": 100, "kernel_size": 5},
    "text-to-image": {"latent": 100, "width": 64, "compressed": 128, "batch": 64},
    "pix2pix": {"width": 64, "disc_width": 64, "patch": 70, "batch": 1},
    "cyclegan": {"width": 64, "disc_width": 64, "patch": 70, "pool": 50, "batch": 1},
    "vae-gan": {"architecture": "dcgan", "width": 64, "lr": 3e-4, "batch": 64, "ema": 0.0},
    "vae": {
        **{"net": "dense", "layers": 1, "hidden": 500, "activation": "tanh", "prior": "fixed"},
        **{"batch": 100, "ema": 0.0},
    },
    "iwae": {
        **{"net": "dense", "layers": 2, "hidden": 200, "activation": "tanh"},
        **{"latent": 50, "prior": "fixed", "batch": 20, "ema": 0.0},
    },
    "stacked-autoencoder": {"layers": 3, "hidden": 1000},
    "realnvp": {"width": 64, "blocks": 8, "couplings": 3, "batch": 64},
    "glow": {"width": 512, "blocks": 1, "couplings": 32, "lr": 1e-3},
    "spline-flow": {
        **{"width": 96, "blocks": 3, "couplings": 7, "bins": 4, "bound": 3.0},
        **{"lr": 5e-4, "batch": 512},
    },
    "tarflow": {"patch": 4, "embedding": 128, "blocks": 4, "layers": 4, "batch": 256},
    "row-lstm": {"layers": 7},
    "diagonal-bilstm": {"layers": 7},
}
"""What the papers say of sizes, as far as the networks here are theirs; docs/ has the rest."""


def chosen(
    name: Preset,
    recipe: Recipe,
    spec: Spec,
    images: int,
    *,
    accelerated: bool,
    given: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """The settings that a preset stands for: a layer of a configuration.

    images: training images. accelerated: whether it computes on a GPU. given: arguments and
    training settings that were asked for; they win, and what does nothing beside them is left out.

    Raises UserError for a preset that this recipe has not.
    """
    if name == "paper":
        result = _of_the_paper(recipe, given)
    else:
        level = LEVEL[name] + accelerated
        level -= not accelerated and max(spec.height, spec.width) > LARGE_PICTURE
        result = {**_networks(recipe, level, given), **_budget(name, recipe, images, given)}
    known = recipe.parameters()
    result = {key: value for key, value in result.items() if key not in given}
    if any(key in given for key in BUDGET):
        result.pop("steps", None)
    return {
        "arguments": {key: value for key, value in result.items() if key in known},
        "training": {key: value for key, value in result.items() if key not in known},
    }


def _of_the_paper(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    if recipe.name not in PAPER or not _of_the_package(recipe):
        having = ", ".join(sorted(PAPER.keys() & catalogue().keys()))
        raise UserError(
            f"--preset paper: the sizes of {recipe.name} in its paper are not known here (those of "
            f"{having} are): choose quick, standard or large"
        )
    known = {*recipe.parameters(), "batch", "ema"}
    # sizes are those of the paper's own networks
    left_out: set[str] = set()
    if "architecture" in given or "net" in given:
        left_out = {"width", "hidden", "layers", "activation"}
    return {k: v for k, v in PAPER[recipe.name].items() if k in known - left_out}


def _networks(recipe: Recipe, level: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of the networks; an own recipe keeps its own, whose meaning is not known here."""
    if not _of_the_package(recipe):
        return {}
    all_given = {**recipe.defaults(), **given}
    unused = {
        "width": all_given.get("net") == "dense",
        # of dense layers alone, which other encoders have not
        "hidden": all_given.get("layers") == 0 or all_given.get("net", "dense") not in DENSE_NETS,
        "disc_width": all_given.get("gan") == 0,
    }
    results = {}
    for name in SIZES.get(recipe.name, ()):
        if name not in recipe.parameters() or unused.get(name):
            continue
        ladder = LADDER[name]
        if recipe.name == "stacked-autoencoder":
            ladder = UNITS
        elif all_given.get("architecture") == "dense":
            ladder = DENSE
        results[name] = ladder[level]
    return results


def _budget(name: str, recipe: Recipe, images: int, given: Mapping[str, Any]) -> dict[str, Any]:
    own = recipe.training
    batch = int(own.get("batch", 128))
    if name == "quick":
        batch = min(batch, 64)
    if 4 * batch > images:
        batch = 1 << max(0, (images // 4).bit_length() - 1)
    steps = int(own.get("steps", 2000))
    steps = {
        "quick": min(steps, 2000),
        "standard": max(steps, 5000),
        "large": max(4 * steps, 20_000),
    }[name]
    most = EPOCHS[name] * images // int(given.get("batch") or batch)
    return {"batch": batch, "steps": min(steps, max(most, FEWEST_STEPS))}


def _of_the_package(recipe: Recipe) -> bool:
    entry = catalogue().get(recipe.name)
    return entry is not None and entry.file.is_relative_to(MODELS)
