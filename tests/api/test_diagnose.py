"""`diagnose`: what a training noted and what a look shows, for people and programs."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

import genarium
from genarium.cli import main
from genarium.errors import UserError
from genarium.report.notes_section import notes
from genarium.training.monitors.diagnosis import KINDS, of_kind
from tests.conftest import tiny_dataset
from tests.report import fakes

PACKED = Path(__file__).parents[1] / "fixtures" / "runs-0.1.zip"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A GAN of two steps on digits, with a note in its log."""
    out = tmp_path_factory.mktemp("runs") / "gan"
    made = genarium.train(
        "dcgan", "digits", size="16", out=out, steps=2, batch=8, width=2, device="cpu"
    )
    row = of_kind("oscillation", 2, "90 % of the samples", {"score": 0.9}).row()
    with (out / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    return made


def test_function_and_command_say_the_same(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    result = genarium.diagnose(run, n=128, seed=3)
    assert main(["diagnose", str(run.path), "-n", "128", "--seed", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.pop("out") == str(run.path / "diagnosis.json")
    assert said == json.loads(json.dumps(result.to_dict()))
    assert json.loads((run.path / "diagnosis.json").read_text()) == said
    # a GAN of two steps makes one grey picture of all noise, and the log has its note
    assert result.get("mode-collapse") is not None or result.get("repetition") is not None
    noted = result.get("oscillation")
    assert noted is not None
    assert noted.step == 2
    assert "oscillation" in result.passed
    assert "no longer so at the end" in result.text()
    assert all(KINDS[each.name].remedy in result.text() for each in result.diagnoses)


def test_what_was_noted_needs_no_model_and_no_data(run: Any, tmp_path: Path) -> None:
    """Also of a run in training, which has no checkpoint yet."""
    early = Path(shutil.copytree(run.path, tmp_path / "early"))
    shutil.rmtree(early / "checkpoints")
    result = genarium.diagnose(early, measure=False)
    assert [each.name for each in result.diagnoses] == ["oscillation"]
    assert [*result.readings] == []
    with pytest.raises(UserError, match="measure"):
        genarium.diagnose(early, measure=False, step=2)
    with pytest.raises(UserError, match="no checkpoint yet"):
        genarium.diagnose(early)


def test_nothing_is_said_of_nothing(tmp_path: Path) -> None:
    data = tiny_dataset(size=16)
    run = genarium.train(
        "vae", data, out=tmp_path / "vae", steps=1, batch=4, width=2, latent=2, device="cpu"
    )
    assert "measured nothing" in genarium.diagnose(run, measure=False).text()
    looked = genarium.diagnose(run)
    assert looked.get("data-constant") is None
    assert looked.get("data-scale") is None
    assert {"code/kl", "loss/heldout", "sample/diversity"} <= {*looked.readings[0]["values"]}


@pytest.mark.parametrize("name", ["vae", "wgan"])
def test_runs_of_versions_without_readings_are_looked_at(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(PACKED) as packed:
        known = {entry.split("/")[0] for entry in packed.namelist()}
        folder = sorted(each for each in known if each.startswith(name))[0]
        for entry in packed.namelist():
            if entry.startswith(f"{folder}/"):
                packed.extract(entry, tmp_path)
    result = genarium.diagnose(tmp_path / folder, n=64)
    values = result.readings[0]["values"]
    assert values["data/range"] > 0.9
    assert ("judge/discriminator/known" if name == "wgan" else "code/explained") in values


def test_the_page_has_the_notes() -> None:
    row = of_kind("copying", 40, "half of <them>", {}).row()
    report = fakes.report("sample", name="a run", history=[*fakes.history(), row])
    content = str(notes([report]))
    assert "half of &lt;them&gt;" in content.lower()
    assert "step 40" in content
    assert KINDS["copying"].source.replace("&", "&amp;") in content
    assert notes([fakes.report("sample")]) is None
