"""What every recipe of the catalogue must hold. No recipe is left out: no list of exceptions."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import genarium
from genarium import recipes
from genarium.contract import (
    CAPABILITIES,
    Batch,
    Noise,
    Values,
    capabilities,
)
from genarium.runs.building import build
from genarium.runs.configuration import common_fields, recipe_fields
from genarium.signatures import argument_help
from tests.conftest import CASES, RECIPES, make_trainer, source_of, tiny_dataset, tiny_spec

COLOURS = (1, 3)


def fresh(name: str, channels: int = 1):
    recipe = recipes.get(name)
    return build(recipe, tiny_spec(channels), dict(recipe.tiny), seed=1)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_described(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    assert recipe.doc.splitlines()[0].endswith(".")
    assert recipe.paper
    lines = argument_help(recipe.doc.partition("\n")[2])
    assert set(lines) <= set(recipe.parameters()), "each line is of an argument there is"
    assert all(setting.help for setting in recipe_fields(recipe)), "each argument has its help"
    assert set(recipe.tiny) <= set(recipe.parameters())
    assert recipe.returns() is type(fresh(name))


def test_no_setting_has_two_meanings() -> None:
    common = {f.name for f in common_fields()} | {"data", "out", "config", "json", "quiet"}
    for name in RECIPES:
        own = {f.name for f in recipe_fields(recipes.get(name))}
        assert not own & common


@pytest.mark.parametrize("channels", COLOURS)
@pytest.mark.parametrize("name", RECIPES)
def test_losses_are_finite_scalars_and_gradients_land_on_the_phase(
    name: str, channels: int
) -> None:
    data = tiny_dataset(channels)
    trainer = make_trainer(name, data)
    for player in trainer.players:
        for parameter in trainer.model.parameters():
            parameter.grad = None
        player.alone()
        batch = trainer.batch_of(player.phase.name, 0)
        result = trainer.model.step(batch, player.phase.name)
        assert result.losses
        for value in result.losses.values():
            assert value.shape == ()
            assert bool(value.isfinite())
        for value in result.metrics.values():
            assert value.numel() == 1
            assert not value.requires_grad
        sum(result.losses.values()).backward()
        mine = {id(p) for p in player.parameters}
        with_gradient = {id(p) for p in trainer.model.parameters() if p.grad is not None}
        assert with_gradient == mine


@pytest.mark.parametrize("name", RECIPES)
def test_every_learnable_parameter_has_a_player_and_moves(name: str) -> None:
    trainer = make_trainer(name, tiny_dataset())
    before = weights(trainer.model)
    trainer.fit()
    after = trainer.model.state_dict()
    for key, parameter in trainer.model.named_parameters():
        if parameter.requires_grad or key in {n for p in trainer.players for n in p.names}:
            assert not torch.equal(before[key], after[key]), f"{key} never moved"


@pytest.mark.parametrize("name", RECIPES)
def test_step_takes_its_randomness_from_the_batch(name: str) -> None:
    data = tiny_dataset()

    def losses(seed: int, global_seed: int) -> list[torch.Tensor]:
        model = fresh(name).train()  # anew, for some keep what they made
        torch.manual_seed(global_seed)
        results = []
        for phase in model.phases:
            extra = {name: values[:8] for name, values in data.train.extra.items()}
            batch = Batch(data.train.images[:8], data.train.labels[:8], Noise(seed, 8), extra)
            results += [v.detach() for v in model.step(batch, phase.name).losses.values()]
        return results

    assert all(torch.equal(a, b) for a, b in zip(losses(5, 1), losses(5, 2)))


@pytest.mark.parametrize("name", RECIPES)
def test_same_seed_same_run_and_other_seed_other_run(name: str) -> None:
    runs = [make_trainer(name, tiny_dataset(), seed=seed) for seed in (3, 3, 4)]
    for run in runs:
        run.fit()
    first, second, third = (weights(run.model) for run in runs)
    assert_same(first, second)
    assert any(not torch.equal(first[k], third[k]) for k in first)


@pytest.mark.parametrize("case", CASES)
def test_resume_is_exact(case: str, tmp_path: Path) -> None:
    """Six steps, against three, a checkpoint read by a new trainer, and three more."""
    from genarium.training import checkpoint as checkpoints

    name, arguments = CASES[case]
    options = {"steps": 6, "ema": 0.9, "schedule": "cosine", "flip": True, "arguments": arguments}
    whole = make_trainer(name, tiny_dataset(), **options)
    whole.fit()
    first = make_trainer(name, tiny_dataset(), **options)
    first.model.train()
    for _ in range(3):
        first.one_step()
    checkpoints.save(tmp_path, first.snapshot(), keep=1)
    second = make_trainer(name, tiny_dataset(), **options)
    second.restore(checkpoints.load(tmp_path))
    second.fit()
    assert second.step == 6
    assert_same(weights(whole.model), weights(second.model))
    assert_same(whole.snapshot().optim, second.snapshot().optim)
    assert_same(whole.ema.state, second.ema.state)


@pytest.mark.parametrize("name", RECIPES)
def test_save_load_same_samples(name: str, tmp_path: Path) -> None:
    data = tiny_dataset()
    recipe = recipes.get(name)
    trained = genarium.train(
        name, data, out=tmp_path / "run", steps=2, batch=8, device="cpu", **recipe.tiny
    )
    again = genarium.load(tmp_path / "run")
    assert_same(weights(trained.model), weights(again.model))
    if "sample" in trained.capabilities:
        images = trained.sample(5, seed=3)
        assert images.shape == (5, *data.spec.shape)
        assert images.dtype == torch.float32
        assert images.abs().max() <= 1
        assert torch.equal(images, again.sample(5, seed=3))
        assert not torch.equal(images, again.sample(5, seed=4))
    if {"sample", "prior", "decode"} <= set(trained.capabilities):
        conditions = [None]
        conditions += [1] if trained.model.conditional else []
        conditions += [trained.code("0", 5)] if trained.model.latent_codes else []
        for condition in conditions:
            codes = trained.codes(5, 3, condition)
            torch.testing.assert_close(trained.decode(codes), trained.sample(5, 3, condition))
    if "reconstruct" in trained.capabilities:
        some = data.test.images[:5]
        assert torch.equal(trained.reconstruct(some), again.reconstruct(some))
    if "translate" in trained.capabilities:
        for direction in trained.model.directions:
            some = data.test.domain(direction[0])[:5]
            images = trained.translate(some, direction, seed=3)
            assert images.shape == (5, *data.spec.domain(direction[2]))
            assert torch.equal(images, again.translate(some, direction, seed=3))


@pytest.mark.parametrize("channels", COLOURS)
@pytest.mark.parametrize("name", RECIPES)
def test_capabilities_keep_their_shapes(name: str, channels: int) -> None:
    model = fresh(name, channels).eval()
    spec, images = model.spec, tiny_dataset(channels).test.images[:4]
    labels = torch.tensor([0, 1, 0, 1]) if model.conditional else None
    can = capabilities(model)
    for capability in can:
        assert isinstance(model, CAPABILITIES[capability])
    with torch.no_grad():
        if "encode" in can:
            codes = model.encode(images)
            assert codes.ndim == 2
            assert len(codes) == 4
            alone = torch.cat([model.encode(image[None]) for image in images])
            torch.testing.assert_close(codes, alone, rtol=1e-4, atol=1e-5)
        if "decode" in can:
            z = model.prior(4, torch.Generator().manual_seed(0)) if "prior" in can else codes
            decoded = model.decode(z)
            assert decoded.shape == (4, *spec.shape)
            assert decoded.abs().max() <= 1
        if "reconstruct" in can:
            assert model.reconstruct(images).shape == (4, *spec.shape)
        if "edit" in can:
            made = model.edit(images, 0.5, generator=torch.Generator().manual_seed(0))
            assert made.shape == (4, *spec.shape)
            assert made.abs().max() <= 1
        if "translate" in can:
            for direction in model.directions:
                made = model.translate(images, direction=direction)
                assert made.shape == (4, *spec.domain(direction[2]))
                assert made.dtype == torch.float32
                assert made.abs().max() <= 1
        if "estimate_log_prob" in can:
            one = torch.Generator().manual_seed(0)
            value, error = model.estimate_log_prob(images, labels, k=2, generator=one)
            assert value.shape == error.shape == (4,)
            assert bool(value.isfinite().all() and (error > 0).all())
            assert model.density, "a likelihood says what it is a density of"
            assert model.estimator, "an estimate says how it is made"
        for likelihood in ("log_prob", "elbo"):
            if likelihood not in can:
                continue
            generator = {"generator": torch.Generator().manual_seed(0)}
            extra = generator if likelihood == "elbo" else {}
            nats = getattr(model, likelihood)(images, labels, **extra)
            assert nats.shape == (4,)
            assert bool(nats.isfinite().all())
            assert model.density, "a likelihood says what it is a density of"


@pytest.mark.parametrize("name", RECIPES)
def test_no_capability_is_faked(name: str) -> None:
    """The taxonomy: what a family cannot do, its models do not offer."""
    family = recipes.catalogue()[name].taxonomy
    can = capabilities(fresh(name))
    if family[0] == "nonprobabilistic":
        assert not {"sample", "prior", "log_prob", "elbo", "estimate_log_prob"} & set(can)
    if family[0] == "implicit":
        assert not {"log_prob", "elbo", "estimate_log_prob"} & set(can)
    if family[:2] == ("explicit", "tractable"):
        assert {"log_prob", "sample"} <= set(can)
    if family[:2] == ("explicit", "approximate"):
        assert {"elbo", "sample", "encode", "decode"} <= set(can)
    if family[:2] == ("explicit", "path"):
        assert {"sample", "encode", "decode", "prior"} <= set(can)
        assert "log_prob" not in can


TWELVE = Values("uint16", (0.0,), (4095.0,), "given", "counts")
FLOATS = Values("float32", (-1024.0,), (3071.0,), "given", "HU")


@pytest.mark.parametrize(("own", "other"), [(TWELVE, FLOATS), (FLOATS, TWELVE)], ids=["12", "HU"])
@pytest.mark.parametrize("name", RECIPES)
def test_other_values_and_channels_go_in_and_come_back(
    name: str, own: Values, other: Values, tmp_path: Path
) -> None:
    """Two channels of 12 bits, or of floats in units: trained, kept, and what comes out is on
    [-1, 1] and can be had in the data's type."""
    data = tiny_dataset(2, n=16, values=own, second=other)
    tiny = recipes.get(name).tiny
    run = genarium.train(
        name, data, out=tmp_path / "run", steps=1, batch=8, flip=True, device="cpu", **tiny
    )
    run = genarium.load(tmp_path / "run", data=data)
    assert run.spec == data.spec
    assert run.spec.values.unit == own.unit
    some = data.test.images[:3]
    made = []
    if "sample" in run.capabilities:
        made.append(("a", run.sample(3)))
    if "reconstruct" in run.capabilities:
        made.append(("a", run.reconstruct(some)))
    if "complete" in run.capabilities:
        keep = torch.zeros(16, 16, dtype=torch.bool)
        keep[:8] = True
        completed = run.complete(some, keep)
        made.append(("a", completed))
        back = run.stored(completed)[:, :, :8].double()  # what is kept is kept exactly
        lossless = 1e-6 * 4095 if own is FLOATS else 0
        assert float((back - some[:, :, :8].double()).abs().max()) <= lossless
    if "translate" in run.capabilities:
        for way in run.model.directions:
            made.append((way[2], run.translate(data.test.domain(way[0])[:3], way)))
    for domain, images in made:
        assert images.shape == (3, 2, 16, 16)
        assert images.abs().max() <= 1
        stored = run.stored(images, domain)
        values = run.spec.values_of(domain)
        values.check(stored, domain)
        assert values.low[0] <= float(stored.float().min())
        assert float(stored.float().max()) <= values.high[0]
    if {"log_prob", "elbo"} & set(run.capabilities):
        assert bool(run.score(some).isfinite().all())
        assert own.span in run.model.density or "binarized" in run.model.density


