"""Settings of samplers: temperature and truncation in closed form, their flags and refusals."""

from __future__ import annotations

import inspect
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import genarium
from genarium import recipes
from genarium.cli import main
from genarium.contract import CAPABILITIES, Model, Settings, capabilities, draw
from genarium.errors import UserError
from genarium.models.autoregressive.autoregressive import Autoregressive, Temperature
from genarium.models.autoregressive.heads import Head, LogisticMixture, Softmax, tempered
from genarium.models.diffusion import mean_flow
from genarium.models.gan.gan import GAN, Truncation, truncated
from genarium.models.vae.model import VAE
from genarium.models.vae.prior import Prior
from genarium.runs import sampling
from genarium.runs.building import build
from tests.conftest import short_runs, tiny_dataset, tiny_spec

FLAGS = {"pixelcnn": "temperature", "vae": "temperature", "vae-gan": "temperature"}
FLAGS |= {"dcgan": "truncation"}


def fresh(name: str) -> Model:
    recipe = recipes.get(name)
    return build(recipe, tiny_spec(), recipe.tiny, seed=0).eval()


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


# -- what the settings mean ---------------------------------------------------------------------


@pytest.mark.parametrize("head", [Softmax(8), LogisticMixture(8, 2)], ids=["softmax", "logistics"])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_is_the_power_of_each_levels_probability(
    head: Head, temperature: float
) -> None:
    outputs = torch.randn(1, head.outputs, generator=seeded())
    p = head.probabilities(outputs)[0].double() ** (1 / temperature)
    noise = (torch.arange(20_000) + 0.5) / 20_000  # every quantile once
    drawn = tempered(head, temperature)(outputs.expand(len(noise), -1), noise)
    result = torch.bincount(drawn, minlength=8) / len(noise)
    torch.testing.assert_close(result.double(), p / p.sum(), rtol=0, atol=2e-4)


def test_temperature_1_is_the_exact_sampler_itself() -> None:
    head = LogisticMixture(8, 2)
    assert tempered(head, 1.0) == head.choose


@pytest.mark.parametrize("bound", [0.5, 1.0, 3.0])
def test_truncated_noise_has_the_density_of_the_truncated_normal(bound: float) -> None:
    def phi(x: Tensor) -> Tensor:
        return 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    quantiles = (torch.arange(9_999, dtype=torch.float64) + 1) / 10_000
    z = math.sqrt(2) * torch.erfinv(2 * quantiles - 1)  # N(0, 1) by its quantiles
    result = truncated(z, bound)
    ends = phi(torch.tensor([-bound, bound], dtype=torch.float64))
    torch.testing.assert_close((phi(result) - ends[0]) / (ends[1] - ends[0]), quantiles)
    assert result.abs().max() <= bound
    assert truncated(torch.tensor([-9.0, 9.0]), bound).abs().tolist() == pytest.approx([bound] * 2)


def test_a_wide_bound_changes_no_noise() -> None:
    z = torch.randn(1000, generator=seeded())
    torch.testing.assert_close(truncated(z, 12.0), z)


def test_a_vaes_temperature_is_the_deviation_of_its_codes() -> None:
    model = fresh("cvae")
    assert isinstance(model, VAE)
    z = model.prior(5, seeded())
    z[:, : model.latent] *= 0.25
    result = model.sample(5, generator=seeded(), settings=Prior(0.25))
    torch.testing.assert_close(result, model.decode(z))
    (still,) = {tuple(x.flatten().tolist()) for x in fresh("vae").sample(3, settings=Prior(0))}  # type: ignore[operator]
    assert still


def test_a_gans_condition_is_not_truncated() -> None:
    model = fresh("cgan")
    assert isinstance(model, GAN)
    z = model.prior(5, seeded())
    z[:, : model.latent] = truncated(z[:, : model.latent], 0.5)
    result = model.sample(5, generator=seeded(), settings=Truncation(0.5))
    torch.testing.assert_close(result, model.decode(z))


def test_a_cold_autoregressive_model_takes_the_likeliest_levels() -> None:
    model = fresh("pixelcnn")
    assert isinstance(model, Autoregressive)
    cold = model.sample_levels(2, generator=seeded(), temperature=1e-4)
    other = model.sample_levels(2, generator=torch.Generator().manual_seed(4), temperature=1e-4)
    assert torch.equal(cold, other)  # nothing is left to chance


# -- every model ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(recipes.catalogue()))
def test_what_a_model_declares_is_what_its_sampler_takes(name: str) -> None:
    kind = recipes.get(name).returns()
    if "sample" not in capabilities(kind):
        assert kind.settings is None
        return
    taken = inspect.signature(kind.sample).parameters  # type: ignore[attr-defined]
    assert ("settings" in taken) == (kind.settings is not None)
    assert {"condition", "generator"} <= {*taken}
    assert kind.settings is not None
    model = fresh(name)
    plain = draw(model, 3, generator=seeded())
    assert torch.equal(plain, draw(model, 3, generator=seeded(), settings=kind.settings()))


