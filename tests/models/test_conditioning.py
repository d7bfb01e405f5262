"""Class labels and latent codes: what each network gets, and how samples are asked for."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

import genarium
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Labels
from genarium.models.gan.dcgan import cgan
from genarium.models.gan.gan import Turn
from genarium.models.gan.infogan import infogan
from genarium.models.gan.latent_codes import Codes
from tests.conftest import tiny_dataset

SPEC = Spec(1, 16, 16, ("a", "b", "c"))


def batch(n: int = 6, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 1, 16, 16), generator=generator).to(torch.uint8)
    return Batch(images, torch.arange(n) % 3, Noise(seed, n))


def test_labels_are_one_hot_and_planes() -> None:
    labels = Labels(3)
    code = labels.of_batch(batch(4))
    assert code.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    images = torch.randn(4, 1, 5, 7)
    seen = labels.join(images, code)
    assert torch.equal(seen[:, :1], images)
    assert torch.equal(seen[:, 1:], code[:, :, None, None].expand(-1, -1, 5, 7))


def test_samples_without_a_class_draw_all_of_them() -> None:
    drawn = Labels(3).draw(3000, None, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.sum(1), torch.ones(3000))
    assert ((drawn.mean(0) - 1 / 3).abs() < 0.05).all()


def test_cgan_generates_what_is_asked_and_its_critic_sees_the_label() -> None:
    torch.manual_seed(0)
    model = cgan(SPEC, latent=4, width=2).eval()
    assert model.conditional
    assert model.latent == 4
    draw = lambda k: model.sample(  # noqa: E731
        4, condition=torch.full((4,), k), generator=torch.Generator().manual_seed(0)
    )
    assert not torch.allclose(draw(0), draw(1))
    codes = model.prior(
        5, torch.Generator().manual_seed(0), condition=torch.tensor([0, 1, 2, 1, 0])
    )
    assert codes.shape == (5, 7)
    assert codes[:, 4:].argmax(1).tolist() == [0, 1, 2, 1, 0]
    images = torch.rand(2, 1, 16, 16)
    judge = lambda k: model.discriminator(  # noqa: E731
        model.conditioning.join(images, torch.eye(3)[[k, k]])
    )
    assert not torch.allclose(judge(0), judge(2))


def test_codes_of_a_batch_are_categories_then_numbers() -> None:
    codes = Codes(8, (10, 3), 2)
    assert (codes.size, codes.latent_codes) == (15, 4)
    code = codes.of_batch(batch(3000))
    first, second, numbers = code.split([10, 3, 2], 1)
    for part, k in ((first, 10), (second, 3)):
        assert torch.equal(part.sum(1), torch.ones(3000))
        assert ((part.mean(0) - 1 / k).abs() < 0.03).all()
    assert numbers.abs().max() <= 1
    assert numbers.var(0, correction=0).tolist() == pytest.approx([1 / 3, 1 / 3], abs=0.03)


def test_a_given_code_fixes_its_values_and_leaves_the_rest() -> None:
    codes = Codes(8, (4,), 2)
    given = torch.tensor([[3.0, math.nan, -0.5]]).expand(50, -1)
    drawn = codes.draw(50, given, torch.Generator().manual_seed(0))
    assert (drawn[:, :4].argmax(1) == 3).all()
    assert (drawn[:, 5] == -0.5).all()
    assert len(drawn[:, 4].unique()) == 50
    free = codes.draw(50, given * math.nan, torch.Generator().manual_seed(0))
    assert torch.equal(free, codes.draw(50, None, torch.Generator().manual_seed(0)))
    for wrong in (4.0, -1.0, 1.5):
        with pytest.raises(UserError, match=r"--code.*0 to 3"):
            codes.draw(1, torch.tensor([[wrong, 0.0, 0.0]]), None)


def test_the_information_loss_is_cross_entropy_and_half_the_squared_error() -> None:
    torch.manual_seed(0)
    model = infogan(SPEC, latent=4, width=2, categories=(3,), continuous=2, weight=2.0,
                    continuous_weight=0.5)  # fmt: skip
    b = batch()
    turn: Turn = model._turn(b, model.conditioning.of_batch(b))
    result = model.conditioning.losses(turn)
    logits, means = model.conditioning.read(turn.of_fake.features)
    truth = turn.code[:, :3].argmax(1)
    picked = logits.log_softmax(1)[torch.arange(6), truth]
    torch.testing.assert_close(result["code0"], -2 * picked.mean())
    error = (turn.code[:, 3:] - means).square().sum(1).mean()
    torch.testing.assert_close(result["continuous"], 0.25 * error)


def test_information_reaches_reader_trunk_and_generator() -> None:
    torch.manual_seed(0)
    model = infogan(SPEC, latent=4, width=2, categories=(3,), continuous=1)
    losses = model.step(batch(), "discriminator").losses
    (losses["code0"] + losses["continuous"]).backward()
    assert all(p.grad is not None for p in model.conditioning.parameters())
    assert model.discriminator.down[0].convolution.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.generator.parameters())
    model.zero_grad()
    model.step(batch(), "generator").losses["code0"].backward()
    assert model.generator.project.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.conditioning.parameters())


def test_reading_and_clustering_real_images() -> None:
    torch.manual_seed(0)
    model = infogan(SPEC, latent=4, width=2, categories=(3, 2), continuous=2).eval()
    images = batch().images
    first, second, numbers = model.read_codes(images)
    assert (first.shape, second.shape, numbers.shape) == ((6, 3), (6, 2), (6, 2))
    torch.testing.assert_close(first.sum(1), torch.ones(6))
    assert torch.equal(model.memberships(images), first)
    assert torch.equal(model.cluster(images), first.argmax(1))
    with torch.no_grad():
        model.conditioning.reader[-1].bias[2] += 100.0  # the third value of the first category
    assert model.cluster(images).tolist() == [2] * 6


@pytest.mark.parametrize(("categories", "continuous"), [((), 0), ((1,), 1)])
def test_codes_that_say_nothing_are_refused(categories: tuple[int, ...], continuous: int) -> None:
    with pytest.raises(UserError, match="--categories"):
        infogan(SPEC, latent=4, width=2, categories=categories, continuous=continuous)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, genarium.Trained]:
    folder = tmp_path_factory.mktemp("runs")
    results = {}
    for name in ("cgan", "infogan", "dcgan"):
        tiny = genarium.recipes.get(name).tiny
        results[name] = genarium.train(
            name, tiny_dataset(), out=folder / name, steps=2, batch=8, device="cpu", **tiny
        )
    return results


def test_library_samples_by_class_and_by_code(runs: dict[str, genarium.Trained]) -> None:
    dark = runs["cgan"].sample(3, condition="dark")
    assert torch.equal(dark, runs["cgan"].sample(3, condition=0))
    assert not torch.equal(dark, runs["cgan"].sample(3, condition="light"))
    model = runs["infogan"]
    one = model.sample(3, condition=model.code("1,0.5,*", 3))
    assert torch.equal(one, model.sample(3, condition=model.code("1,0.5", 3)))
    assert not torch.equal(one, model.sample(3, condition=model.code("2,0.5", 3)))


@pytest.mark.parametrize(
    ("run", "flags", "words"),
    [
        ("infogan", ["--code", "1,2,3,4"], "--code 1,2,3,4: .*3 values, not 4"),
        ("infogan", ["--code", "1,x"], "--code 1,x: give 3 numbers"),
        ("infogan", ["--code", "7"], "--code: value 1 is a category, a whole number 0 to 2"),
        ("infogan", ["--code", "1,inf"], "finite"),
        ("infogan", ["--class", "1"], "--class"),
        ("dcgan", ["--code", "1"], "no latent code"),
        ("cgan", ["--class", "grey"], "--class grey: choose one of dark, light"),
        ("infogan", ["--code", "1", "--class", "0"], "--class and --code"),
    ],
)
def test_the_verb_names_the_wrong_flag(
    run: str,
    flags: list[str],
    words: str,
    runs: dict[str, genarium.Trained],
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    from genarium.cli import main

    assert main(["sample", str(runs[run].path), "-n", "2", *flags]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert re.search(words, error), error


def test_the_verb_writes_and_says_what_was_asked(
    runs: dict[str, genarium.Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from genarium.cli import main

    for name, flag, value in (("cgan", "--class", "light"), ("infogan", "--code", "2,*,1")):
        out = tmp_path / f"{name}.png"
        assert (
            main(["sample", str(runs[name].path), "-n", "4", flag, value, "--out", str(out)]) == 0
        )
        assert out.is_file()
        asked = flag.removeprefix("--")
        assert f"({asked} {value}, seed 0)" in capsys.readouterr().out
        argument = {"class": "condition"}.get(asked, asked)
        made = genarium.sample(runs[name], n=4, **{argument: value})
        assert made.to_dict()[asked] == value
    each = genarium.sample(runs["cgan"], n=2, condition=torch.tensor([0, 1]))
    assert "class" not in each.to_dict()


def test_evaluate_scores_the_clusters(runs: dict[str, genarium.Trained]) -> None:
    data = tiny_dataset()
    how = {"n": 40, "extractor": "fashion-proxy"}
    names = {run: [row.name for row in genarium.evaluate(runs[run], data=data, **how).rows]
             for run in ("infogan", "cgan")}  # fmt: skip
    assert {"group information", "cluster error"} <= set(names["infogan"])
    assert not {"group information", "cluster error"} & set(names["cgan"])
    labels = dataclasses.replace(data.test, labels=None)
    bare = genarium.evaluate(runs["infogan"], data=dataclasses.replace(data, test=labels), **how)
    result = {row.name: row for row in bare.rows}
    assert "cluster error" not in result
    assert 0 <= result["group information"].value <= math.log(3)


def test_the_columns_to_walk_along_are_no_categories(runs: dict[str, genarium.Trained]) -> None:
    assert runs["dcgan"].model.continuous_columns == [0, 1, 2, 3]
    assert runs["cgan"].model.continuous_columns == [0, 1, 2, 3]
    # four numbers of noise, a category of three, two numbers
    assert runs["infogan"].model.continuous_columns == [0, 1, 2, 3, 7, 8]
