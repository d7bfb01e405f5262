"""Progress in a notebook: shown by itself where a kernel runs, asked for elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import genarium
from genarium import notebook
from genarium.data.progress import bar, stages
from tests.conftest import tiny_dataset

Drawn = list[dict[str, str]]


class Cell:
    """The outputs of a cell, each with all that was drawn in its place."""

    def __init__(self) -> None:
        self.outputs: list[Drawn] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        output = [data]
        self.outputs.append(output)
        return SimpleNamespace(update=lambda data, raw: output.append(data))

    def last(self) -> list[str]:
        return [output[-1]["text/plain"] for output in self.outputs]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A kernel, with the part of IPython that is used."""
    made, package, display = Cell(), ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    display.display = made.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(notebook, "EVERY", 0.0)
    return made


def test_only_a_kernel_is_a_notebook(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notebook.running()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace())
    assert not notebook.running()  # IPython in a terminal
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert not notebook.running()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not notebook.running()


def test_a_bar_says_what_and_how_much_and_goes(cell: Cell) -> None:
    with bar("reading <images>", 4, True) as advance:
        advance(1)
        advance(2)
    (output,) = cell.outputs
    assert [drawn["text/plain"] for drawn in output[1:]] == [
        "reading <images>  25 %  0:00 left",
        "reading <images>  75 %  0:00 left",
        "",
    ]
    assert 'value="0.7500"' in output[2]["text/html"]
    assert "reading &lt;images&gt;" in output[2]["text/html"]
    with bar("reading", 4, False):
        pass
    assert len(cell.outputs) == 1


def test_stages_share_a_place_and_one_without_a_share_has_no_bar(cell: Cell) -> None:
    with stages(True) as tell:
        tell("test", 1, 2)
        assert cell.last() == ["test  50 %"]
        assert "<progress" in cell.outputs[0][-1]["text/html"]
        tell("vae: scores", 0, None)
        assert cell.last() == ["vae: scores"]
        assert "<progress" not in cell.outputs[0][-1]["text/html"]
    assert cell.last() == [""]


@pytest.mark.parametrize("progress", [None, False])
def test_training_and_verbs_show_it_unasked_and_nothing_where_told(
    cell: Cell, progress: bool | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, settings = tiny_dataset(), {"steps": 3, "batch": 8, "latent": 2, "width": 2}
    out = tmp_path / "vae"
    run = genarium.train("vae", data, out=out, progress=progress, device="cpu", **settings)
    trained = cell.last()
    genarium.sample(run, n=4, progress=progress)
    genarium.evaluate(run, n=16, progress=progress)
    genarium.compare(run, n=16, progress=progress)
    genarium.resume(out, data=data, steps=4, progress=progress)
    told = {drawn["text/plain"].split("  ")[0] for output in cell.outputs for drawn in output}
    assert capfd.readouterr().err == ""
    if progress is False:
        assert not told
        return
    (line,) = trained
    assert line.splitlines()[-1].startswith("vae  100 %  step 3  vae/distortion ")
    assert {"vae", "sampling", "sample", "test", "likelihood", "reconstruct"} <= told
    assert "vae: scores, test 16 of 16" in told
    # those of train and resume stay; sample, evaluate and compare have one place each
    assert [bool(line) for line in cell.last()] == [True, False, False, False, True]


def test_a_script_is_silent_and_the_terminal_too_unless_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {"steps": 2, "batch": 8, "latent": 2, "width": 2, "device": "cpu"}
    run = genarium.train("vae", tiny_dataset(), out=tmp_path / "run", **settings)
    genarium.sample(run, n=4)
    run.sample(4)
    assert capfd.readouterr().err == ""


def test_notes_stay_above_the_bar(cell: Cell) -> None:
    from genarium.training.progress import InNotebook, live

    shown = live("run")
    assert isinstance(shown, InNotebook)
    shown.update(5, 0.5, 100.0, {"losses": {"vae/rate": 1.25}})
    shown.note("a loss was not finite: <back> to step 4")
    shown.close()
    ((first, *_, last),) = cell.outputs
    assert first["text/plain"].startswith("run  50 %  step 5  100 images/s  vae/rate 1.25")
    note, bar_ = last["text/plain"].split("\n")
    assert note == "a loss was not finite: <back> to step 4"
    assert bar_.startswith("run  50 %")
    assert "&lt;back&gt; to step 4<br><progress" in last["text/html"]
