"""What every test may use: tiny data, every recipe at its tiny size."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch

import genarium
from genarium import recipes, verbs
from genarium.contract import EIGHT_BIT, Spec, Values
from genarium.data import Dataset, text
from genarium.data.dataset import Split
from genarium.models.gan.composition import REGULARIZERS
from genarium.runs.trained import Trained
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

# Commands that tests start inherit what is ignored here, as it is under `nohup` or in the
# background of a script, and would never be stopped by the signals that tests send them.
for _number, _usual in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor fill the user's cache, and no test but its own waits until the sampler
    of the extra `fast` has been compiled into it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GENARIUM_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("GENARIUM_FAST", "0")
    yield
    patch.undo()


def tiny_spec(
    channels: int = 1, size: int = 16, values: Values = EIGHT_BIT, second: Values = EIGHT_BIT
) -> Spec:
    shape = (channels, size, size)
    return Spec(
        *shape,
        ("dark", "light"),
        second=shape,
        paired=True,
        caption_bytes=16,
        values=values,
        second_values=second,
    )


def tiny_images(spec: Spec, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Blurred blobs in two brightnesses: images with structure, labels = brightness."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (n,), generator=generator)
    coarse = torch.rand(n, spec.channels, 4, 4, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (spec.height, spec.width), mode="bilinear")
    images = fine * (80 + 120 * labels.view(-1, 1, 1, 1))
    return images.to(torch.uint8), labels


def tiny_dataset(
    channels: int = 1,
    size: int = 16,
    n: int = 64,
    values: Values = EIGHT_BIT,
    second: Values = EIGHT_BIT,
) -> Dataset:
    """values, second: how the images and those of the second domain are stored."""
    spec = tiny_spec(channels, size, values, second)
    splits = [Split(*tiny_images(spec, n, seed)) for seed in range(3)]
    for split in splits:  # its pair: the same picture turned over and inverted
        split.extra["b"] = second.stored(EIGHT_BIT.signed(255 - split.images.flip(2)))
        split.images = values.stored(EIGHT_BIT.signed(split.images))
        assert split.labels is not None
        words = [("a dark one\nnight", "a light one")[label] for label in split.labels.tolist()]
        split.captions = [f"{word} {number % 4}" for number, word in enumerate(words)]
        rows = text.table(split.captions, spec.caption_bytes, 2)
        split.extra["captions"] = torch.from_numpy(rows)
    return Dataset("tiny", spec, "0" * 64, {"source": "tiny"}, *splits)


def make_trainer(
    name: str,
    dataset: Dataset,
    *,
    batch: int = 8,
    seed: int = 0,
    arguments: dict[str, object] | None = None,
    **options: object,
) -> Trainer:
    """A trainer of the recipe's tiny size, on the CPU, that keeps nothing on disk.

    arguments: of the recipe, beside those of its tiny size.
    """
    from genarium.runs.building import build

    recipe = recipes.get(name)
    model = build(recipe, dataset.spec, {**recipe.tiny, **(arguments or {})}, seed)
    settings: dict[str, object] = {"steps": 4, "device": "cpu", **options}
    train = dataset.train
    known = (dataset.spec.values, dataset.spec.second_values)
    extra, unpaired = dict(train.extra), dict(train.unpaired)
    data = TrainingData(train.images, train.labels, extra, unpaired, *known)
    return Trainer(model, data, TrainOptions(batch=batch, seed=seed, **settings))  # type: ignore[arg-type]


SOURCES = {
    "pairs": "shape-masks:n=96",
    "domains": "shape-domains:n=96",
    "captions": "shapes:n=96",
}


def source_of(name: str) -> str:
    """A data set of the package that has what a recipe needs."""
    return next((SOURCES[n] for n in recipes.get(name).needs if n in SOURCES), "digits")


def short_runs(where: Path, names: Iterable[str]) -> dict[str, Trained]:
    """A run of one step on digits of 16 pixels, of each recipe at its tiny size."""
    return {
        name: genarium.train(
            name,
            data="digits",
            size="16",
            steps=1,
            batch=8,
            out=where / name,
            **recipes.get(name).tiny,
        )
        for name in names
    }


@pytest.fixture
def dataset() -> Dataset:
    return tiny_dataset()


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


RECIPES = sorted(recipes.catalogue())

VERBS = tuple(verbs.catalogue())
"""Every verb as the command has it: "sample", "study create"."""

CASES: dict[str, tuple[str, dict[str, object]]] = {
    **{name: (name, {}) for name in RECIPES},
    # of pictures masked this small a bias before batch norm has no gradient but rounding errors, of
    # which Adam makes steps; the strided net is `autoencoder`'s
    "denoising-autoencoder": ("denoising-autoencoder", {"net": "conv"}),
    "gan-dcgan": ("gan", {"architecture": "dcgan", "width": 2}),
    "gan-residual": ("gan", {"architecture": "residual", "width": 2}),
    "gan-resize": ("gan", {"architecture": "resize", "width": 2, "latent": 4}),
    "fast-gan-adaptive": ("fast-gan", {"regularizers": ("diffaugment:flip+affine:adaptive",)}),
    "gan-packing": ("gan", {"packing": 2}),
    "infogan-invariance": ("infogan", {"invariance": 1.0}),
    "gan-minimax": ("gan", {"objective": "minimax"}),
    "text-to-image-fusion": (
        "text-to-image",
        {"architecture": "fusion", "encoder": "subwords"},
    ),
    "glow-conditional": ("glow", {"condition": "class", "dequantization": "variational"}),
    "tarflow-noisy": ("tarflow", {"condition": "class", "noise": 0.1}),
    "flow-matching-transformer": (
        "flow-matching",
        {"network": "transformer", "prediction": "image", "times": "uniform"},
    ),
    "flow-matching-likelihood": ("flow-matching", {"times": "likelihood", "fourier": True}),
    "flow-matching-refined": ("flow-matching", {"patch": 2, "refine": 4}),
    "flow-matching-optimal": ("flow-matching", {"pairing": "optimal"}),
    "flow-matching-classes": (
        "flow-matching",
        {"condition": "class", "dropped": 0.5, "path": "cosine", "prediction": "noise"},
    ),
    "vae-dense": ("vae", {"net": "dense", "activation": "tanh", "width": 16, "hidden": 16}),
    "vae-free-bits": ("vae", {"free_bits": 0.5}),
    "vae-logistic": ("vae", {"decoder": "logistic"}),
    "gan-wasserstein": (
        "gan",
        {"objective": "wasserstein", "critic_steps": 2, "regularizers": ("weight-clipping",)},
    ),
    "gan-packed-penalty": (
        "gan",
        {"objective": "wasserstein", "packing": 2, "regularizers": ("gradient-penalty:5",)},
    ),
    **{
        f"gan-{regularizer}": (
            "gan",
            {"architecture": "dcgan", "width": 2, "regularizers": (regularizer,)},
        )
        for regularizer in sorted(REGULARIZERS)
    },
}
"""Every recipe, every value of the adversarial axes and the VAE's own: a recipe and arguments
beside its tiny ones, by name."""
