"""The figure of families over time: where its lines cross, and which crossings are sure."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "families_figure.py"


@pytest.fixture(scope="module")
def figure() -> Any:
    spec = importlib.util.spec_from_file_location("families_figure", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def row(family: str, minutes: float, fid: float, recall: float, spread: float = 0.1) -> Any:
    known = {"FID (digits-cnn)": fid, "recall (digits-cnn)": recall}
    rows = [
        {"name": name, "value": value, "interval": [value - spread, value + spread]}
        for name, value in known.items()
    ]
    scores = {"rows": rows}
    return {
        "family": family,
        "asked": minutes,
        "steps": 7,
        "seconds_an_image": 0.002,
        "scores": scores,
    }


ROWS = [
    row("flow-matching", 1, 8.0, 0.5),
    row("dcgan", 1, 2.0, 0.5),
    row("flow-matching", 4, 1.0, 0.7),
    row("dcgan", 4, 4.0, 0.6),
    row("vae", 4, 3.0, 0.9),  # at one time only: it crosses nothing
]


def test_lines_cross_where_their_ratio_is_one(figure: Any) -> None:
    (found,) = figure.crossings(figure.lines_of(ROWS, "fid"), "fid")
    assert found.minutes == pytest.approx(2.0)  # ratios 4 and 1/4: half way between 1 and 4
    assert (found.before, found.after, found.sure) == ("dcgan", "flow-matching", True)
    assert figure.crossings(figure.lines_of(ROWS, "recall"), "recall") == []  # they begin alike


def test_a_higher_recall_is_the_better_one(figure: Any) -> None:
    rows = [row("dcgan", 1, 1, 0.6), row("vae", 1, 1, 0.5), row("dcgan", 4, 1, 0.6)]
    rows.append(row("vae", 4, 1, 0.7))
    (found,) = figure.crossings(figure.lines_of(rows, "recall"), "recall")
    assert (found.before, found.after, found.sure) == ("dcgan", "vae", False)
    assert "within the intervals" in str(found)


def test_the_command_draws_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    picture = tmp_path / "families.png"
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--out", str(picture)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "| 4 | `dcgan` | 7 | 4 | – | 0.6 | – | 2 |" in printed
    assert "from 2 minutes on flow-matching is better than dcgan" in printed
