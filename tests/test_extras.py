"""Optional parts: what pyproject.toml installs is what the program looks for and names."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from genarium import extras, verbs
from genarium.cli import main
from genarium.errors import UserError

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
DECLARED = {
    extra: {re.match(r"[\w-]+", line)[0] for line in lines}  # type: ignore[index]
    for extra, lines in PROJECT["project"]["optional-dependencies"].items()
}
NEEDED = {re.match(r"[\w-]+", line)[0] for line in PROJECT["project"]["dependencies"]}  # type: ignore[index]
FOR_DEVELOPERS = {"dev", "docs"}
BESIDE = {"starlette"}  # comes with fastapi; a bound on its version


def test_extras_are_those_of_the_project() -> None:
    assert {*extras.EXTRAS} == {*DECLARED} - FOR_DEVELOPERS
    for name, extra in extras.EXTRAS.items():
        assert {*extra.packages} == DECLARED[name] - BESIDE, name


@pytest.mark.parametrize("name", extras.EXTRAS)
def test_a_module_belongs_to_the_package_that_is_named(name: str) -> None:
    for package, module in extras.EXTRAS[name].packages.items():
        pytest.importorskip(module)
        files = importlib.metadata.files(package) or []
        assert module in {file.parts[0].partition(".")[0] for file in files}


def test_what_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sklearn", "scipy", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as caught:
        extras.expect("features", "this", otherwise="do that")
    assert str(caught.value) == (
        "this needs scikit-learn and scipy: pip install 'genarium[features]', or do that"
    )
    extras.expect("features", "this", "matplotlib")
    assert extras.missing("parquet") == ["pyarrow"]


@pytest.mark.parametrize("name", ["probe", "cluster", "map"])
def test_verbs_of_features_say_it_before_they_read_a_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main([name, "nowhere"]) == 2
    assert capsys.readouterr().err == (
        f"genarium: error: `genarium {name}` needs scikit-learn: pip install 'genarium[features]'\n"
    )


def test_several_processes_say_it_before_they_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "vae", "--data", "digits", "--processes", "2", "--quiet"]) == 2
    assert "--processes 2 needs accelerate: pip install 'genarium[processes]'" in (
        capsys.readouterr().err
    )
    assert not [*tmp_path.iterdir()]


PLAIN = """
import sys
sys.modules |= dict.fromkeys({absent})  # None: it cannot be imported
from genarium.cli import main
data = "--data shapes:n=300 --size 16 --channels 1"
for words in (
    f"train vae {{data}} --steps 2 --batch 8 --width 4 --out vae --quiet --device cpu",
    "sample vae -n 4 --out samples.png --device cpu",
    "encode vae test:0-3 --out codes.csv --device cpu",
    "compare vae vae -n 60 --out report.html --device cpu --quiet",
    "models",
):
    assert main(words.split()) == 0, words
"""


def test_a_plain_install_does_the_first_errands(tmp_path: Path) -> None:
    """In a process where no package of an extra, and none that it brings, can be imported."""
    modules = {module for extra in extras.EXTRAS.values() for module in extra.packages.values()}
    for needed in ("torch", "numpy", "PIL", "safetensors", "pydantic", "yaml", "rich"):
        assert needed not in modules
    absent = {*modules, "huggingface_hub", "psutil", "joblib", "tqdm", "requests"}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN.format(absent=sorted(absent))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert {"vae", "samples.png", "codes.csv", "report.html"} <= made


def test_every_verb_that_needs_an_extra_says_so_in_the_list() -> None:
    """The list names verbs that exist."""
    named = {
        word for extra in extras.EXTRAS.values() for word in re.findall(r"`(\w+)`", extra.what)
    }
    assert named <= {*verbs.catalogue()}
    assert named