@pytest.mark.parametrize("name", sorted(recipes.catalogue()))
def test_capabilities_take_what_their_protocols_take(name: str) -> None:
    kind = recipes.get(name).returns()
    for capability in capabilities(kind):
        protocol = inspect.signature(getattr(CAPABILITIES[capability], capability)).parameters
        own = inspect.signature(getattr(kind, capability)).parameters
        missing = set(protocol) - set(own) - {"settings", "progress"}
        assert not missing, f"{name}.{capability} lacks {missing}"


def test_progress_comes_to_its_end() -> None:
    reported: list[tuple[int, int]] = []
    model = fresh("pixelcnn")
    assert isinstance(model, Autoregressive)
    model.sample_levels(5, chunk=2, progress=lambda done, of: reported.append((done, of)))
    shares = [done / of for done, of in reported]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    assert len(shares) > 3 * tiny_spec().height  # rows of each part


# -- runs and the command --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return short_runs(tmp_path_factory.mktemp("runs"), (*FLAGS, "autoencoder", "edm"))


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_flag_argument_and_setting_draw_the_same(
    name: str, runs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, setting = runs[name], FLAGS[name]
    out = tmp_path / "some.npz"
    command = [
        "sample",
        str(run.path),
        "-n",
        "4",
        f"--{setting}",
        "0.3",
        "--out",
        str(out),
        "--json",
    ]
    assert main([*command, "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == {setting: 0.3}
    result = genarium.sample(run, n=4, **{setting: 0.3})  # type: ignore[arg-type]
    assert f"{setting} 0.3" in result.text()
    reported: list[float] = []
    by_setting = run.sample(
        4, settings={setting: 0.3}, progress=lambda done, of: reported.append(done / of)
    )
    assert torch.equal(result.images, by_setting)
    assert reported[-1] == 1.0
    assert torch.equal(by_setting, run.sample(4, settings=run.model.settings(0.3)))
    assert not torch.equal(by_setting, run.sample(4))
    assert "settings" not in genarium.sample(run, n=4).to_dict()
    with np.load(out) as stored:
        shown = genarium.to_uint8(by_setting).permute(0, 2, 3, 1).numpy()
        assert np.array_equal(stored["images"], shown)


@pytest.mark.parametrize(
    ("name", "flags", "reason"),
    [
        ("dcgan", ["--temperature", "1"], "--temperature 1: .*dcgan.* has --truncation only"),
        ("vae", ["--truncation", "1"], "--truncation 1: .*vae.* has --temperature only"),
        ("vae", ["--temperature", "-1"], "--temperature '-1': give a number of at least 0"),
        ("pixelcnn", ["--temperature", "0"], "--temperature '0': give a number above 0"),
        ("pixelcnn", ["--temperature", "warm"], "--temperature 'warm': give a number"),
        ("pixelcnn", ["--temperature", "nan"], "--temperature 'nan': give a finite number"),
        ("dcgan", ["--truncation", "0"], "--truncation '0': give a number above 0"),
        ("vae", ["--temprature", "1"], "flag --temprature is unknown: did you mean --temperature"),
        ("edm", ["--tolerance", "0.1"], "--tolerance 0.1: .*dopri5, not of heun: leave it out"),
        ("edm", ["--churn", "5"], "--churn 5: .* --solver edm, not of heun: leave it out"),
        ("edm", ["--shift", "2"], "--shift 2: .*edm"),
        ("edm", ["--solver", "dopri5", "--steps", "5"], "--steps 5: .* as many as its --tolerance"),
    ],
)
def test_a_wrong_setting_is_one_line(
    name: str,
    flags: list[str],
    reason: str,
    runs: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sample", str(runs[name].path), *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(reason, line), line
    assert not (runs[name].path / "samples.png").exists()


def test_in_python_a_setting_is_an_argument(runs: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^truncation 1: .*vae"):
        genarium.sample(runs["vae"], truncation=1)
    with pytest.raises(UserError, match="argument temprature is unknown: did you mean temperature"):
        genarium.sample(runs["vae"], temprature=1)
    with pytest.raises(UserError, match="whose sampler takes Prior"):
        runs["vae"].sample(2, settings=Truncation(1.0))
    with pytest.raises(UserError, match="which cannot sample"):
        genarium.sample(runs["autoencoder"], temperature=1)
    # a whole settings object holds defaults too, which nobody asked for
    edm = runs["edm"].model.settings
    runs["edm"].with_settings(edm(steps=3, solver="euler"))
    with pytest.raises(UserError, match="--churn 5"):
        runs["edm"].with_settings(edm(churn=5.0))


OWN = '''
from dataclasses import dataclass
import torch
from genarium.contract import Model, Phase, Settings

@dataclass(frozen=True)
class Mine(Settings):
    """How it samples.

    brightness: of mine: the grey value.
    """

    brightness: float = 0.0
'''


def test_the_settings_of_an_own_model_are_flags_unimported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diffusion = {"steps", "solver", "shift", "guidance", "tolerance", "churn", "precision"}
    others = {"temperature", "truncation", "denoise"}
    assert sampling.declared().keys() == {*others, *diffusion}
    # what several say alike is said once, with the default if they have the same
    steps, temperature = (sampling.declared()[name].help for name in ("steps", "temperature"))
    assert steps.count("of a diffusion model's solver") == 1
    assert steps.endswith("(default: the recipe's)")
    assert temperature.count("of a flow") == 1
    assert temperature.endswith("(default: 1)")
    # of a setting that several declare the flag offers what any of them takes
    assert {"edm", "heun", "ancestral"} < {*sampling.declared()["solver"].choices}
    (tmp_path / "own_sampler.py").write_text(OWN)
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    result = sampling.declared()["brightness"]
    assert (result.metavar, result.help) == ("X", "of mine: the grey value (default: 0)")


def test_a_model_of_the_first_contract_still_samples() -> None:
    class Old(Model):
        def sample(self, n: int, *, condition: Any = None, generator: Any = None) -> Tensor:
            return torch.zeros(n)

    reported: list[tuple[int, int]] = []
    assert len(draw(Old(), 3, progress=lambda done, of: reported.append((done, of)))) == 3


def test_settings_are_frozen_dataclasses_with_defaults_that_change_nothing() -> None:
    assert Temperature() == Temperature(1.0)
    assert Prior() == Prior(1.0)
    assert Truncation() == Truncation(None)

    @dataclass(frozen=True)
    class More(Settings):
        some: int = 1

    assert isinstance(More(), Settings)


# -- what each capability makes of each setting ----------------------------------------------------

CELLS: dict[str, list[dict[str, Any]]] = {
    "flow-matching": [
        {"steps": 4},
        *({"solver": name} for name in ("euler", "ddim", "dpm++2m", "ancestral")),
        {"solver": "dopri5", "tolerance": 0.3},
        {"shift": 2.0},
        {"guidance": 4.0},
        {"precision": "bf16"},
    ],
    "ddpm": [{"steps": 4}, {"solver": "dpm++2m"}, {"solver": "ancestral"}, {"guidance": 4.0}],
    "edm": [
        {"steps": 4},
        {"solver": "edm"},
        {"solver": "edm", "churn": 0.5},
        {"solver": "ddim"},
        {"precision": "bf16"},
    ],
    "mean-flow": [{"steps": 4}, {"precision": "bf16"}],
    "tarflow": [{"denoise": True}],
}
"""Settings besides those that act on draws of the prior alone."""

FEW = {"steps": 3}


class Guess(torch.nn.Module):
    """The noise in images that are Gaussian, a little of it another by the condition."""

    def __init__(self, path: Any):
        super().__init__()
        self.path = path

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        alpha, sigma = (part(t)[:, :, None, None] for part in (self.path.alpha, self.path.sigma))
        return x * (sigma / (0.16 * alpha**2 + sigma**2) + 0.2 * alpha * y[:, :1, None, None])


def stirred(name: str) -> Model:
    """A conditional model of a recipe at its tiny size whose zeros are not zero."""
    recipe = recipes.get(name)
    arguments: dict[str, Any] = {**recipe.tiny, "condition": "class"}
    arguments |= {"noise": 0.3} if name == "tarflow" else {}
    model: Any = build(recipe, tiny_spec(), arguments, seed=0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(1))
    if name == "ddpm":  # another guess of noise is divided by α, and all pixels are at their ends
        model.guess, model.network = model.network, Guess(model.path)
    return model  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CELLS)
def test_a_capability_obeys_a_setting_or_refuses_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mean_flow, "STEPS_BACK", 2)
    model: Any = stirred(name)
    assert model.settings is not None
    y, keep = torch.tensor([1, 0]), torch.zeros(16, 16, dtype=torch.bool)
    keep[:8] = True
    images = torch.randint(256, (2, 1, 16, 16), dtype=torch.uint8, generator=seeded())
    z = model.prior(2, seeded(), condition=y)
    calls: dict[str, Any] = {
        "sample": lambda s: model.sample(2, condition=y, generator=seeded(), settings=s),
        "decode": lambda s: model.decode(z, settings=s),
        "encode": lambda s: model.encode(images, y, settings=s),
        "reconstruct": lambda s: model.reconstruct(images, y, settings=s),
        "complete": lambda s: model.complete(
            images, keep, condition=y, generator=seeded(), settings=s
        ),
        "edit": lambda s: model.edit(images, 0.6, condition=y, generator=seeded(), settings=s),
    }
    able = {*capabilities(model)} - ({"encode"} if name == "tarflow" else set())
    calls = {capability: call for capability, call in calls.items() if capability in able}
    few = {} if name == "tarflow" else FEW
    plain = {capability: call(model.settings(**few)) for capability, call in calls.items()}
    for setting in CELLS[name]:
        settings = model.settings(**few | setting)
        # what it is to differ from: of `churn` and `tolerance` the solver's own way
        before = model.settings(**few | dict(list(setting.items())[:-1]))
        for capability, call in calls.items():
            result, refused = answer(call, settings)
            if refused:
                assert re.match(rf"--({'|'.join(setting)}) ", refused), (capability, setting)
                continue
            other = call(before) if len(setting) > 1 else plain[capability]
            # an ancestral completion is what it is by default
            same = capability == "complete" and setting == {"solver": "ancestral"}
            assert torch.equal(result, other) == same, (capability, setting)


def answer(call: Any, settings: Settings) -> tuple[Any, str]:
    """What a call gives, or why it refuses."""
    try:
        return call(settings), ""
    except UserError as refusal:
        return None, str(refusal)


@pytest.mark.parametrize("name", ["flow-matching", "ddpm", "edm"])
def test_guidance_of_images_needs_their_condition(name: str) -> None:
    model: Any = stirred(name)
    settings = model.settings(guidance=3.0)
    images = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    for call in (
        lambda: model.encode(images, settings=settings),
        lambda: model.edit(images, 0.5, settings=settings),
        lambda: model.complete(images, images[0] > 0, settings=settings),
    ):
        with pytest.raises(UserError, match="--guidance 3: these images have no condition"):
            call()


@pytest.mark.parametrize(
    ("verb", "flags", "reason"),
    [
        ("complete", ["--solver", "heun"], "--solver heun: images are completed by ancestral"),
        ("interpolate", ["--solver", "edm"], "--solver edm: it draws noise on its way"),
        (
            "sample",
            ["--strength", "0.5"],
            "--strength is not taken here, it is of `genarium translate`",
        ),
        ("translate", ["--direction", "a2b"], "--direction a2b: .*edm.* draws images of its own"),
        ("translate", ["--strength", "1.5"], "--strength '1.5': give a number of at most 1"),
        ("translate", ["--tolerance", "1"], "--tolerance 1: it is of --solver dopri5"),
    ],
)
def test_a_setting_that_a_verb_of_images_does_not_obey_is_refused(
    verb: str,
    flags: list[str],
    reason: str,
    runs: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = {"interpolate": ["--from", "test:0", "--to", "test:1"], "sample": []}
    run = str(runs["edm"].path)
    assert main([verb, run, *images.get(verb, ["test:0"]), *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(reason, line), line


def test_settings_of_decoding_hold_for_given_images(runs: dict[str, Any]) -> None:
    """What acts where codes become images is obeyed there too; what acts on draws is refused."""
    run = runs["edm"]
    plain, coarse = (
        genarium.interpolate(run, start="test:0", end="test:1", steps=2, **more).images
        for more in ({}, {"solver": "euler"})
    )
    assert not torch.equal(plain, coarse)
    with pytest.raises(UserError, match=r"^temperature .*no name is that of samples"):
        genarium.interpolate(runs["vae"], start="test:0", end="test:1", temperature=0.5)


def test_what_is_drawn_anew_or_completed_says_for_which_class(tmp_path: Path) -> None:
    arguments = {**recipes.get("edm").tiny, "condition": "class", "batch": 2, "steps": 1}
    made = genarium.train("edm", tiny_dataset(), out=tmp_path, progress=False, **arguments)
    anew = genarium.translate(made, "test:0,1", condition=1, strength=0.4, steps=2)
    assert anew.text() == f"2 images drawn anew (strength 0.4, class 1, steps 2) by {tmp_path.name}"
    assert anew.to_dict()["class"] == 1
    whole = genarium.complete(made, "test:0", keep="top", draws=1, condition="1", steps=2)
    assert whole.text() == "1 images, 1 completions each, class 1, steps 2"
    assert whole.to_dict()["class"] == "1"
    plain = genarium.translate(made, "test:0", strength=0.4, steps=2)
    assert "class" not in plain.text()
    assert "class" not in plain.to_dict()
