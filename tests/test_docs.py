"""The how-tos of the documentation, done as they are written."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ("tools", "benchmarks", "experiments")
BLOCK = re.compile(r"<!-- runnable: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
TINY = ["--steps", "3", "--batch", "8", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every runnable block of docs/architecture.md as its file."""
    folder = tmp_path_factory.mktemp("howto")
    blocks = BLOCK.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert [name for name, _ in blocks] == [
        "pixels.py",
        "brightness.py",
        "stripes.py",
        "contrast.py",
    ]
    for name, text in blocks:
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def python(folder: Path, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "GENARIUM_PATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def genarium(folder: Path, command: str, *more: str) -> str:
    return python(folder, "-m", "genarium", *command.split(), *more)


def test_adding_a_model_touches_one_file(written: Path) -> None:
    assert "pixels" in genarium(written, "models")
    genarium(written, "train pixels --data digits --lr 0.1", *TINY)
    genarium(written, "sample runs/pixels-digits-1 -n 4")
    genarium(written, "resume runs/pixels-digits-1 --steps 5 --quiet")
    assert "FID" in genarium(written, "evaluate runs/pixels-digits-1 -n 64")


def test_adding_a_data_set_touches_one_file(written: Path) -> None:
    assert "stripes" in genarium(written, "data list")
    assert "across, down" in genarium(written, "data show stripes")
    genarium(written, "train vae --data stripes:n=100,seed=1 --size 28", *TINY)
    assert "vae" in genarium(written, "sample runs/vae-stripes-1 -n 4")


def test_adding_a_metric_touches_one_file(written: Path) -> None:
    genarium(written, "train pixels --data digits --out runs/pixels-metric", *TINY)
    script = written / "contrast.py"
    script.write_text(script.read_text().replace("runs/pixels-digits-1", "runs/pixels-metric"))
    assert "contrast" in python(written, "contrast.py")


def test_adding_a_verb_touches_one_file(written: Path) -> None:
    genarium(written, "train pixels --data digits --out runs/pixels-verb", *TINY)
    assert "brightness" in genarium(written, "--help")
    assert "how many" in genarium(written, "brightness --help")
    record = json.loads(genarium(written, "brightness runs/pixels-verb -n 8 --json"))
    assert 0 < record["mean"] < 1
    program = "import genarium; print(genarium.brightness('runs/pixels-verb', n=8).mean)"
    assert float(python(written, "-c", program)) == record["mean"]


def test_the_latent_space_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of docs/latent.md in order, trained for a moment only; then its Python."""
    from PIL import Image

    from genarium.cli import main

    text = (ROOT / "docs" / "latent.md").read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.split("\n")
    ]
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line]
    assert {command[0] for command in commands} >= {"interpolate", "arithmetic", "traverse"}
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30), "navy").save(tmp_path / "photos" / "one.png")
    monkeypatch.chdir(tmp_path)
    for command in commands:
        assert main([*command, *(TINY if command[0] == "train" else [])]) == 0, command
        if command[0] not in ("train", "sample"):
            assert (Path(command[1]) / f"{command[0]}.png").is_file()
    capsys.readouterr()
    ((_, script),) = BLOCK.findall(text)
    exec(compile(script, "latent.md", "exec"), {})
    assert "torch.Size([8, 16])" in capsys.readouterr().out


def test_the_likelihood_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verbs of docs/likelihood.md that need no files, on one small run; then its coder."""
    from genarium.cli import main

    text = (ROOT / "docs" / "likelihood.md").read_text(encoding="utf-8")
    lines = re.findall(r"^genarium .*$", text, re.MULTILINE)
    commands = [shlex.split(line, comments=True)[1:] for line in lines]
    assert {command[0] for command in commands} == {"train", "sample", "complete", "score"}
    monkeypatch.chdir(tmp_path)
    small = ["--blocks", "1", "--width", "6", "--head", "6"]
    (training,) = (c for c in commands if c[0] == "train" and "runs/pixels" in c)
    assert main([*training, *small, *TINY]) == 0
    for command in commands:
        of_files = {"DIR", "photos/", "mine/"} & {*command}
        if command[:2] != ["train", "pixelcnn"] and command[1] == "runs/pixels" and not of_files:
            few = {"shapes": "shapes:n=60"}
            assert main([few.get(word, word) for word in command]) == 0, command
    ((_, script),) = BLOCK.findall(text)
    exec(compile(script, "likelihood.md", "exec"), {})
    assert "bytes an image" in capsys.readouterr().out


def test_text_to_image_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of docs/text.md in order on a few small images; then its Python."""
    from genarium.cli import main

    text = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    commands = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    assert [command[0] for command in commands] == ["train", "sample", "sample", "evaluate"]
    monkeypatch.chdir(tmp_path)
    few = {"shapes": "shapes:n=60", "32": "4"}  # images, and the width of the networks
    for command in commands:
        more = {"train": TINY, "evaluate": ["-n", "10"]}.get(command[0], [])
        assert main([*(few.get(word, word) for word in command), *more]) == 0, command
    assert "row 2: a large pink ring" in capsys.readouterr().out
    (script,) = re.findall(r"<!-- tested: text -->\n```python\n(.*?)```", text, re.DOTALL)
    results: dict[str, object] = {}
    exec(compile(script, "text.md", "exec"), results)
    assert results["images"].shape == (8, 3, 16, 16)  # type: ignore[attr-defined]
    assert len(results["codes"]) == 4  # type: ignore[arg-type]


def test_translation_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first commands of docs/translation.md, on few images for a moment; then its Python."""
    from genarium.cli import main

    text = (ROOT / "docs" / "translation.md").read_text(encoding="utf-8")
    block = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0]
    lines = re.findall(r"^genarium .*$", block, re.MULTILINE)
    commands = [shlex.split(line, comments=True)[1:] for line in lines]
    assert [c[0] for c in commands] == ["train", "translate", "evaluate", "train", "translate"]
    monkeypatch.chdir(tmp_path)
    few = {name: f"{name}:n=60" for name in ("shape-masks", "shape-domains")}
    for command in commands:
        small = [*TINY, "--width", "4"] if command[0] == "train" else []
        assert main([few.get(word, word) for word in command] + small) == 0, command
    capsys.readouterr()
    ((_, script),) = BLOCK.findall(text)
    exec(compile(script, "translation.md", "exec"), {})
    assert "('a2b', 'b2a') torch.Size([10, 3, 32, 32])" in capsys.readouterr().out


