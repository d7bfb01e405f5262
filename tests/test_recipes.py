"""What a recipe says of itself: its place in the taxonomy and the defaults of its training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack

import pytest
from annotated_types import Gt

from genarium import recipes
from genarium.contract import Spec
from genarium.errors import UserError
from genarium.recipes import Recipe, recipe
from genarium.runs.configuration import recipe_fields, resolve
from genarium.signatures import Default, Help, check
from genarium.training.options import TrainOptions

FAMILIES = {
    "nonprobabilistic": {"autoencoder", "denoising-autoencoder", "stacked-autoencoder"},
    "explicit/tractable": {"pixelcnn", "row-lstm", "diagonal-bilstm"},
    "explicit/tractable/change of variables": {"realnvp", "glow", "spline-flow", "tarflow"},
    "explicit/approximate": {"vae", "cvae", "iwae"},
    "explicit/path": {"flow-matching", "ddpm", "edm", "mean-flow"},
    "implicit": {
        "gan",
        "dcgan",
        "fast-gan",
        "cgan",
        "lsgan",
        "wgan",
        "wgan-gp",
        "infogan",
        "improved-gan",
        "pix2pix",
        "cyclegan",
        "text-to-image",
    },
    "hybrid": {"vae-gan"},
}


class Shared(TypedDict):
    """What several recipes take."""

    width: Annotated[int, Gt(0), Help("channels."), Default(3)]
    net: Annotated[Literal["a", "b"], Help("which."), Default("a")]


def test_arguments_of_a_group_are_arguments() -> None:
    @recipe(tiny={"width": 1})
    def grouped(spec: Spec, *, own: int = 1, **shared: Unpack[Shared]) -> Any:
        """One of mine.

        net: this one's own words.
        """
        return {"own": own, **shared}

    spec = Spec(1, 4, 4)
    assert grouped.defaults() == {"own": 1, "width": 3, "net": "a"}
    assert grouped(spec) == {"own": 1, "width": 3, "net": "a"}
    assert grouped(spec, width=2, own=5) == {"own": 5, "width": 2, "net": "a"}
    fields = {field.name: field for field in recipe_fields(grouped)}
    assert fields["width"].help == "channels."
    assert fields["net"].help == "this one's own words."
    with pytest.raises(UserError, match="--width 0: give a number above 0"):
        check(fields["width"], 0)
    with pytest.raises(TypeError, match="recipe grouped has no argument 'widht'"):
        grouped(spec, widht=2)


OWN = '''
from genarium import Spec, recipe
from genarium.models.autoencoder.autoencoder import Autoencoder, autoencoder

@recipe({family}tiny={{}})
def {name}(spec: Spec, *, latent: int = 2) -> Autoencoder:
    """One of mine."""
    return autoencoder(spec, latent=latent, width=4)
'''


def test_each_recipe_stands_where_the_theory_puts_it() -> None:
    results: dict[str, set[str]] = {}
    for entry in recipes.catalogue().values():
        results.setdefault("/".join(entry.taxonomy), set()).add(entry.name)
        assert entry.load().family == entry.taxonomy  # what was read is what it says
    assert results == FAMILIES


@pytest.mark.parametrize(
    ("written", "family"), [("", ("yours",)), ('family="explicit/flow", ', ("explicit", "flow"))]
)
def test_an_own_recipe_says_its_family_unimported(
    written: str, family: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"mine_{family[0]}"
    (tmp_path / f"{name}.py").write_text(OWN.format(family=written, name=name))
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    entry = recipes.catalogue()[name.replace("_", "-")]
    assert entry.taxonomy == family
    assert f"genarium_user_{name}" not in sys.modules

    import genarium

    run: Any = genarium.train(entry.name, data="digits", steps=1, batch=2, out=tmp_path / "run")
    assert run.taxonomy == family
    assert json.loads((tmp_path / "run" / "run.json").read_text())["taxonomy"] == list(family)


def test_a_file_that_is_no_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("def (")
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"GENARIUM_PATH.*broken\.py"):
        recipes.catalogue()


def _recipe(**keywords: Any) -> Recipe:
    @recipe(tiny={}, **keywords)
    def some(spec: Spec, *, width: int = 2) -> Any:
        """Some."""

    return some


ALL = {
    "epochs": 2.0,
    "minutes": 1.5,
    "batch": 7,
    "seed": 3,
    "schedule": "cosine",
    "warmup": 5,
    "clip": 1.0,
    "ema": 0.999,
    "flip": True,
    "augment": ("flip", "affine"),
    "precision": "fp32",
    "device": "cpu",
    "threads": 3,
    "channels_last": False,
    "compile": True,
    "log_every": 2,
    "sample_every": 4,
    "checkpoint_every": 6,
    "keep": 9,
    "keep_best": True,
    "patience": 8,
    "monitor": False,
    "tensorboard": True,
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_recipe_defaults_any_option_and_who_trains_has_the_last_word(name: str) -> None:
    own = _recipe(training={name: ALL[name]})
    assert resolve(own).training[name] == ALL[name]
    other = getattr(TrainOptions(), name)
    if other is not None:
        assert resolve(own, {"training": {name: other}}).training[name] == other
    assert set(ALL) | {"steps"} == set(TrainOptions.__dataclass_fields__)


def test_a_budget_that_is_given_replaces_the_recipes() -> None:
    own = _recipe(steps=10, training={"minutes": 3})
    both = resolve(own).training
    assert (both["steps"], both["minutes"], both["epochs"]) == (10, 3, None)
    given = resolve(own, {"training": {"epochs": 1}}).training
    assert (given["steps"], given["minutes"], given["epochs"]) == (None, None, 1)


@pytest.mark.parametrize(
    ("training", "reason"),
    [
        ({"emma": 0.9}, "emma is unknown: did you mean ema"),
        ({"ema": 2}, "ema 2: .*below 1"),
        ({"steps": 0}, "steps 0: .*above 0"),
    ],
)
def test_a_recipes_wrong_default_is_named(training: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        resolve(_recipe(training=training))


def test_what_earlier_runs_do_not_name_is_read_and_said_alike() -> None:
    """The source says it written out, so that a run folder is read without its model."""
    for entry in recipes.catalogue().values():
        assert dict(entry.load().former) == dict(entry.former)
    assert recipes.catalogue()["dcgan"].former == {"architecture": "dcgan"}
