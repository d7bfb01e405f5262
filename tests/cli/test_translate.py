"""`genarium translate` and what else a translator's run can do, from the command to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main
from genarium.errors import UserError
from genarium.evaluation.scores import score as scores

TINY = ["--steps", "2", "--batch", "4", "--width", "4", "--disc-width", "4", "--patch", "16"]


@pytest.fixture(scope="module")
def p2p(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "p2p"
    data = ["--data", "shape-masks:n=36"]
    assert main(["train", "pix2pix", *data, *TINY, "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "cycle"
    data = ["--data", "shape-domains:n=36", "--blocks", "1"]
    assert main(["train", "cyclegan", *data, *TINY, "--quiet", "--out", str(folder)]) == 0
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_files_keep_their_names_and_a_grid_shows_them(
    cycle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    Image.new("RGB", (50, 40), "navy").save(given / "one.jpg")
    Image.new("L", (32, 32), 90).save(given / "deep" / "two.png")
    # no flat image: of that instance norms leave nothing but the rounding
    noisy = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    Image.fromarray(noisy).save(tmp_path / "three.png")
    out = tmp_path / "out"
    names = [str(given), str(tmp_path / "three.png")]
    assert main(["translate", str(cycle), *names, "--out", str(out)]) == 0
    assert "3 images translated a2b" in capsys.readouterr().out
    files = {str(p.relative_to(out)) for p in out.rglob("*.png")}
    assert files == {"one.png", "deep/two.png", "three.png", "grid.png"}
    assert pixels(out / "one.png").shape == (32, 32, 3)
    assert pixels(out / "grid.png").shape == (34 + 2, 9 * 34 + 2, 3)  # input, output, cycle
    run = genarium.load(cycle)
    alone = run.translate(torch.from_numpy(noisy).permute(2, 0, 1)[None])
    made = genarium.contract.to_uint8(alone)[0].permute(1, 2, 0).numpy()
    # a transposed convolution sums in another order for one image than for three
    assert np.abs(pixels(out / "three.png").astype(int) - made).max() <= 1


def test_both_directions_of_a_cycle(cycle: Path, tmp_path: Path) -> None:
    results = {}
    for direction in ("a2b", "b2a"):
        out = tmp_path / f"{direction}.npz"
        flags = ["test:0-2", "--direction", direction, "--out", str(out)]
        assert main(["translate", str(cycle), *flags]) == 0
        results[direction] = np.load(out)["images"]
        assert results[direction].shape == (3, 32, 32, 3)
    run = genarium.load(cycle)
    b = run.dataset().test.domain("b")[:3]
    expected = genarium.contract.to_uint8(run.translate(b, "b2a")).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(results["b2a"], expected)


def test_test_images_stand_beside_their_targets(p2p: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    assert main(["translate", str(p2p), "test:2,4", "--out", str(out)]) == 0
    grid = pixels(out)
    assert grid.shape == (36, 6 * 34 + 2, 3)
    test = genarium.load(p2p).dataset().test
    for number, row in enumerate((2, 4)):
        for cell, image in ((0, test.images[row]), (2, test.extra["b"][row])):
            left = 2 + 34 * (3 * number + cell)
            shown = grid[2:34, left : left + 32]
            assert np.array_equal(shown, image.permute(1, 2, 0).numpy())


def test_chance_follows_the_seed(p2p: Path, tmp_path: Path) -> None:
    results = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / f"{number}.npz"
        assert main(["translate", str(p2p), "--seed", str(seed), "--out", str(out)]) == 0
        results.append(np.load(out)["images"])
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--direction", "b2a"], "--direction b2a: "),
        (["nowhere.png"], "nowhere.png does not exist"),
        (["--out", "x.jpg"], "--out x.jpg: name a folder, or end it in .png"),
        (["test:99"], "there are test images 0 to 5"),
    ],
)
def test_bad_input_is_one_line(
    p2p: Path, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", str(p2p), *flags]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_two_files_of_one_name_are_refused(
    p2p: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/x.png", "b/x.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    names = [str(tmp_path / name) for name in ("a/x.png", "b/x.png")]
    assert main(["translate", str(p2p), *names, "--out", str(tmp_path / "out")]) == 2
    assert "would both be" in capsys.readouterr().err


def test_scores_of_each_direction(
    p2p: Path, cycle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, wanted, missing in (
        (p2p, {"a2b L1", "a2b FID", "a2b sharpness"}, {"a2b cycle L1", "b2a FID"}),
        (cycle, {"a2b FID", "b2a FID", "a2b cycle L1", "b2a cycle L1"}, {"a2b L1"}),
    ):
        assert main(["evaluate", str(run), "--json", "--metrics", "fid,sharpness"]) == 0
        rows = {r["name"].split(" (")[0]: r for r in json.loads(capsys.readouterr().out)["rows"]}
        assert wanted <= rows.keys()
        assert not missing & rows.keys()
    trained = genarium.load(p2p)
    test = trained.dataset().test
    # the evaluator draws dropout's numbers from its own seed: the error is that of such a draw
    generator = torch.Generator().manual_seed(0)
    made = genarium.contract.to_uint8(trained.model.translate(test.images, generator=generator))
    expected = (made.double() - test.extra["b"].double()).abs().mean().item() / 255
    main(["evaluate", str(p2p), "--json", "--metrics", "sharpness"])
    rows = {r["name"]: r for r in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["a2b L1"]["value"] == pytest.approx(expected)
    idle = (test.images.double() - test.extra["b"].double()).abs().mean().item() / 255
    assert f"; {scores.number(idle)} for the input as it is" in rows["a2b L1"]["note"]
    assert rows["a2b L1"]["reference"] is None  # it is no score of real images


def test_pictures_while_it_trains_and_the_report(p2p: Path, cycle: Path, tmp_path: Path) -> None:
    assert pixels(p2p / "samples" / "00000002.png").shape[1] == 9 * 34 + 2  # 3 images, 3 cells
    assert pixels(cycle / "samples" / "00000002.png").shape[1] == 9 * 34 + 2
    page = genarium.compare([cycle], n=16).save(tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "cycle, b2a" in text
    assert "comes back through both generators" in text


def test_other_models_do_not_translate(tmp_path: Path) -> None:
    run = genarium.train(
        "autoencoder", "digits", out=tmp_path / "ae", steps=1, batch=8, latent=2, width=2
    )
    with pytest.raises(UserError, match="cannot translate"):
        run.translate(run.dataset().test.images[:2])
