"""Features learnt without labels: the losses in closed form, the views, the extractor."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import genarium
from genarium import cli
from genarium.contract import Spec
from genarium.contract.batch import Batch, Noise
from genarium.errors import UserError
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.selftrained import CARD, WEIGHTS, Trunk
from genarium.features.selfsupervised import VICReg, covariance, steps_for, variance, view
from tests.conftest import tiny_dataset

torch.set_num_threads(1)


class Said(Noise):
    """Noise that gives the numbers it was told."""

    def __init__(self, *numbers):
        super().__init__(0, 1)
        self.numbers = torch.tensor([numbers])

    def uniform(self, *shape):
        return self.numbers


# area, aspect, across, down, side, contrast, brightness: the picture as it is
PLAIN = (1.0, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5)


def picture():
    return 2 * torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)) - 1


def test_variance_and_covariance_are_their_formulas():
    z = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [1.0, -2.0], [-1.0, 2.0]])
    spread = (4 / 3 + 1e-4) ** 0.5, (16 / 3 + 1e-4) ** 0.5
    assert variance(z) == sum(max(0.0, 1 - s) for s in spread)
    assert variance(z / 4).item() == pytest.approx(
        ((1 - (4 / 48 + 1e-4) ** 0.5) + (1 - (16 / 48 + 1e-4) ** 0.5)) / 2
    )
    assert covariance(z) == 0
    both = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])  # covariance 4, twice, over two numbers
    assert covariance(both) == 16


def test_a_view_without_chance_is_the_picture():
    x = picture()
    assert torch.allclose(view(x, Said(*PLAIN)), x, atol=1e-6)


def test_a_view_is_mirrored_cropped_and_changed_in_light():
    x = picture()

    def seen(**changed):
        names = ("area", "aspect", "across", "down", "side", "contrast", "brightness")
        return view(x, Said(*({**dict(zip(names, PLAIN)), **changed}[name] for name in names)))

    assert torch.allclose(seen(side=0.1), x.flip(3), atol=1e-6)
    assert torch.allclose(seen(brightness=1.0), x + 0.2, atol=1e-6)
    mean = x.mean()
    assert torch.allclose(seen(contrast=0.0), mean + 0.8 * (x - mean), atol=1e-6)
    # a quarter of the area would be half a side; the least is 40 %
    ramp = torch.linspace(-1, 1, 65)[:-1].add(1 / 64).expand(1, 1, 64, 64)
    crop = view(ramp, Said(0.0, *PLAIN[1:]))
    assert (crop[..., -1] - crop[..., 0]).mean().item() == pytest.approx(
        0.4**0.5 * (ramp[..., -1] - ramp[..., 0]).mean().item(), rel=0.01
    )
    assert view(ramp, Said(0.0, 0.5, 0.0, *PLAIN[3:])).min() < -0.97  # at the left edge


def test_a_step_is_the_sum_of_its_three_losses():
    torch.manual_seed(0)
    spec = Spec(5, 8, 8)  # any number of channels
    trunk = Trunk(5, 2)
    model = VICReg(spec, trunk, trunk.dims, projection=8)
    images = torch.randint(256, (16, 5, 8, 8), dtype=torch.uint8)
    losses = model.step(Batch(images, noise=Noise(0, 16)), "features").losses
    x = Batch(images).signed()
    noise = Noise(0, 16)
    one, other = model.projector(trunk(torch.cat([view(x, noise), view(x, noise)]))[0]).chunk(2)
    assert losses["invariance"] == 25 * ((one - other) ** 2).mean()
    assert losses["variance"] == 25 * (variance(one) + variance(other))
    assert losses["covariance"] == covariance(one) + covariance(other)
    assert [steps_for(n, 128) for n in (100, 1000, 10**6)] == [300, 782, 2000]


def test_training_brings_views_of_one_picture_together_and_pictures_apart():
    data = tiny_dataset(3, 16, 64)
    losses = []

    class Told:
        def update(self, step, share, rate, row):
            if row:
                losses.append(sum(row["losses"].values()))

        def note(self, text): ...
        def close(self): ...

    from genarium.training.options import TrainOptions
    from genarium.training.trainer import Trainer, TrainingData

    torch.manual_seed(0)
    trunk = Trunk(3, 4)
    model = VICReg(data.spec, trunk, trunk.dims, projection=16, lr=3e-3)
    options = TrainOptions(steps=24, batch=32, device="cpu", precision="fp32", log_every=8)
    trainer = Trainer(model, TrainingData(data.train.images), options)
    trainer.attach(None, Told())
    trainer.fit()
    assert losses[-1] < 0.8 * losses[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "digits"
    return genarium.train_features(
        "digits", out=out, steps=3, batch=16, width=2, device="cpu", size="16"
    )


def test_a_folder_is_an_extractor_of_scores(trained, tmp_path):
    folder = str(trained.folder)
    result = extractor(folder)
    assert (result.name, result.classes, result.dims) == ("vicreg-digits", (), trained.dims)
    assert trained.extractor.hash == result.hash
    images = genarium.data.load("digits", progress=False).test.images[:60]
    scores = genarium.evaluate(
        images[:30], against=images[30:], extractor=trained.folder, metrics="fid"
    )
    row = scores.get("FID (vicreg-digits)")
    assert row.basis["extractor"] == f"vicreg-digits {result.hash}"
    assert "trained without labels on digits; orders" in row.note
    assert "16x16" in row.basis["resize"]


def test_the_same_seed_makes_the_same_file(trained, tmp_path):
    again = genarium.train_features(
        "digits", out=tmp_path / "again", steps=3, batch=16, width=2, device="cpu", size="16"
    )
    other = genarium.train_features(
        "digits", out=tmp_path / "b", steps=3, batch=16, width=2, device="cpu", size="16", seed=1
    )
    contents = [(run.folder / WEIGHTS).read_bytes() for run in (trained, again, other)]
    assert contents[0] == contents[1] != contents[2]


def test_the_command_trains_and_says_what_comes_next(tmp_path, capsys):
    out = tmp_path / "mine"
    words = ("--steps", "2", "--batch", "16", "--width", "1", "--size", "16", "--quiet")
    assert cli.main(["features", "train", "digits", "--out", str(out), *words]) == 0
    assert f"--extractor {out}" in capsys.readouterr().out
    assert {each.name for each in out.iterdir()} == {CARD, WEIGHTS}
    card = json.loads((out / CARD).read_text())
    assert card["shape"] == [1, 16, 16]
    assert len(card["views"]) == 4
    assert cli.main(["features", "train", "digits", "--out", str(out), *words]) == 2
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--batch", "20000"), "--batch 20000: there are 1"),
        (("--batch", "8"), "--batch"),
        (("--size", "x"), "--size"),
    ],
)
def test_wrong_settings_are_one_line_and_nothing_is_written(tmp_path, capsys, words, message):
    out = tmp_path / "mine"
    assert cli.main(["features", "train", "digits", "--out", str(out), *words]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_points_of_the_plane_have_no_features_to_learn(tmp_path):
    with pytest.raises(UserError, match="ring8: points of the plane"):
        genarium.train_features("ring8", out=tmp_path / "x")


def test_a_damaged_folder_is_refused(trained, tmp_path):
    def copy(name, change):
        folder = tmp_path / name
        folder.mkdir()
        for file in (CARD, WEIGHTS):
            (folder / file).write_bytes((trained.folder / file).read_bytes())
        change(folder)
        return str(folder)

    def flip(folder):
        content = bytearray((folder / WEIGHTS).read_bytes())
        content[-1] ^= 1
        (folder / WEIGHTS).write_bytes(content)

    def other_width(folder):
        state = load_file(folder / WEIGHTS)
        state["stem.0.weight"] = state["stem.0.weight"][:1].contiguous()
        save_file(state, folder / WEIGHTS)
        import hashlib

        card = json.loads((folder / CARD).read_text())
        card["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        (folder / CARD).write_text(json.dumps(card))

    for name, change, message in (
        ("flip", flip, "not the file"),
        ("gone", lambda f: (f / WEIGHTS).unlink(), "no such file"),
        ("card", lambda f: (f / CARD).write_text('{"shape": [1]}'), "not that of an extractor"),
        ("list", lambda f: (f / CARD).write_text("[]"), "not that of an extractor"),
        ("width", other_width, "stem"),
    ):
        with pytest.raises(UserError, match=message):
            extractor(copy(name, change))
    colour = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(UserError, match="1 channels, these have 3"):
        extractor(str(trained.folder))(colour)
    with pytest.raises(UserError, match="has its own"):
        extractor(str(trained.folder), weights="x.safetensors")
