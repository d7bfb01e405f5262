"""Batch norm's running statistics are of the kind of image that is read by them after training."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from genarium import recipes
from genarium.contract import Batch, Model, Noise
from genarium.nn.norm import BatchNorm2d, unrecorded
from genarium.runs.building import build
from tests.conftest import tiny_dataset

DATA = tiny_dataset()


def batch(seed: int, n: int = 16) -> Batch:
    rows = slice(seed % 3, seed % 3 + n)
    extra = {key: values[rows] for key, values in DATA.train.extra.items()}
    return Batch(DATA.train.images[rows], DATA.train.labels[rows], Noise(seed, n), extra)


def played(name: str, **arguments: object) -> Model:
    """A tiny model whose running statistics are those of the last pass that moved them."""
    recipe = recipes.get(name)
    model = build(recipe, DATA.spec, {**recipe.tiny, **arguments}, seed=0).train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0
    for phase in model.phases:
        model.step(batch(5), phase.name)
    return model


def means(network: nn.Module, run: Callable[[], object]) -> list[tuple[Tensor, Tensor]]:
    """For each batch norm of a network: the mean of what comes in during `run`, and the kept."""
    results: list[tuple[Tensor, Tensor]] = []

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].detach()
        kept: Tensor = norm.running_mean  # type: ignore[assignment]
        results.append((x.mean([d for d in range(x.ndim) if d != 1]), kept.clone()))

    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    assert len(results) == len(norms) > 0
    return results


CASES: list[dict[str, object]] = [
    {},
    {"invariance": 1.0},
    {"regularizers": ("diffaugment",)},
    {"regularizers": ("feature-matching",), "invariance": 1.0},
]


@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_infogan_reads_real_images_with_statistics_of_real_images(
    arguments: dict[str, object],
) -> None:
    model = played("infogan", **arguments)
    read = nn.ModuleList([model.discriminator, model.conditioning.reader])

    def run() -> None:
        with unrecorded(read):
            model.conditioning.reader(model.discriminator.features(batch(5).signed()))

    for of_real, kept in means(read, run):
        torch.testing.assert_close(kept, of_real, rtol=1e-4, atol=1e-5)
    # so a batch is read after training as it was in training, but for the unbiased variance
    with torch.no_grad(), unrecorded(read):
        training = model.conditioning.reader(model.discriminator.features(batch(5).signed()))
        model.eval()
        reading = model.conditioning.reader(model.discriminator.features(batch(5).signed()))
    assert (training - reading).abs().max() < 0.1 * training.abs().max()


@pytest.mark.parametrize("name", ["dcgan", "cgan", "lsgan", "wgan", "improved-gan"])
def test_a_discriminators_statistics_are_of_real_images(name: str) -> None:
    plain = {"regularizers": ()} if name in ("dcgan", "cgan") else {}  # R1 leaves no batch norm
    model = played(name, **plain)
    b = batch(5)

    def run() -> None:
        images = model.conditioning.join(b.signed(), model.conditioning.of_batch(b))
        with unrecorded(model.discriminator):
            model.discriminator.features(images)

    for of_real, kept in means(model.discriminator, run):
        torch.testing.assert_close(kept, of_real, rtol=1e-4, atol=1e-5)


def test_vae_gans_encoder_sees_real_images_alone() -> None:
    model = played("vae-gan")

    def run() -> None:
        with unrecorded(model.encoder):
            model.encoder(batch(5).signed())

    for of_real, kept in means(model.encoder, run):
        torch.testing.assert_close(kept, of_real, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_texts_that_no_caption_has_move_no_statistics(share: float) -> None:
    recipe = recipes.get("text-to-image")
    model = build(recipe, DATA.spec, {**recipe.tiny, "interpolation": share}, seed=0).train()
    norms = [m for m in model.generator.modules() if isinstance(m, _BatchNorm)]
    before = [norm.running_mean.clone() for norm in norms]
    model.step(batch(5), "generator")
    moved = [not torch.equal(norm.running_mean, b) for norm, b in zip(norms, before)]
    assert all(moved) if share == 0 else not any(moved)


def test_unrecorded_normalizes_alike_and_is_undone() -> None:
    norm, x = BatchNorm2d(3).train(), torch.randn(4, 3, 5, 5)
    plain = norm(x)
    kept = norm.running_mean.clone(), norm.running_var.clone()
    with unrecorded(norm):
        norm(x + 1)
        assert torch.equal(norm(x), plain)
    assert torch.equal(norm.running_mean, kept[0])
    assert torch.equal(norm.running_var, kept[1])
    assert norm.momentum == 0.1
