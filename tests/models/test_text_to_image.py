"""Text to image: the three terms, interpolated texts, wrong texts, and a text that is obeyed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import softplus

import genarium
from genarium.cli import main
from genarium.contract import Batch, Noise, Spec, to_uint8
from genarium.data import text
from genarium.errors import UserError
from genarium.models.gan.composition import RegularizerName
from genarium.models.gan.gan import GAN, Judged, Turn
from genarium.models.gan.objectives import LeastSquares
from genarium.models.text_to_image.captions import (
    BESIDE,
    TEMPERATURE,
    Captions,
    MatchingAware,
    others,
)
from genarium.models.text_to_image.encoders import CharacterEncoder
from genarium.models.text_to_image.fusion import FusionGenerator, PooledDiscriminator
from genarium.models.text_to_image.text_to_image import TextHead, TextToImage, text_to_image
from genarium.nn.norm import BatchNorm2d
from genarium.report import gather
from genarium.report.sections import _sample_pictures
from tests.conftest import make_trainer, tiny_dataset

SPEC = Spec(3, 16, 16, caption_bytes=16)
TINY = {"latent": 4, "width": 4, "embedding": 8, "compressed": 6}
FAR = 60.0  # a logit that is as good as sure


def rows_of(*captions: str) -> Tensor:
    return torch.from_numpy(np.stack([text.row(caption, 16) for caption in captions]))


def batch_of(*captions: str, seed: int = 0) -> Batch:
    n = len(captions)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, 16, 16), generator=generator).to(torch.uint8)
    return Batch(images, None, Noise(seed, n), {"captions": rows_of(*captions)})


def tiny(**arguments: object) -> TextToImage:
    torch.manual_seed(0)
    return text_to_image(SPEC, **{**TINY, **arguments})


# ------------------------------------------------------------------------ wrong texts


@pytest.mark.parametrize("total", [2, 3, 8])
def test_a_wrong_text_is_never_the_own_and_every_other_comes_up(total: int) -> None:
    result = torch.stack([others(Noise(seed, total)) for seed in range(200)])
    assert (result != torch.arange(total)).all()
    for own in range(total):
        assert set(result[:, own].tolist()) == set(range(total)) - {own}


def test_two_processes_choose_the_wrong_texts_that_one_would() -> None:
    whole = others(Noise(5, 8))
    halves = [others(Noise(5, 8, rows)) for rows in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat(halves), whole)


class FixedTurn(Turn):
    """A turn with given logits; under a text the discriminator's logit is the text's number."""

    def __init__(self, gan: GAN, batch: Batch, right: Tensor, wrong: Tensor, fake: Tensor):
        super().__init__(gan, batch, wrong[:, None], torch.empty(0))
        nothing = torch.zeros(len(right), 1)
        self.__dict__["of_real"] = Judged(nothing, right, batch.images)
        self.__dict__["of_fake"] = Judged(nothing, fake, batch.images)

    def score(self, features: Tensor, code: Tensor) -> Tensor:
        return code[:, 0]


def discriminator_loss(
    right: list[float], wrong: list[float], fake: list[float], captions: str = "abcd"
) -> float:
    turn = FixedTurn(tiny(), batch_of(*captions), *map(torch.tensor, (right, wrong, fake)))
    (loss,) = MatchingAware(0.0).discriminator_losses(turn).values()
    return float(loss)


def test_the_term_of_real_images_with_their_text() -> None:
    right = [0.5, -1.0, 2.0, 0.0]
    expected = np.mean([math.log1p(math.exp(-x)) for x in right])
    assert discriminator_loss(right, [-FAR] * 4, [-FAR] * 4) == pytest.approx(expected)


def test_the_term_of_real_images_with_a_wrong_text_has_half_the_weight() -> None:
    for wrong in (0.7, -1.3):
        expected = 0.5 * math.log1p(math.exp(wrong))
        assert discriminator_loss([FAR] * 4, [wrong] * 4, [-FAR] * 4) == pytest.approx(expected)


def test_the_term_of_fakes_with_their_text_has_half_the_weight() -> None:
    fake = [0.5, -1.0, 2.0, 0.0]
    expected = 0.5 * np.mean([math.log1p(math.exp(x)) for x in fake])
    assert discriminator_loss([FAR] * 4, [-FAR] * 4, fake) == pytest.approx(expected)


def test_an_equal_caption_is_no_wrong_text() -> None:
    """Where all captions are equal the fakes have the whole weight of what is refused."""
    result = discriminator_loss([FAR] * 4, [9.0] * 4, [0.3] * 4, captions="aaaa")
    assert result == pytest.approx(math.log1p(math.exp(0.3)))


def test_the_wrong_text_is_that_of_another_row() -> None:
    batch = batch_of(*"abcd", seed=3)
    wrong = torch.tensor([1.0, 2.0, 3.0, 4.0])
    sure = torch.full((4,), FAR)
    turn = FixedTurn(tiny(), batch, sure, wrong, -sure)
    (loss,) = MatchingAware(0.0).discriminator_losses(turn).values()
    expected = 0.5 * softplus(wrong[others(Noise(3, 4))]).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(turn.metrics["d_wrong"], wrong.sigmoid()[others(Noise(3, 4))].mean())


def test_of_several_candidates_the_wrong_text_is_the_most_alike() -> None:
    """Embeddings on a circle: the nearest that is not the same caption, of any number of draws."""
    conditioning = tiny().conditioning
    batch = batch_of(*"aabcde", seed=2)
    angles = torch.tensor([0.0, 0.01, 0.5, 1.2, 2.5, 3.1])
    turn = Turn(tiny(), batch, torch.stack([angles.cos(), angles.sin()], 1), torch.empty(0))
    code, differs = conditioning.wrong(turn, candidates=200)  # all others come up
    nearest = angles[[2, 2, 1, 2, 5, 4]]
    torch.testing.assert_close(code, torch.stack([nearest.cos(), nearest.sin()], 1))
    assert differs.all()


def test_where_only_equal_captions_come_up_there_is_no_wrong_text() -> None:
    conditioning = tiny().conditioning
    turn = Turn(tiny(), batch_of(*"aaaa"), torch.randn(4, 2), torch.empty(0))
    assert not conditioning.wrong(turn, candidates=5)[1].any()


def test_the_terms_follow_the_objective() -> None:
    model = tiny()
    model.objective = LeastSquares()
    ones = torch.ones(4)
    turn = FixedTurn(model, batch_of(*"abcd"), 3 * ones, 2 * ones, 5 * ones)
    (loss,) = MatchingAware(0.0).discriminator_losses(turn).values()
    assert float(loss) == pytest.approx(0.5 * ((3 - 1) ** 2 + (2**2 + 5**2) / 2))


# ------------------------------------------------------------------------ texts in between


def test_interpolated_texts_are_halfway_to_another_caption_of_the_batch() -> None:
    conditioning = tiny(interpolation=1.0).conditioning
    batch = batch_of(*"abcdef", seed=1)
    result = conditioning.of_generator(batch)
    code = conditioning.encoded(batch.extra["captions"])
    noise = Noise(1, 6)
    noise.shared_uniform(1)
    torch.testing.assert_close(result, 0.5 * code + 0.5 * code[others(noise)])
    assert not result.requires_grad


def test_interpolation_is_of_whole_turns_in_its_share() -> None:
    code = tiny().conditioning.encoded(rows_of(*"abcd"))
    for share in (0.0, 0.3):
        conditioning = tiny(interpolation=share).conditioning
        plain = [
            torch.equal(conditioning.of_generator(batch_of(*"abcd", seed=s)), code)
            for s in range(99)
        ]
        assert np.mean(plain) == pytest.approx(1 - share, abs=0.12)


def test_the_discriminator_never_sees_an_interpolated_text() -> None:
    conditioning = tiny(interpolation=1.0).conditioning
    batch = batch_of(*"abcd")
    assert torch.equal(conditioning.of_batch(batch), conditioning.encoded(batch.extra["captions"]))


def contrast_of(u: Tensor, v: Tensor, mates: list[list[int]]) -> float:
    """Its definition, of images u and texts v [B,S]; mates: rows with the same text as each."""
    u, v = (x.double().numpy() for x in (u, v))
    u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
    expected = 0.0
    for i, same in enumerate(mates):
        for a, b in ((u, v), (v, u)):
            z = b @ a[i] / TEMPERATURE
            log_p = z - np.log(np.exp(z).sum())
            expected -= log_p[same].mean() / (2 * len(mates))
    return float(expected)


def test_the_contrast_of_images_and_texts() -> None:
    conditioning = Captions(16, CharacterEncoder(5), features=7)
    batch = batch_of("x", "y", "x", "z")
    generator = torch.Generator().manual_seed(0)
    code, features = (torch.randn(4, n, generator=generator) for n in (5, 7))
    turn = Turn(tiny(), batch, code, torch.empty(0))
    with torch.no_grad():
        result = conditioning.contrast(features, turn)
        expected = contrast_of(conditioning.match(features), code, [[0, 2], [1], [0, 2], [3]])
    assert float(result) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_the_contrast_of_interpolated_texts_is_of_the_texts_in_between(seed: int) -> None:
    """Rows belong together if they lie between the same two captions, not if their own is one."""
    conditioning = Captions(16, CharacterEncoder(5), features=7, interpolation=1.0)
    captions = "abacbabc"
    batch = batch_of(*captions, seed=seed)
    code = conditioning.of_generator(batch)
    noise = Noise(seed, len(captions))
    noise.shared_uniform(1)
    pairs = [{captions[i], captions[j]} for i, j in enumerate(others(noise).tolist())]
    mates = [[j for j, other in enumerate(pairs) if other == pair] for pair in pairs]
    features = torch.randn(8, 7, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        u = conditioning.match(features)
        result = float(conditioning.contrast(features, Turn(tiny(), batch, code, torch.empty(0))))
    assert result == pytest.approx(contrast_of(u, code, mates), rel=1e-5)


def test_images_that_show_their_interpolated_texts_have_the_least_contrast() -> None:
    """With u = v, texts far apart: the entropy of the targets, ln 1 = 0 where no two are alike."""
    conditioning = Captions(16, CharacterEncoder(64), features=64, interpolation=1.0)
    nn.init.eye_(conditioning.match.weight)
    nn.init.zeros_(conditioning.match.bias)
    conditioning.encoded = lambda rows: 100 * torch.eye(64)[rows[:, 0].long() % 64]
    batch = batch_of(*"aab", seed=0)  # in a turn of three: {a,a}, {a,b}, {b,a} in some order
    code = conditioning.of_generator(batch)
    turn = Turn(tiny(), batch, code, torch.empty(0))
    z = np.array([1.0, 0.5**0.5, 0.5**0.5]) / TEMPERATURE  # of {a,a} to itself and the others
    alone = np.log(np.exp(z).sum()) - z[0]
    z = np.array([0.5**0.5, 1.0, 1.0]) / TEMPERATURE
    pair = np.log(np.exp(z).sum()) - z[1]
    with torch.no_grad():
        assert float(conditioning.contrast(code, turn)) == pytest.approx(
            (alone + 2 * pair) / 3, rel=1e-4
        )


def test_a_later_turn_does_not_see_the_texts_in_between() -> None:
    conditioning = tiny(interpolation=1.0).conditioning
    batch = batch_of(*"abcd")
    conditioning.of_generator(batch)
    assert BESIDE in batch.extra
    conditioning.of_batch(batch)
    assert BESIDE not in batch.extra
    conditioning.of_generator(batch)
    conditioning.interpolation = 0.0
    conditioning.of_generator(batch)
    assert BESIDE not in batch.extra


# ------------------------------------------------------------------------ networks


def test_the_head_lays_the_text_over_every_place_of_the_map() -> None:
    torch.manual_seed(0)
    head = TextHead((4, 3, 5), text=7, compressed=2, norm=None)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    maps, words = torch.randn(2, 5, 4, 3), torch.randn(2, 7)
    result = head(torch.cat([maps.permute(0, 2, 3, 1).flatten(1), words], 1))
    short = nn.functional.leaky_relu(head.compress[0](words), 0.2)
    mix, score = head.mix[0], head.score
    for n in range(2):
        total = score.bias[0].clone()
        for i in range(4):
            for j in range(3):
                joined = torch.cat([maps[n, :, i, j], short[n]])
                inner = nn.functional.leaky_relu(mix.weight[:, :, 0, 0] @ joined + mix.bias, 0.2)
                total += score.weight[0, :, i, j] @ inner
        torch.testing.assert_close(result[n, 0], total)


def test_the_networks_have_the_papers_shape() -> None:
    model = text_to_image(Spec(3, 64, 64, caption_bytes=16))
    generator, head = model.generator, model.discriminator.score
    assert generator.inputs == 100 + 128
    assert generator.compress[0].out_features == head.compress[0].out_features == 128
    assert generator.network.inputs == 100 + 128
    assert head.start == (4, 4, 512)
    assert isinstance(head.mix[1], BatchNorm2d)
    assert head.mix[0].weight.shape == (512, 512 + 128, 1, 1)
    assert TextHead((4, 4, 96), 128, 128, None).mix[0].out_channels == 256
    assert model.latent == 100


def test_both_players_turns_reach_the_nets_that_they_should() -> None:
    model = tiny()
    step = model.step(
        Batch(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), None, Noise(0, 4),
              {"captions": rows_of(*"abcd")[:, None]}),
        "discriminator",
    )  # fmt: skip
    sum(step.losses.values()).backward()
    assert model.conditioning.encoder.bytes.weight.grad is not None
    assert all(p.grad is None for p in model.generator.parameters())
    assert {"d_real", "d_fake", "d_wrong"} == set(step.metrics)


def test_each_player_has_its_own_weight_of_the_contrast_and_rate() -> None:
    results: dict[tuple[float, float], tuple[float, float]] = {}
    for weight, share in ((1.0, 1.0), (2.0, 0.25), (2.0, 0.0), (0.0, 1.0)):
        model = tiny(contrast=weight, generator_contrast=share)
        batch = batch_of(*"abcd")
        batch.extra["captions"] = batch.extra["captions"][:, None]
        terms = [
            model.step(batch, player).losses.get("contrast")
            for player in ("discriminator", "generator")
        ]
        results[weight, share] = tuple(0.0 if t is None else t.item() for t in terms)
    d, g = results[1.0, 1.0]
    assert d > 0
    assert g > 0
    assert results[2.0, 0.25] == pytest.approx((2 * d, 0.5 * g))
    assert results[2.0, 0.0] == pytest.approx((2 * d, 0.0))
    assert results[0.0, 1.0] == (0.0, 0.0)
    rates = [[phase.optim.lr for phase in tiny(**a).phases]
             for a in ({"lr": 3e-3}, {"lr": 3e-3, "generator_lr": 1e-3})]  # fmt: skip
    assert rates == [[3e-3, 3e-3], [3e-3, 1e-3]]


@pytest.mark.parametrize(
    "regularizer", ["diffaugment", "feature-matching", "gradient-penalty", "r1", "spectral-norm"]
)
@pytest.mark.parametrize("architecture", ["dcgan", "fusion"])
def test_regularizers_compose(regularizer: RegularizerName, architecture: str) -> None:
    model = tiny(regularizers=(regularizer,), architecture=architecture)
    batch = batch_of(*"abcd")
    batch.extra["captions"] = batch.extra["captions"][:, None]
    for phase in model.phases:
        losses = model.step(batch, phase.name).losses
        assert "contrast" in losses
        sum(losses.values()).backward()
        nets = [model.get_submodule(net) for net in phase.nets]
        assert all(p.grad is not None for net in nets for p in net.parameters())


def test_the_fusion_networks_read_and_draw_for_the_same_text() -> None:
    model = tiny(architecture="fusion")
    assert isinstance(model.generator.network, FusionGenerator)
    assert isinstance(model.discriminator, PooledDiscriminator)
    assert isinstance(model.discriminator.score, TextHead)
    assert model.generator.network.inputs == 4 + 6  # noise and the compressed text


def test_a_regularizer_that_would_hide_the_text_is_refused() -> None:
    with pytest.raises(UserError, match=r"--regularizers minibatch-discrimination: it replaces"):
        tiny(regularizers=("minibatch-discrimination",))


def test_of_several_captions_one_is_drawn_for_each_turn() -> None:
    model, seen = tiny(), []
    model.conditioning._keep = lambda rows: seen.append(rows)
    table = torch.from_numpy(text.table(["a\nb", "c", "d\ne"] * 8, 16, 2))
    for seed in range(3):
        images = torch.zeros(24, 3, 16, 16, dtype=torch.uint8)
        batch = Batch(images, None, Noise(seed, 24), {"captions": table})
        model.step(batch, "discriminator")
    assert {text.text_of(row.int().tolist()) for row in torch.cat(seen)} == set("abcde")
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("architecture", ["dcgan", "fusion"])
def test_a_text_decides_what_is_drawn(architecture: str) -> None:
    """After a moment's training the brightness of a picture follows its caption."""
    data = tiny_dataset(n=128)
    trainer = make_trainer(
        "text-to-image",
        data,
        batch=16,
        steps=80,
        arguments={
            "architecture": architecture,
            "width": 4,
            "embedding": 16,
            "lr": 3e-3,
            "beta1": 0.0,
        },
    )
    trainer.fit()
    trainer.model.eval()
    brightness = []
    for words in ("a dark one 1", "a light one 1"):
        rows = torch.tensor(text.row(words, 16)).expand(32, -1)
        drawn = trainer.model.sample(32, condition=rows, generator=torch.Generator().manual_seed(0))
        brightness.append(drawn.mean().item())
    assert brightness[1] > brightness[0] + 0.2


