"""`train` as a function and as a command: a configuration file, and what is given beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import genarium
from genarium.cli import main
from genarium.errors import UserError

TEXT = "recipe: autoencoder\narguments: {latent: 3}\ntraining: {steps: 1, batch: 4}\n"


@pytest.mark.parametrize("named", ["", "autoencoder", "vae"])
def test_a_file_and_a_recipe(tmp_path: Path, named: str) -> None:
    """The recipe by place wins over that of the file; the file's settings are taken."""
    (tmp_path / "c.yaml").write_text(TEXT)
    out, config = str(tmp_path / "run"), str(tmp_path / "c.yaml")
    words = [*filter(None, [named]), "--config", config, "--width", "2", "--quiet", "--out", out]
    assert main(["train", *words]) == 0
    run = genarium.load(out)
    assert run.recipe.name == (named or "autoencoder")
    assert run.config["arguments"]["latent"] == 3
    again = genarium.train(named or None, config=config, width=2, out=tmp_path / "again")
    assert again.config["arguments"] == run.config["arguments"]


def test_a_section_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="arguments 5: give its settings by name"):
        genarium.train("vae", config={"arguments": 5}, out=tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