# ---------------------------------------------------------------------- processes and kills


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def by_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every recipe trained by two gloo processes; the folder of their weights."""
    folder = tmp_path_factory.mktemp("two")
    common = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.two_processes", str(folder)],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=2400)
        assert worker.returncode == 0, errors.decode()
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_equal_one(case: str, by_two_processes: Path) -> None:
    from safetensors.torch import load_file

    from tests.two_processes import STEPS, dataset

    name, arguments = CASES[case]
    # in bf16 the order of summation shows in the third digit
    single = make_trainer(name, dataset(), steps=STEPS, arguments=arguments, precision="fp32")
    single.fit()
    one = weights(single.model)
    two = load_file(by_two_processes / f"{case}.safetensors")
    start = weights(make_trainer(name, dataset(), arguments=arguments).model)
    for key in one:
        # equal up to the order of summation, on the scale of what training changed
        assert not torch.equal(start[key], one[key]) or torch.equal(one[key], two[key]), key
        torch.testing.assert_close(two[key], one[key], rtol=2e-4, atol=2e-5, msg=key)


# Three processes each, so one recipe of each kind of training: plain, phases, codes, two players,
# averages, a reference batch, an image pool, pixels in turn, paths, flows. That every recipe
# goes on exactly is `test_resume_is_exact`'s.
KILLED = (
    *("autoencoder", "stacked-autoencoder", "vae", "dcgan", "wgan-gp", "improved-gan", "cyclegan"),
    *("pixelcnn", "flow-matching", "spline-flow"),
)


@pytest.mark.parametrize("name", KILLED)
def test_killed_and_resumed_equals_unbroken(name: str, tmp_path: Path) -> None:
    """SIGKILL at a moment the run does not know of; `resume`; the same bytes as never killed."""
    recipe = recipes.get(name)
    text = {k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in recipe.tiny.items()}
    tiny = [f"--{k.replace('_', '-')}={v}" for k, v in text.items()]
    common = f"--data {source_of(name)} --steps 60 --batch 8 --ema 0.9"
    common += " --checkpoint-every 4 --log-every 1 --sample-every 25"
    common += " --schedule constant"  # any other depends on the budget, which differs here

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "genarium", *arguments, "--quiet"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, cwd=tmp_path)

    def finish(process: subprocess.Popen[bytes]) -> None:
        _, errors = process.communicate(timeout=1200)
        assert process.returncode == 0, errors.decode()

    finish(start("train", name, *common.split(), *tiny, "--out", "whole"))
    process = start("train", name, *common.split(), *tiny, "--out", "broken", "--steps", "100000")
    metrics = tmp_path / "broken" / "metrics.jsonl"
    while not (metrics.is_file() and '"step": 6,' in metrics.read_text()):
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.01)  # the processor is the training's
    process.kill()
    process.communicate()
    newest = sorted(p.name for p in (tmp_path / "broken" / "checkpoints").glob("0*"))[-1]
    assert 4 <= int(newest) < 60
    finish(start("resume", "broken", "--steps", "60"))
    for file in ("model.safetensors", "ema.safetensors", "optim.safetensors"):
        whole, broken = (
            (tmp_path / run / "checkpoints" / "00000060" / file).read_bytes()
            for run in ("whole", "broken")
        )
        assert whole == broken, file
