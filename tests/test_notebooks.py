"""The notebooks: each runs from its text source, and its file is what the source says.

Run as plain Python with the values that `quick` names; one in a real kernel, where there is one
(extra docs). Nothing here asks how good a model gets.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.py"))
each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def tools() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "tools"))
    import notebooks

    yield notebooks
    sys.path.remove(str(ROOT / "tools"))


def source(name: str) -> Path:
    return ROOT / "notebooks" / f"{name}.py"


@each
def test_it_runs_and_shows_what_it_made(
    name: str, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = list(tools.run(tools.read(source(name)), quick=True))
    views = [tools.view(one.value) for one in shown if one.value is not None]
    assert all(views)
    assert sum("<img" in view for view in views) >= 3
    assert not any("tensor(" in view for view in views)  # numbers where a picture is meant


@each
def test_its_file_is_what_its_source_says(name: str, tools: Any) -> None:
    """Else: make notebooks."""
    written = source(name).with_suffix(".ipynb").read_text(encoding="utf-8")
    assert written == tools.dumped(tools.read(source(name)))


@each
def test_a_lesson_installs_first_and_ends_with_exercises(name: str, tools: Any) -> None:
    first, *cells = tools.read(source(name))
    assert first.kind == "markdown"
    assert first.text.startswith("# ")
    code = [cell for cell in cells if cell.kind == "code"]
    assert code[0].tags == ("install",)
    (parameters,) = [cell for cell in cells if cell.quick]
    assert parameters.tags == ("parameters",)
    assert tools._assignments(parameters)
    exercises = cells[-1].text.partition("## Exercises")[2]
    tasks = re.split(r"^\d\. ", exercises, flags=re.MULTILINE)[1:]
    assert len(tasks) >= 3
    assert all("*expect*" in task.lower() for task in tasks)
    words = "\n".join(cell.text for cell in cells)
    assert all(source(other).is_file() for other in re.findall(r"\]\((\w+)\.ipynb\)", words))


def test_a_page_of_the_documentation_names_each_with_its_time() -> None:
    """Measured at full length, in processor minutes; a dash where that is still to be done."""
    text = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    row = r"^\| \[[^]]+\]\(\.\./notebooks/(\w+)\.ipynb\) .*\| ([\d.]+|–) \|$"
    rows = re.findall(row, text, re.MULTILINE)
    assert sorted(name for name, _ in rows) == NAMES
    assert all(0 < float(minutes) <= 20 for _, minutes in rows if minutes != "–")  # of two cores


def test_a_source_is_read_and_what_is_wrong_is_said(tools: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "# %% [markdown]\n# # T\n#\n# $x$\n\n"
        '# %% tags=["parameters"] quick={"n": 2, "s": "a b"}\nn, k = 5, 1\nn = 7\ns = ""\n\n'
        "# %%\n# %pip install x\n# a comment\nprint(n)\nn + 1\n"
    )
    text, parameters, code = tools.read(file)
    assert (text.kind, text.text) == ("markdown", "# T\n\n$x$")
    assert parameters.quick == {"n": 2, "s": "a b"}
    made = tools.notebook([text, parameters, code], quick=True)["cells"]
    assert ["".join(cell["source"]) for cell in made][2:] == [
        "n = 2\ns = 'a b'",
        "%pip install x\n# a comment\nprint(n)\nn + 1",
    ]
    *_, last = tools.run([text, parameters, code], quick=True)
    assert (last.text, last.value) == ("2\n", 3)
    *_, last = tools.run([text, parameters, code])
    assert (last.text, last.value) == ("7\n", 8)
    for wrong, why in (("x = 1\n", "begin with a cell"), ("# %% hidden=1\nx\n", "option hidden")):
        file.write_text(wrong)
        with pytest.raises(ValueError, match=why):
            tools.read(file)
    with pytest.raises(ValueError, match="quick has m, which"):
        tools._assignments(tools.Cell("code", "n = 1", (), {"m": 1}))


@each
def test_jupytext_and_nbformat_agree(name: str, tools: Any) -> None:
    nbformat = pytest.importorskip("nbformat")
    made = tools.notebook(tools.read(source(name)))
    nbformat.validate(nbformat.reads(json.dumps(made), as_version=4))
    jupytext = pytest.importorskip("jupytext")
    theirs = jupytext.read(source(name), fmt="py:percent")
    assert [(cell.cell_type, cell.source) for cell in theirs.cells] == [
        (cell["cell_type"], "".join(cell["source"])) for cell in made["cells"]
    ]


def test_formulas_can_be_drawn_without_a_script(tools: Any) -> None:
    """As the documentation site does, tools/site/conf.py."""
    convert = pytest.importorskip("latex2mathml.converter").convert
    sys.path.insert(0, str(ROOT / "tools" / "site"))
    import lessons

    for name in NAMES:
        page = lessons.page(source(name))
        assert "$" not in re.sub(r"^```(?!\{).*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
        formulas = re.findall(r"\{math\}`([^`]+)`", page)
        formulas += re.findall(r"```\{math\}\n(.*?)\n```", page, re.DOTALL)
        for formula in formulas:
            drawn = convert(formula)
            assert drawn.startswith("<math")
            assert 'variant="script"' not in drawn  # which browsers draw as a plain letter


def test_one_runs_in_a_real_kernel(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("nbclient").NotebookClient
    text = json.dumps(tools.notebook(tools.read(source("flows")), quick=True))
    made = nbformat.reads(text, as_version=4)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    client(made, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in made.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    pictures = [o for o in outputs if "<img" in o.get("data", {}).get("text/html", "")]
    assert len(pictures) >= 4
    progress = [o for o in outputs if "spline-flow" in o.get("data", {}).get("text/plain", "")]
    assert progress  # of training, which a kernel shows unasked
    assert (tmp_path / "runs" / "spline-flow-ring8-1").is_dir()
