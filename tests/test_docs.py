"""The how-tos of the documentation, done as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"<!-- runnable: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
TINY = ["--steps", "3", "--batch", "8", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every runnable block of docs/architecture.md as its file."""
    folder = tmp_path_factory.mktemp("howto")
    blocks = BLOCK.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert [name for name, _ in blocks] == ["pixels.py", "stripes.py", "contrast.py"]
    for name, text in blocks:
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def python(folder: Path, *arguments: str) -> str:
    found = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "GENARIUM_PATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


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


def test_pictures_and_files_that_the_documents_name_exist() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.name} names {target}"
