"""Which channels pictures show, and what files hold: pictures for the eye, or the data's values."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium import cli
from genarium.api.sample import Samples
from genarium.contract import Spec, Values
from genarium.data import DataOptions, collection
from genarium.data.showing import EACH
from genarium.drawing.images import FILL, for_the_eye, grid, legend
from genarium.errors import UserError
from tests.conftest import tiny_dataset

TWELVE = Values("uint16", (0.0,), (4095.0,), "given", "counts")
FIVE = torch.arange(5 * 2 * 3, dtype=torch.uint8).reshape(1, 5, 2, 3) * 8


def spec(channels: int, *shown: int, values: Values | None = None) -> Spec:
    more: dict[str, Any] = {} if values is None else {"values": values}
    return Spec(channels, 2, 3, shown=shown, **more)


def test_channels_are_shown_by_the_stated_rule() -> None:
    a, b, c = (FIVE[:, k : k + 1] for k in range(3))
    assert torch.equal(for_the_eye(FIVE[:, :1]), a)
    assert torch.equal(for_the_eye(FIVE[:, :3]), FIVE[:, :3])
    assert torch.equal(for_the_eye(FIVE[:, :2]), torch.cat([a, b, a], 1))  # magenta, green
    assert torch.equal(for_the_eye(FIVE), FIVE[:, :3])
    assert torch.equal(for_the_eye(FIVE, spec(5, 4)), FIVE[:, 4:])
    assert torch.equal(for_the_eye(FIVE, spec(5, 2, 1)), torch.cat([c, b, c], 1))
    assert torch.equal(for_the_eye(FIVE, spec(5, 0, 2, 1)), torch.cat([a, c, b], 1))
    assert torch.equal(for_the_eye(FIVE[:, :3], spec(3, 1)), b)


def test_each_channel_stands_beside_the_next() -> None:
    seen = for_the_eye(FIVE, spec(5, *EACH))
    assert seen.shape == (1, 1, 2, 5 * 4 - 1)
    for channel in range(5):
        assert torch.equal(seen[0, 0, :, 4 * channel : 4 * channel + 3], FIVE[0, channel])
    assert torch.equal(seen[..., 3::4], torch.full((1, 1, 2, 4), FILL, dtype=torch.uint8))
    rows = FIVE.expand(3, -1, -1, -1).unflatten(0, (3, 1))  # any axes in front
    assert torch.equal(for_the_eye(rows, spec(5, *EACH))[2, 0], seen[0])
    assert torch.equal(for_the_eye(FIVE[:, :1], spec(1, *EACH)), FIVE[:, :1])


def test_stored_values_and_floats_give_one_picture() -> None:
    known = spec(1, values=TWELVE)
    stored = torch.tensor([0, 1, 2048, 4095, 4095, 60000], dtype=torch.uint16).reshape(1, 1, 2, 3)
    expected = torch.tensor([0, 0, 128, 255, 255, 255], dtype=torch.uint8).reshape(1, 1, 2, 3)
    assert torch.equal(for_the_eye(stored, known, stored=True), expected)
    assert torch.equal(for_the_eye(TWELVE.signed(stored), known), expected)


def test_a_second_domain_without_the_channels_has_its_usual_ones() -> None:
    both = Spec(5, 2, 3, second=(1, 2, 3), shown=(4, 3, 2))
    assert torch.equal(for_the_eye(FIVE[:, :1], both, "b"), FIVE[:, :1])
    assert torch.equal(for_the_eye(FIVE, both), FIVE[:, [4, 3, 2]])


def test_grids_take_any_channels() -> None:
    assert torch.equal(grid(FIVE, pad=0), FIVE[0, :3])
    assert torch.equal(grid([FIVE[:, :1], FIVE[:, :2]], pad=0)[:, :, :3], FIVE[0, [0, 0, 0]])


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (spec(1), ""),
        (spec(3), ""),
        (spec(3, 0, 1, 2), ""),
        (spec(3, 2, 1, 0), "channels 2, 1 and 0 of 3 in red, green and blue"),
        (spec(2), "channel 0 in magenta and 1 in green, of 2"),
        (spec(4), "channels 0, 1 and 2 of 4 in red, green and blue"),
        (spec(4, 3), "channel 3 of 4 in grey"),
        (spec(1, values=TWELVE), "darkest to brightest: 0 to 4,095 counts"),
        (
            spec(2, *EACH, values=TWELVE),
            "darkest to brightest: 0 to 4,095 counts; each channel in grey, side by side",
        ),
    ],
)
def test_the_legend_says_what_is_shown(known: Spec, words: str) -> None:
    assert legend(known) == words


@pytest.mark.parametrize("wrong", ["", "x", "0,1,2,3", "-1", "1.5", "each,0", "9999999"])
def test_what_shows_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(UserError, match=r"^--show .*: give one channel"):
        DataOptions(show=wrong)


def test_show_is_kept_and_changes_no_number(tmp_path: Path, capsys: Any) -> None:
    """One setting: it is in the run, in its pictures, and not in the manifest."""
    assert DataOptions(show=(0, 2)).show == "0,2"  # type: ignore[arg-type]
    assert DataOptions(show=1).show == "1"  # type: ignore[arg-type]
    source = "shapes:n=48"
    how: dict[str, Any] = {"size": "8", "steps": 1, "batch": 8, "device": "cpu", "width": 4}
    plain = genarium.train("vae", source, out=tmp_path / "plain", **how)
    run = genarium.train("vae", source, out=tmp_path / "run", show="each", **how)
    assert run.dataset().manifest == plain.dataset().manifest
    run = genarium.load(tmp_path / "run")
    assert (run.spec.shown, plain.spec.shown) == (EACH, ())
    with Image.open(tmp_path / "run" / "samples" / "00000001.png") as picture:
        assert (picture.mode, picture.size) == ("L", (8 * (3 * 9 - 1 + 2) + 2, 8 * 10 + 2))
    made, other = (genarium.sample(each, n=4) for each in (run, plain))
    assert torch.equal(made.images, other.images)
    assert made.pictures.shape == (4, 1, 8, 26)
    assert genarium.reconstruct(run, n=2).image.shape[0] == 1
    made.save(tmp_path / "x.png")
    assert made.report().endswith("each channel in grey, side by side")
    assert other.legend() == ""
    sheet = genarium.show(tmp_path / "run", n=3)
    assert sheet.images.shape == (3, 1, 8, 26)
    assert "each channel" in sheet.text()
    assert cli.main(["data", "show", source, "--size", "8", "--show", "3"]) == 2
    assert capsys.readouterr().err.count("--show 3: the images have channels 0 to 2") == 1
    facts = genarium.show_data(source, size="8", show="1").to_dict()
    assert facts["shown"] == "channel 1 of 3 in grey"


@pytest.mark.parametrize("channels", [(), EACH], ids=["magenta", "each"])
def test_a_study_shows_pictures_for_the_eye(channels: tuple[int, ...], tmp_path: Path) -> None:
    data = tiny_dataset(2, 8, values=TWELVE)
    data.spec = replace(data.spec, shown=channels)
    run = genarium.train("vae", data, out=tmp_path / "run", steps=1, batch=8, width=4, latent=2)
    made = genarium.create_study(run, data, out=tmp_path / "study", n=2, practice=2, checks=0)
    manifest = made.manifest
    seen = for_the_eye(data.test.images, data.spec, stored=True)
    real = {tuple(image.flatten().tolist()) for image in seen}
    files = sorted((tmp_path / "study" / "pictures").iterdir())
    shown = [torch.from_numpy(np.atleast_3d(np.array(Image.open(f)))) for f in files]
    assert {(*image.shape[:2],) for image in shown} == {manifest.size} == {(*seen.shape[2:],)}
    assert all(torch.equal(image[..., 0], image[..., -1]) for image in shown)  # magenta, or grey
    assert sum((*image.permute(2, 0, 1).flatten().tolist(),) in real for image in shown) == 3


# ------------------------------------------------------------------ what files hold


def made(values: Values, channels: int = 1, n: int = 2) -> Samples:
    result = Samples(torch.linspace(-1, 1, n * channels * 6).reshape(n, channels, 2, 3), "run", 0)
    result.spec = Spec(channels, 2, 3, values=values)
    return result


def test_files_of_8_bits_are_as_they_were(tmp_path: Path) -> None:
    result = made(Values())
    result.save(tmp_path / "x.npz")
    pixels = result.pictures.permute(0, 2, 3, 1).numpy()
    np.savez_compressed(tmp_path / "expected.npz", images=pixels)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "expected.npz").read_bytes()
    result.save(tmp_path / "a")
    result.save(tmp_path / "b", form="values")
    for name in ("000000.png", "000001.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_png_of_values_has_16_bits_and_says_its_units(tmp_path: Path) -> None:
    one = made(TWELVE, n=1)
    one.save(tmp_path / "x.png", form="values")
    with Image.open(tmp_path / "x.png") as opened:
        assert np.array_equal(np.array(opened, np.uint16), one.values[0, 0].numpy())
        about = json.loads(opened.text["Description"])  # type: ignore[attr-defined]
    assert (about["high"], about["unit"], about["rule"]) == ([4095.0], "counts", "given")
    assert one.report().endswith("values: uint16, 0 to 4,095 counts")
    colours = made(TWELVE, 3, n=1)
    imagecodecs = pytest.importorskip("imagecodecs")
    colours.save(tmp_path / "y.png", form="values")
    again = imagecodecs.png_decode((tmp_path / "y.png").read_bytes())
    assert np.array_equal(again, colours.values[0].permute(1, 2, 0).numpy())


def test_form_settles_what_an_ending_leaves_open(tmp_path: Path) -> None:
    result = made(TWELVE, 2)
    result.save(tmp_path / "x.npy", form="pictures")
    assert np.array_equal(np.load(tmp_path / "x.npy"), result.pictures.permute(0, 2, 3, 1).numpy())
    result.save(tmp_path / "a")
    assert {p.name for p in (tmp_path / "a").glob("*")} == {
        *("000000.png", "000001.png", ".genarium.json")
    }
    result.save(tmp_path / "a", form="values", overwrite=True)
    assert {p.name for p in (tmp_path / "a").glob("0*")} == {"000000.tif", "000001.tif"}


FLOATS = Values("float32", (-1.0,), (3.0,), "given", "mm")


@pytest.mark.parametrize(
    ("result", "out", "form", "words"),
    [
        (made(TWELVE), "x.png", "values", "x.png: a PNG of values holds one image, not 2: end it"),
        (made(FLOATS, n=1), "x.png", "values", "PNG does not hold float32 of 1 channel: end it"),
        (made(TWELVE, 5, 1), "x.png", "values", "PNG does not hold uint16 of 5 channels: end it"),
        (made(TWELVE), "x.npy", "values16", "--form values16: choose pictures or values"),
        (made(TWELVE), "x.gif", None, "x.gif: end it in .png, .npy, .npz, .tif or .tiff, or name"),
    ],
)
def test_what_a_file_cannot_hold_is_one_line(
    result: Samples, out: str, form: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        result.save(tmp_path / out, form=form)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_what_is_not_installed_is_said_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in ("tifffile", "imagecodecs") else find(name, *rest),
    )
    assert cli.main(["sample", "nowhere", "--out", str(tmp_path / "x.tif")]) == 2
    assert "TIFF needs tifffile: pip install 'genarium[science]'" in capsys.readouterr().err
    with pytest.raises(UserError, match="16-bit colours needs imagecodecs"):
        made(TWELVE, 3, n=1).save(tmp_path / "x.png", form="values")
    assert cli.main(["sample", "nowhere", "--form", "values"]) == 2
    assert "--form values: say where it goes with --out" in capsys.readouterr().err
    with pytest.raises(UserError, match="--form values: say where it goes with --out"):
        genarium.sample("nowhere", form="values")  # type: ignore[call-arg]


def test_the_policy_of_a_manifest_does_not_hold_what_is_shown() -> None:
    shape = (3, 8, 8)
    rules = [collection.policy(DataOptions(show=show), shape) for show in (None, "1", "each")]
    assert rules[0] == rules[1] == rules[2]
