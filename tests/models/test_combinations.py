"""The matrix objective × regularizers × architecture × packing × conditioning: each cell trains, or
is refused in one line that says why."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import genarium
from genarium import recipes
from genarium.cli import main
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Labels
from genarium.models.gan.gan import GAN
from genarium.models.gan.latent_codes import Codes
from genarium.models.gan.networks.packing import Packed
from genarium.models.gan.regularizers import R1, DiffAugment, MinibatchDiscrimination
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genarium.runs.building import build
from genarium.runs.configuration import recipe_fields, resolve, route
from genarium.signatures import bare
from tests.conftest import tiny_dataset, tiny_spec

OBJECTIVES = (
    "minimax",
    "non-saturating",
    "least-squares",
    "hinge",
    "wasserstein",
    "relativistic",
)
ARCHITECTURES = ("dense", "dcgan", "residual", "resize")
NAMES = (
    "diffaugment",
    "feature-matching",
    "gradient-penalty",
    "minibatch-discrimination",
    "r1",
    "spectral-norm",
    "weight-clipping",
)
SMALL = {"minibatch-discrimination": "minibatch-discrimination:3:2"}
SETS = [
    (),
    *((name,) for name in NAMES),
    *((name, name) for name in NAMES),
    *itertools.permutations(NAMES, 2),
    ("diffaugment", "feature-matching", "minibatch-discrimination", "spectral-norm"),
]
LIPSCHITZ = {"gradient-penalty", "spectral-norm", "weight-clipping"}
DATA = tiny_dataset()


def reasons(
    regularizers: tuple[str, ...], objective: str = "", smoothing: float = 0.0
) -> list[str]:
    """What a cell may be refused for, in words of its error; none: it must train."""
    results, chosen = [], {*regularizers}
    if len(chosen) < len(regularizers):
        results.append("twice: keep one")
    if len(chosen & LIPSCHITZ) > 1:
        results.append("both bound the critic's slope")
    if {"r1", "gradient-penalty"} <= chosen:
        results.append("one asks for slope 0 at the data, the other for slope 1")
    if "minibatch-discrimination" in chosen and chosen & {"r1", "gradient-penalty"}:
        results.append("each logit depends on the whole batch")
    both = [name for name in regularizers if name in ("spectral-norm", "minibatch-discrimination")]
    if both == ["spectral-norm", "minibatch-discrimination"]:
        results.append("name it after")
    if objective == "minimax" and "feature-matching" in chosen:
        results.append("which feature matching replaces")
    if objective == "wasserstein" and not chosen & (LIPSCHITZ | {"r1"}):
        results.append("has no minimum unless its slope is bounded")
    if objective in ("hinge", "wasserstein", "relativistic") and smoothing:
        results.append("it moves the target of real images")
    return results


def made(recipe: str, regularizers: tuple[str, ...], **arguments: Any) -> GAN:
    result = recipes.get(recipe)
    tiny = {k: v for k, v in result.tiny.items() if k != "width"}
    arguments = {
        "regularizers": tuple(SMALL.get(name, name) for name in regularizers),
        **tiny,
        **arguments,
    }
    return build(result, DATA.spec, {"width": 2, **arguments}, seed=1)  # type: ignore[return-value]


def made_or_refused(
    cell: str, expected: list[str], recipe: str, regularizers: tuple[str, ...], **arguments: Any
) -> GAN | None:
    """The model of a cell; None where it is refused for one of the reasons that are expected."""
    try:
        model, said = made(recipe, regularizers, **arguments), ""
    except UserError as error:
        model, said = None, str(error)
    if not expected:
        assert model is not None, f"{cell}: {said}"
        return model
    assert any(reason in said for reason in expected), f"{cell}: {said!r}, not {expected}"
    assert said.startswith("--")
    assert "\n" not in said
    return None


def train(model: GAN) -> None:
    """Two steps of both players: losses are finite, each parameter gets a gradient and moves."""
    optimizers = {
        phase.name: torch.optim.SGD(
            [p for net in phase.nets for p in getattr(model, net).parameters() if p.requires_grad],
            lr=1e-3,
        )
        for phase in model.phases
    }
    model.train()
    extra = {key: rows[:8] for key, rows in DATA.train.extra.items()}
    for step in range(2):
        for phase in model.phases:
            batch = Batch(DATA.train.images[:8], DATA.train.labels[:8], Noise(step, 8), extra)
            losses = model.step(batch, phase.name).losses
            assert all(bool(value.isfinite()) for value in losses.values())
            optimizers[phase.name].zero_grad()
            sum(losses.values()).backward()
            for group in optimizers[phase.name].param_groups:
                assert all(p.grad is not None for p in group["params"])
                assert any(bool((p.grad != 0).any()) for p in group["params"])
            optimizers[phase.name].step()
            model.after(phase.name)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_cell_of_gan_trains_or_is_refused_with_the_reason(
    architecture: str, objective: str
) -> None:
    for regularizers, packing, smoothing in itertools.product(SETS, (1, 2), (0.0, 0.1)):
        expected = reasons(regularizers, objective, smoothing)
        axes: dict[str, Any] = {"architecture": architecture, "objective": objective}
        axes |= {"packing": packing, "smoothing": smoothing}
        cell = f"{axes} {regularizers} {packing} {smoothing}"
        model = made_or_refused(cell, expected, "gan", regularizers, **axes)
        if model is not None and len(regularizers) <= 1 and not smoothing:
            train(model)


@pytest.mark.parametrize("recipe", ["dcgan", "cgan", "infogan", "text-to-image"])
def test_each_cell_of_the_conditions_trains_or_is_refused_with_the_reason(recipe: str) -> None:
    for regularizers in SETS:
        expected = reasons(regularizers)
        if recipe == "text-to-image" and "minibatch-discrimination" in regularizers:
            expected.append("it replaces the layers that read the text")
        model = made_or_refused(f"{recipe} {regularizers}", expected, recipe, regularizers)
        if model is not None and len(regularizers) <= 1:
            train(model)


def test_a_run_that_was_made_before_its_combination_was_refused_still_loads() -> None:
    old = {"regularizers": ("r1", "minibatch-discrimination"), "width": 10, "latent": 4}
    recipe = recipes.get("gan")
    with pytest.raises(UserError, match="keep one"):
        build(recipe, DATA.spec, old, seed=0)
    again = build(recipe, DATA.spec, old, seed=0, stored=True)
    assert len(again.sample(3)) == 3
    with pytest.raises(UserError, match="keep one"):
        build(recipe, DATA.spec, old, seed=0)


def test_an_old_run_folder_loads_and_resumes(tmp_path: Path) -> None:
    arguments = {"objective": "wasserstein", "smoothing": 0.1, "width": 10, "latent": 4}
    options: dict[str, Any] = {"steps": 1, "batch": 8, "device": "cpu", **arguments}
    with recipes.of_a_run():  # as a version did that knew no refusal
        genarium.train("gan", DATA, out=tmp_path / "old", **options)
    assert genarium.load(tmp_path / "old").sample(2).shape == (2, 1, 16, 16)
    assert genarium.resume(tmp_path / "old", data=DATA, steps=2).step == 2
    with pytest.raises(UserError, match="smoothing 0"):
        genarium.train("gan", DATA, out=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


# -- parts put together in Python -------------------------------------------------------------


def test_a_penalty_refuses_batch_norm_in_the_discriminator() -> None:
    spec = Spec(1, 16, 16)
    parts = (DCGANGenerator(3, spec.shape, 2), DCGANDiscriminator(spec.shape, 2))
    with pytest.raises(UserError, match=r"r1.*batch norm in the discriminator.*norm=None"):
        GAN(spec, *parts, regularizers=[R1()])
    GAN(spec, parts[0], DCGANDiscriminator(spec.shape, 2, norm=None), regularizers=[R1()])


def packed(conditioning: Any) -> tuple[Spec, nn.Module, nn.Module]:
    spec = Spec(1, 16, 16, ("a", "b"))
    seen = (1 + conditioning.channels, 16, 16)
    judge = Packed(seen, 2, lambda shape: DCGANDiscriminator(shape, 2, norm=None))
    return spec, DCGANGenerator(3 + conditioning.size, spec.shape, 2), judge


def test_packs_have_labels_but_no_codes_to_be_read() -> None:
    labels = Labels(2)
    train(GAN(*packed(labels), conditioning=labels, regularizers=[R1()]))
    codes = Codes(8, (3,), 0)
    with pytest.raises(UserError, match=r"--packing 2: Codes are read from the features of single"):
        GAN(*packed(codes), conditioning=codes)


def test_wgan_gp_without_its_penalty_is_refused() -> None:
    with pytest.raises(UserError, match="--penalty 0: the critic's loss has no minimum"):
        recipes.get("wgan-gp")(tiny_spec(), width=2, penalty=0.0)


def test_augmentation_of_points_of_the_plane_is_refused() -> None:
    spec = Spec(1, 1, 2)
    with pytest.raises(UserError, match="these data are points of the plane"):
        recipes.get("gan")(spec, regularizers=("diffaugment",), width=10)


def test_a_score_without_bias_keeps_none_that_learns() -> None:
    model = made("gan", ("weight-clipping", "minibatch-discrimination"), objective="wasserstein")
    score = model.discriminator.score.score  # type: ignore[union-attr]
    assert not score.bias.requires_grad
    train(model)


# -- settings ---------------------------------------------------------------------------------


STRENGTHS = [
    ("r1:7", "weight", 7.0),
    ("gradient-penalty:2.5", "weight", 2.5),
    ("weight-clipping:0.2", "limit", 0.2),
    ("feature-matching:0.5", "weight", 0.5),
    ("feature-matching:0.5:beside", "replaces", False),
    ("minibatch-discrimination:7", "kernels", 7),
    ("minibatch-discrimination:7:2", "size", 2),
    ("diffaugment:color+cutout", "policies", ("color", "cutout")),
    ("diffaugment:affine+flip:0.3", "probability", 0.3),
    ("diffaugment:flip:adaptive", "adaptive", True),
]


@pytest.mark.parametrize(("text", "name", "value"), STRENGTHS)
def test_each_strength_is_set_by_flag(text: str, name: str, value: Any) -> None:
    model = made("gan", (text,))
    assert getattr(model.tricks[0], name) == value


WRONG = [
    ("r1:", r"--regularizers r1:: weight '': give a number above 0"),
    ("r1:0", "give a number above 0"),
    ("r1:nan", "give a number above 0"),
    ("r1:inf", "give a number above 0"),
    ("r1:ten", "weight 'ten': give a number above 0"),
    ("r1:1:2", "write r1:WEIGHT"),
    ("spectral-norm:2", "it has no setting"),
    ("minibatch-discrimination:2.5", "kernels '2.5': give a whole number above 0"),
    ("minibatch-discrimination:1:0", "size '0': give a whole number above 0"),
    ("feature-matching:1:apart", "give alone or beside"),
    ("diffaugment:colour", r"give some of flip\+color\+translation\+cutout\+affine, each once"),
    ("diffaugment:color:2", "probability '2': give a number above 0 and up to 1, or adaptive"),
    ("diffaugment:color+color", "each once"),
    ("lipschitz", "choose 'diffaugment', .*'r1'"),
    ("spectral_norm", r"--regularizers spectral_norm: did you mean spectral-norm\?"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
@pytest.mark.parametrize("recipe", ["gan", "dcgan", "cgan", "infogan", "text-to-image"])
def test_a_wrong_strength_is_named(recipe: str, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolve(recipes.get(recipe), {"arguments": {"regularizers": text}})
    with pytest.raises(UserError, match=words):
        made(recipe, (text,))


def test_a_run_keeps_its_regularizers_written_out() -> None:
    """So a default that changes later changes no run."""
    given = "r1,diffaugment,feature-matching:0.1"
    config = resolve(recipes.get("gan"), {"arguments": {"regularizers": given}})
    assert config.arguments["regularizers"] == (
        "r1:1",
        "diffaugment:color+translation+cutout:1",
        "feature-matching:0.1:alone",
    )


def test_regularizers_may_have_their_old_name(capsys: pytest.CaptureFixture[str]) -> None:
    """`tricks`, until version 0.1: in files, in Python, and as a flag that no help shows."""
    recipe = recipes.get("gan")
    config = resolve(recipe, {"arguments": {"tricks": "r1"}}, route(recipe, {"tricks": "r1:2"}))
    assert config.arguments["regularizers"] == ("r1:2",)
    assert "tricks" not in config.arguments
    with pytest.raises(UserError, match=r"--tricks is the old name of --regularizers: give one"):
        route(recipe, {"tricks": "r1", "regularizers": "r1"})
    assert main(["train", "gan", "--tricks", "lipschitz"]) == 2
    assert "--regularizers lipschitz: choose" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "gan", "--help"])
    help_of = capsys.readouterr().out
    assert "--regularizers A,B" in help_of
    assert "tricks" not in help_of


def test_every_recipe_with_regularizers_spells_them_alike() -> None:
    kinds = {}
    for name in recipes.catalogue():
        for field in recipe_fields(recipes.get(name)):
            if field.name == "regularizers":
                kinds[name] = (bare(field.type), field.help, field.look)
                assert "r1:WEIGHT" in field.help
    assert kinds.keys() == {"gan", "dcgan", "cgan", "infogan", "fast-gan", "text-to-image"}
    assert len({*kinds.values()}) == 1


def test_regularizers_in_python_are_checked_too() -> None:
    spec = tiny_spec()
    judge = DCGANDiscriminator(spec.shape, 2, norm=None)
    with pytest.raises(UserError, match=r"minibatch-discrimination.*each logit depends"):
        GAN(
            spec,
            DCGANGenerator(3, spec.shape, 2),
            judge,
            regularizers=[DiffAugment(), R1(), MinibatchDiscrimination(3, 2)],
        )