# ------------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "t2i"
    small = ["--width", "4", "--latent", "3", "--embedding", "8", "--compressed", "4"]
    budget = ["--steps", "2", "--batch", "8", "--device", "cpu", "--quiet", "--ema", "0.9"]
    arguments = ["train", "text-to-image", "--data", "shapes:n=24", *small, *budget]
    assert main([*arguments, "--out", str(out)]) == 0
    return out


def test_sample_text_makes_a_row_for_each_text(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "asked.png"
    texts = ["a large red circle", "a small blue star"]
    flags = [word for caption in texts for word in ("--text", caption)]
    assert main(["sample", str(run), *flags, "-n", "3", "--out", str(out)]) == 0
    assert "row 2: a small blue star" in capsys.readouterr().out
    assert np.asarray(Image.open(out)).shape[:2] == (2 * 34 + 2, 3 * 34 + 2)
    trained = genarium.load(run)
    images = trained.sample(3, text=texts)
    assert images.shape == (6, 3, 32, 32)
    assert torch.equal(images, trained.sample(6, condition=trained.text(texts, 3)))
    assert torch.equal(images, trained.decode(trained.codes(6, condition=trained.text(texts, 3))))
    assert not torch.equal(images, trained.sample(3, text=texts[::-1]))
    assert main(["sample", str(run), "--text", "a star", "--json", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 8


def test_samples_without_a_text_take_captions_that_were_seen(run: Path) -> None:
    trained = genarium.load(run)
    assert trained.sample(4).shape == (4, 3, 32, 32)
    known = trained.model.conditioning.known()
    captions = {text.text_of(row.int().tolist()) for row in known}
    assert captions <= set(trained.dataset().train.captions)
    assert len(captions) > 5


def test_training_draws_captions_that_it_does_not_train_on(run: Path) -> None:
    (picture, *_) = sorted((run / "samples").glob("*.png"))
    assert np.asarray(Image.open(picture)).shape == (8 * 34 + 2, 8 * 34 + 2, 3)


def test_the_report_shows_test_captions_and_says_them(run: Path) -> None:
    trained = genarium.load(run)
    dataset = trained.dataset()
    report = gather.collect(trained, dataset=dataset, n=16, seed=0)
    assert report.captions == tuple(dataset.test.captions[:2])
    wanted = to_uint8(trained.sample(8, text=report.captions))
    assert torch.equal(report.samples, wanted)
    (picture, *_) = _sample_pictures(report)
    assert dataset.test.captions[1] in str(picture)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--text", "  "], "--text is empty"),
        (["--text", "x" * 200], "200 bytes long"),
        (["--text", "a", "--class", "star"], "--class and --text: give one of the two"),
        (["--class", "star"], "is conditioned on captions: use --text"),
    ],
)
def test_a_wrong_text_is_one_line(
    run: Path, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(run), *flags]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


def test_a_model_without_captions_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    small = ["--width", "4", "--latent", "3", "--steps", "1", "--batch", "8", "--quiet"]
    assert main(["train", "dcgan", "--data", "digits", *small, "--out", out]) == 0
    assert main(["sample", out, "--text", "a red circle"]) == 2
    assert "is a dcgan that is not conditioned on captions" in capsys.readouterr().err


def test_data_without_captions_are_refused() -> None:
    with pytest.raises(UserError, match=r"text-to-image needs captions and the data have none"):
        genarium.train("text-to-image", "digits", steps=1)


@pytest.mark.parametrize("encoder", ["characters", "subwords"])
def test_weights_belong_to_the_sentence_encoder(encoder: str) -> None:
    words = rf"--weights some: the {encoder}' encoder learns its own"
    with pytest.raises(UserError, match=words):
        tiny(weights="some", encoder=encoder)
