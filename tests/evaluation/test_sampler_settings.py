"""Settings of samplers in all that draws: what is drawn, labels, bases of scores, refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import genarium
from genarium import recipes, verbs
from genarium.cli import main
from genarium.contract import Model, capabilities, from_levels
from genarium.errors import UserError
from genarium.evaluation.draws import Draws
from genarium.evaluation.scores.score import SETTINGS, Score, Scores, differences
from genarium.models.autoregressive.autoregressive import Autoregressive, Temperature
from genarium.models.autoregressive.heads import tempered
from genarium.models.gan.gan import GAN, Truncation, truncated
from genarium.models.vae.prior import Prior
from genarium.runs.building import build
from genarium.runs.parts import as_set
from genarium.runs.trained import Trained
from tests.conftest import short_runs, tiny_spec

DRAWS = ("sample", "evaluate", "compare", "interpolate", "traverse", "arithmetic", "manifold")
QUICK = {"n": 8, "metrics": "kid"}


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fresh(name: str) -> Model:
    recipe = recipes.get(name)
    return build(recipe, tiny_spec(), recipe.tiny, seed=0).eval()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    return short_runs(tmp_path_factory.mktemp("runs"), ("dcgan", "vae", "pixelcnn", "autoencoder"))


# -- what is drawn --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(recipes.catalogue()))
def test_codes_follow_the_settings_as_samples_do(name: str) -> None:
    model = fresh(name)
    if model.settings is None or not {"prior", "decode"} <= {*capabilities(model)}:
        return
    value = model.settings(*([2] if "steps" in model.settings.__dataclass_fields__ else [0.3]))
    z = model.prior(3, seeded(), settings=value)  # type: ignore[operator]
    with_them = as_set(model.decode, value)  # type: ignore[arg-type]
    made = model.decode(z, **with_them)  # type: ignore[operator]
    assert torch.equal(made, model.sample(3, generator=seeded(), settings=value))  # type: ignore[operator]
    plain = model.prior(3, seeded())  # type: ignore[operator]
    assert torch.equal(plain, model.prior(3, seeded(), settings=model.settings()))  # type: ignore[operator]
    # the settings are of the codes, or of the way from a code to its image: TarFlow has one of each
    moves = not torch.equal(plain, z)
    assert moves or with_them
    assert not (moves and with_them) or name == "tarflow"


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_completions_have_the_tempered_probabilities(temperature: float) -> None:
    """The last pixel, all others kept, over every quantile of the noise."""
    model = fresh("pixelcnn")
    assert isinstance(model, Autoregressive)
    image = torch.randint(256, (1, *model.spec.shape), generator=seeded(), dtype=torch.uint8)
    levels = model.quantize(image)
    outputs = model.network(model._embed(levels), None, None)[0, :, -1, -1]
    p = model.head.probabilities(outputs[-model.head.outputs :][None])[0].double()
    p = p ** (1 / temperature)
    p /= p.sum()
    keep = torch.ones(model.spec.height, model.spec.width, dtype=torch.bool)
    keep[-1, -1] = False
    each = 400
    result = model.complete(
        image.expand(each, -1, -1, -1),
        keep,
        generator=seeded(),
        settings=Temperature(temperature),
    )
    noise = torch.rand(each, *model.spec.shape, generator=seeded())[:, -1, -1, -1]
    same = tempered(model.head, temperature)
    wanted = same(outputs[-model.head.outputs :].expand(each, -1), noise)
    assert torch.equal(result[:, -1, -1, -1], from_levels(wanted, model.levels))
    shares = torch.bincount(wanted, minlength=model.levels) / each
    assert (shares - p).abs().max() < 4 * (0.25 / each) ** 0.5
    kept = from_levels(levels, model.levels).expand(each, -1, -1, -1)
    assert torch.equal(result[..., keep], kept[..., keep])


def test_cold_completions_are_the_mode() -> None:
    model = fresh("pixelcnn")
    assert isinstance(model, Autoregressive)
    images = torch.zeros(2, *model.spec.shape, dtype=torch.uint8)
    keep = torch.zeros(model.spec.height, model.spec.width, dtype=torch.bool)
    cold = Temperature(1e-5)
    one, other = (model.complete(images, keep, generator=seeded(s), settings=cold) for s in (1, 2))
    assert torch.equal(one, other)
    levels = torch.zeros(1, *model.spec.shape, dtype=torch.int64)
    for row in range(model.spec.height):  # the likeliest level, pixel by pixel
        for column in range(model.spec.width):
            outputs = model.network(model._embed(levels), None, None)[0, :, row, column]
            levels[0, 0, row, column] = model.head.probabilities(outputs[None])[0].argmax()
    assert torch.equal(one[:1], from_levels(levels, model.levels))


@pytest.mark.parametrize("given", [None, {}, {"truncation": None}, {"truncation": 0.5}])
def test_the_samples_that_are_scored_are_those_that_sample_draws(
    given: dict[str, Any] | None, runs: dict[str, Trained]
) -> None:
    run = runs["dcgan"].with_settings(given)
    assert isinstance(run.model, GAN)
    drawn = Draws(run.model, 5, settings=run.settings).draw(4)
    z = run.model.prior(4, seeded(5))
    if given and given["truncation"]:
        z = torch.cat([truncated(z[:, : run.noise], 0.5), z[:, run.noise :]], 1)
    assert torch.equal(drawn, run.model.decode(z))
    assert runs["dcgan"].settings is None  # the run that was given stays as it is


def test_default_settings_change_no_score_to_the_bit(runs: dict[str, Trained]) -> None:
    plain = genarium.evaluate(runs["vae"], **QUICK).to_dict()
    same = genarium.evaluate(runs["vae"], temperature=1.0, **QUICK).to_dict()
    warm = genarium.evaluate(runs["vae"], temperature=2.0, **QUICK).to_dict()

    def kept(scores: dict[str, Any]) -> list[Any]:
        return [row for row in scores["rows"] if row["name"] != "samples/s"]

    assert kept(plain) == kept(same)
    assert plain["context"] == same["context"]
    changed = {a["name"] for a, b in zip(kept(plain), kept(warm)) if a["value"] != b["value"]}
    assert changed == {row["name"] for row in kept(plain) if "reference split" in row["basis"]}


# -- labels and bases -----------------------------------------------------------------------------


def test_label_and_basis_say_the_settings(
    runs: dict[str, Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = runs["dcgan"], tmp_path / "scores.json"
    words = [str(run.path), "-n", "8", "--metrics", "kid", "--device", "cpu"]
    assert main(["evaluate", *words, "--truncation", "0.7", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("dcgan (truncation 0.7): dcgan at step 1\n")
    saved = json.loads(out.read_text())
    assert saved["context"]["settings"] == {"truncation": 0.7}
    of_samples = [row for row in saved["rows"] if "samples" in row["basis"]]
    assert of_samples
    assert {row["basis"][SETTINGS] for row in of_samples} == {"truncation 0.7"}
    (size,) = (row for row in saved["rows"] if row["name"] == "parameters")
    assert SETTINGS not in size["basis"]


def test_scores_of_other_settings_are_not_compared() -> None:
    basis = {"samples": 8}
    old = Score("KID", 1.0, 0.1, "lower", basis=basis)  # of before there were settings
    same = Scores.from_dict(json.loads(Scores([old], {}).to_json())).rows[0]
    cut = Score("KID", 9.0, 0.1, "lower", basis={**basis, SETTINGS: "truncation 0.7"})
    assert differences(old, same) == []
    assert differences(old, cut) == [f"{SETTINGS} default against truncation 0.7"]


def test_compare_says_who_sampled_how(
    runs: dict[str, Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    words = [str(runs[name].path) for name in ("dcgan", "vae")]
    flags = ["-n", "8", "--metrics", "kid", "--truncation", "0.7", "--device", "cpu"]
    assert main(["compare", *words, *flags, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "dcgan (truncation 0.7)" in told
    assert re.search(r"KID.*cannot tell \(not measured alike: .*truncation 0.7 against", told)
    assert "dcgan (truncation 0.7)" in out.read_text()
    results = json.loads((tmp_path / "results.json").read_text())
    named = {run["name"]: run["settings"] for run in results["runs"]}
    assert named == {"dcgan (truncation 0.7)": {"truncation": 0.7}, "vae": {}}
    assert not any(name.startswith("KID") for name in results["best"])


def test_one_run_beside_itself_with_other_settings(runs: dict[str, Trained]) -> None:
    run = runs["vae"]
    both = genarium.compare([run, run.with_settings({"temperature": 0.5})], **QUICK)
    assert [report.name for report in both.reports] == ["vae", "vae (temperature 0.5)"]
    assert not torch.equal(*(report.samples for report in both.reports))


def test_images_of_a_run_against_others_are_drawn_so_too(
    runs: dict[str, Trained], tmp_path: Path
) -> None:
    result = genarium.evaluate(runs["dcgan"], against="digits", truncation=0.7, **QUICK)
    assert result.title.startswith("dcgan (truncation 0.7)")
    assert result.rows[0].basis[SETTINGS] == "truncation 0.7"


# -- other verbs ----------------------------------------------------------------------------------


def test_walks_between_samples_are_walks_between_those_of_the_settings(
    runs: dict[str, Trained],
) -> None:
    run = runs["dcgan"].with_settings({"truncation": 0.5})
    walks = genarium.interpolate(runs["dcgan"], start="0", end="3", steps=2, truncation=0.5)
    assert torch.equal(walks.codes[0], run.codes(64)[[0, 3]])
    assert torch.equal(run.decode(run.codes(4)), run.sample(4))
    plane = genarium.manifold(runs["vae"], side=2, dimensions=(0, 1), temperature=0.0)
    assert plane.images.shape[:2] == (2, 2)


def test_complete_and_study_take_settings(runs: dict[str, Trained], tmp_path: Path) -> None:
    run = runs["pixelcnn"]
    made = genarium.complete(run, "test:0-1", draws=2, temperature=1e-5)
    assert torch.equal(made.images[:, 0], made.images[:, 1])
    assert made.to_dict()["settings"] == {"temperature": 1e-5}
    both = [runs["dcgan"], runs["vae"]]
    study = genarium.create_study(
        both, out=tmp_path / "study", n=2, practice=0, show=1, truncation=0.7
    )
    assert study.to_dict()["models"] == ["dcgan (truncation 0.7)", "vae"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["evaluate", "dcgan", "--temperature", "1"], "--temperature 1: .*has --truncation only"),
        (["evaluate", "dcgan", "--truncation", "0"], "--truncation '0': give a number above 0"),
        (["evaluate", "autoencoder", "--truncation", "1"], "which cannot sample"),
        (["compare", "vae", "dcgan", "--sharpness", "5"], "flag --sharpness is unknown"),
        (["compare", "vae", "dcgan", "--steps", "5"], "--steps 5: .* leave it out"),
        (["compare", "vae", "--truncation", "1"], "--truncation 1: .*has --temperature only"),
        (["complete", "pixelcnn", "--truncation", "1"], "--truncation 1: .*--temperature only"),
        (["study create", "vae", "--truncation", "1"], "--truncation 1: .*--temperature only"),
        (
            ["interpolate", "vae", "--from", "test:0", "--to", "test:1", "--temperature", "2"],
            "--temperature 2: no name is that of samples: leave it out",
        ),
        (["traverse", "vae", "--from", "test:0", "--temperature", "2"], "no name is that of"),
    ],
)
def test_settings_that_cannot_act_are_refused(
    words: list[str],
    reason: str,
    runs: dict[str, Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    verb, *rest = words
    rest = [str(runs[word].path) if word in runs else word for word in rest]
    assert main([*verb.split(), *rest]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(reason, line), line
    assert list(tmp_path.iterdir()) == []


OWN = '''
from dataclasses import dataclass
from genarium.contract import Settings

@dataclass(frozen=True)
class Mine(Settings):
    """How it samples.

    steps: of the sampler.
    brightness: the grey value.
    """

    steps: int = 50
    brightness: float = 0.0
'''


def test_what_a_verb_calls_so_itself_stays_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler may have `steps`; those of a walk are its images."""
    (tmp_path / "own_sampler_with_steps.py").write_text(OWN)
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    made = {}
    for function in (genarium.interpolate, genarium.evaluate):
        verb = verbs.of(function)
        made[verb.name] = verbs.Verb(verb.function, verb.name, verb.group, verbs.More()).arguments
    assert made["interpolate"]["steps"].help == "images a row, ends included."
    assert made["interpolate"]["steps"].default == 10
    assert made["evaluate"]["steps"].help.endswith("; of the sampler (default: 50)")
    assert "brightness" in made["interpolate"]
    order = [*made["interpolate"]]
    assert order.index("run") < order.index("device") < order.index("temperature")


def test_images_by_themselves_have_no_sampler() -> None:
    images = torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
    with pytest.raises(UserError, match=r"^truncation 1: given images is no run folder"):
        genarium.evaluate(images, against="digits", truncation=1)


def test_the_words_of_settings() -> None:
    assert str(Truncation()) == str(Temperature()) == str(Prior(1)) == ""
    assert str(Truncation(0.7)) == "truncation 0.7"
    assert Prior(0.0).changed() == {"temperature": 0.0}
