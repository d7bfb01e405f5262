"""Sizes by name: every recipe has them, they can be built, and what is given wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import genarium
from genarium import recipes
from genarium.contract import Spec
from genarium.errors import UserError
from genarium.runs import presets
from genarium.runs.building import build
from genarium.runs.configuration import resolve
from tests.conftest import RECIPES, tiny_dataset

SHAPES = {"quick": (1, 28, 28), "standard": (3, 32, 32), "large": (3, 64, 64), "paper": (3, 64, 64)}


def spec_of(shape: tuple[int, int, int]) -> Spec:
    return Spec(*shape, ("a", "b"), second=shape, paired=True, caption_bytes=16)


def chosen(
    name: str, preset: Any, *, side: int = 32, images: int = 5000, gpu: bool = False, **given: Any
) -> dict[str, Any]:
    recipe, spec = recipes.get(name), spec_of((3, side, side))
    layer = presets.chosen(preset, recipe, spec, images, accelerated=gpu, given=given)
    return {**layer["arguments"], **layer["training"]}


@pytest.mark.parametrize("preset", SHAPES)
@pytest.mark.parametrize("name", RECIPES)
def test_each_can_be_built(name: str, preset: Any) -> None:
    recipe, spec = recipes.get(name), spec_of(SHAPES[preset])
    if preset == "paper" and name not in presets.PAPER:
        with pytest.raises(UserError, match=f"the sizes of {name} in its paper are not known"):
            presets.chosen(preset, recipe, spec, 800, accelerated=False, given={})
        return
    assert presets.SIZES[name], "each recipe of the package says what makes its networks large"
    for shape in SHAPES.values():
        layer = presets.chosen(preset, recipe, spec_of(shape), 800, accelerated=False, given={})
        config = resolve(recipe, layer)  # the names and values are good
    if name == "pix2pix" and spec.height == 28:
        with pytest.raises(UserError, match="give --size 24 or 32"):
            build(recipe, spec, config.arguments, 0)
        return
    try:
        with torch.device("meta"):  # takes no memory
            model = build(recipe, spec, config.arguments, 0)
    except RuntimeError:  # looks at a value
        model = build(recipe, spec, config.arguments, 0)
    assert model.phases


@pytest.mark.parametrize("name", RECIPES)
def test_they_grow(name: str) -> None:
    sizes = [chosen(name, preset) for preset in ("quick", "standard", "large")]
    for size in sizes[0].keys() & {*presets.SIZES[name]}:
        values = [each[size] for each in sizes]
        assert values == sorted(values)
    assert sizes[0]["steps"] < sizes[1]["steps"] < sizes[2]["steps"]
    assert sizes[0]["batch"] <= sizes[1]["batch"]


def test_they_follow_the_images_and_the_device() -> None:
    assert chosen("wgan-gp", "quick") == {"width": 16, "batch": 64, "steps": 2000}
    assert chosen("wgan-gp", "quick", gpu=True)["width"] == 32
    assert chosen("wgan-gp", "quick", side=128)["width"] == 8
    assert chosen("wgan-gp", "quick", side=128, gpu=True)["width"] == 32
    assert chosen("wgan-gp", "standard") == {"width": 32, "batch": 64, "steps": 5000}
    # 100 images: a quarter of them a step, and no more than 100 epochs or 500 steps
    assert chosen("wgan-gp", "quick", images=100) == {"width": 16, "batch": 16, "steps": 625}
    assert chosen("wgan-gp", "quick", images=20) == {"width": 16, "batch": 4, "steps": 500}
    assert chosen("wgan-gp", "standard", images=100)["steps"] == 400 * 100 // 16
    assert chosen("wgan-gp", "quick", images=2)["batch"] == 1


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("wgan-gp", {"width": 12}, {"batch": 64, "steps": 2000}),
        ("wgan-gp", {"minutes": 10.0}, {"width": 16, "batch": 64}),
        ("wgan-gp", {"steps": 7, "batch": 32}, {"width": 16}),
        ("vae", {"net": "dense"}, {"hidden": 256, "batch": 64, "steps": 2000}),
        ("vae", {"net": "conv", "layers": 0}, {"width": 16, "batch": 64, "steps": 2000}),
        ("gan", {}, {"width": 256, "batch": 64, "steps": 2000}),
        ("gan", {"architecture": "dcgan"}, {"width": 16, "batch": 64, "steps": 2000}),
        ("pix2pix", {"gan": 0.0}, {"width": 16, "batch": 1, "steps": 2000}),
    ],
)
def test_what_is_given_wins(name: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert chosen(name, "quick", **given) == expected
    recipe = recipes.get(name)
    own = {key: value for key, value in given.items() if key in recipe.parameters()}
    build(
        recipe,
        spec_of((3, 32, 32)),
        {**recipe.defaults(), **expected_arguments(recipe, expected), **own},
        0,
    )


def expected_arguments(recipe: recipes.Recipe, settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key in recipe.parameters()}


def test_the_paper_s_sizes_are_of_its_own_networks() -> None:
    assert chosen("gan", "paper") == {"latent": 100, "width": 1200, "batch": 100}
    assert chosen("gan", "paper", architecture="dcgan") == {"latent": 100, "batch": 100}
    assert chosen("vae", "paper")["net"] == "dense"


def test_a_run_stores_settings_and_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from genarium.cli import main

    out = tmp_path / "run"
    file = tmp_path / "c.yaml"
    file.write_text("recipe: dcgan\narguments: {latent: 3}\ntraining: {batch: 4}\n")
    command = f"train --config {file} --data shapes:n=96 --size 16 --preset quick --out {out}"
    assert main([*command.split(), "--steps", "2", "--device", "cpu"]) == 0
    assert "--preset quick is here --width 16" in capsys.readouterr().err
    run = genarium.load(out)
    arguments, training = run.config["arguments"], run.config["training"]
    assert (arguments["width"], arguments["latent"]) == (16, 3)
    assert (training["batch"], training["steps"]) == (4, 2)
    assert "preset" not in (out / "config.yaml").read_text()
    assert genarium.resume(out, steps=3).step == 3


def test_an_own_recipe_keeps_its_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    dcgan = recipes.get("dcgan")

    @recipes.recipe(tiny={}, batch=512, steps=9)
    def mine(spec: Spec, *, width: int = 7) -> Any:
        """One of mine."""
        return dcgan(spec, width=width)

    layer = presets.chosen("large", mine, spec_of((3, 32, 32)), 1000, accelerated=True, given={})
    assert layer == {"arguments": {}, "training": {"batch": 128, "steps": 7812}}


def test_a_misspelt_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="preset 'fast'"):
        genarium.train("dcgan", tiny_dataset(), out=tmp_path / "r", preset="fast")  # type: ignore[arg-type]