def test_pictures_and_files_that_the_documents_name_exist() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.name} names {target}"


def test_scripts_that_are_named_exist() -> None:
    """In pages, and in what sources say of themselves; NAME stands for any."""
    places = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "experiments/README.md"]
    places += [f for room in SCRIPTS for f in (ROOT / room).rglob("*.py")]
    named = re.compile(rf"(?<![\w/])(?:{'|'.join(SCRIPTS)})/[\w/]+\.py")
    for place in places:
        for script in named.findall(place.read_text(encoding="utf-8")):
            known = (ROOT / script).exists() or "NAME" in script
            assert known, f"{place.relative_to(ROOT)} names {script}"


def test_the_axes_compose_as_docs_adversarial_has_it() -> None:
    import torch

    from genarium.contract import Batch, Noise

    text = (ROOT / "docs" / "adversarial.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- tested: adversarial -->\n```python\n(.*?)```", text, re.DOTALL)
    results: dict[str, object] = {}
    exec(block.replace("width=32", "width=2"), results)
    model = results["model"]
    images = torch.randint(0, 256, (4, 3, 64, 64)).to(torch.uint8)
    for phase in model.phases:  # type: ignore[attr-defined]
        batch = Batch(images, torch.arange(4) % 2, Noise(0, 4))
        losses = model.step(batch, phase.name).losses  # type: ignore[attr-defined]
        assert all(bool(value.isfinite()) for value in losses.values())
    assert "r1" in model.step(batch, "discriminator").losses  # type: ignore[attr-defined]
