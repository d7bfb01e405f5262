"""Who imports whom, read from the source, and what stays free of torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import genarium

PACKAGE = Path(genarium.__file__).parent

# What each part may import of the others; a part that is not named may import all but those on top.
GROUND = {"nn", "contract", "data", "plugins"}
ALLOWED = {
    **dict.fromkeys(GROUND, GROUND),
    "errors": set(),
    "extras": set(),
    "lazy": set(),
    "notebook": set(),
    "plugins": set(),
    "signatures": set(),
    "recipes": {"contract", "plugins", "signatures"},
    "verbs": {"plugins", "signatures", "runs"},  # the settings that models declare for sampling
    "models": {*GROUND, "recipes", "signatures"},
    "training": {"contract", "nn", "signatures"},
    "evaluation": {"contract", "data", "plugins", "signatures"},
    "latent": {"contract"},
    "features": {"contract", "data", "training"},  # fine-tuning is training: the one loop does it
    "exports": {"contract", "data", "drawing", "latent", "models", "nn", "runs"},
    "web": set(),
    # the command: verbs as their signatures have them, and what runs before there is a verb
    "cli": {"api", "verbs", "signatures", "recipes", "training"},
    # the page in the browser: the library as its users see it, and what describes every verb
    "studio": {"api", "latent", "verbs", "signatures"},
}
TOP = {"cli", "studio", "__main__"}  # nothing else imports these
SERVES = {"genarium.api.serve_studio": {"studio"}}  # but the verb that opens it


def imported(source: str, module: str) -> Iterator[str]:
    """The dotted names that `source`, the text of `module`, imports, relative ones resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            base += [node.module] if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def wrong_imports(source: str, module: str) -> list[str]:
    """What `module` (e.g. genarium.training.trainer) imports against the rules."""
    part = module.split(".")[1]
    result = {tuple(name.split(".")) for name in imported(source, module)}
    others = {name[1] for name in result if name[0] == "genarium" and len(name) > 1}
    others -= {part, "errors", "extras", "lazy", "notebook"}
    allowed = ALLOWED.get(part, others - TOP if part not in TOP else others)
    allowed = allowed | SERVES.get(module, set())
    return sorted(others - allowed)


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_who_imports_whom(file: Path) -> None:
    module = ".".join(("genarium", *file.relative_to(PACKAGE).with_suffix("").parts))
    assert wrong_imports(file.read_text(encoding="utf-8"), module) == []


def test_no_two_files_import_each_other() -> None:
    """Also not through others, and not in functions; what only types need does not count."""
    files = {
        ".".join(("genarium", *f.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): f
        for f in PACKAGE.rglob("*.py")
    }
    needs = {}
    for module, file in files.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
        names = imported(ast.unparse(tree), module)
        result = {name if name in files else name.rpartition(".")[0] for name in names}
        needs[module] = (result & {*files}) - {module, "genarium"}
    while free := [module for module, used in needs.items() if not used & {*needs}]:
        for module in free:
            del needs[module]
    # what is left lies on a circle, or leads to one
    circle = {m for m in needs if any(m in needs[o] for o in needs)}
    assert not circle


METRICS = PACKAGE / "evaluation" / "metrics"
PURE = {"torch", "genarium.evaluation.metrics", *sys.stdlib_module_names}
"""What metrics may import: they are functions on tensors, and read no image and no model."""


def impure(source: str, module: str) -> list[str]:
    """What a metric imports beside torch, the standard library and other metrics."""
    names = imported(source, module)
    return sorted(n for n in names if not any(f"{n}.".startswith(f"{pure}.") for pure in PURE))


@pytest.mark.parametrize("file", sorted(METRICS.glob("*.py")), ids=lambda file: file.stem)
def test_metrics_import_torch_alone(file: Path) -> None:
    module = f"genarium.evaluation.metrics.{file.stem}"
    assert impure(file.read_text(encoding="utf-8"), module) == []


def test_the_rule_of_metrics_sees_imports_in_functions() -> None:
    source = (
        "import math\nfrom torch import Tensor\ndef f():\n    from sklearn.cluster import KMeans"
    )
    assert impure(source, "genarium.evaluation.metrics.a") == ["sklearn.cluster.KMeans"]
    assert impure("from ..images import Images", "genarium.evaluation.metrics.a") != []
    assert impure("from .grey import to_grey", "genarium.evaluation.metrics.a") == []


@pytest.mark.parametrize(
    ("source", "module", "wrong"),
    [
        ("import genarium.models.explicit", "genarium.training.trainer", ["models"]),
        ("from genarium import models", "genarium.training.trainer", ["models"]),
        ("from ..models import implicit", "genarium.training.trainer", ["models"]),
        ("from .. import cli", "genarium.report.html", ["cli"]),
        ("def f():\n    from genarium.cli import main", "genarium.api.train", ["cli"]),
        ("from genarium.studio import server", "genarium.api.sample", ["studio"]),
        ("from genarium.studio import server", "genarium.api.serve_studio", []),
        ("from genarium.runs import folder", "genarium.studio.shelf", ["runs"]),
        ("import genarium", "genarium.studio.shelf", []),
        ("from genarium.training import world", "genarium.cli.processes", []),
        ("from genarium.study import report", "genarium.cli.verbs", ["study"]),
        ("from genarium.study.create import create", "genarium.api.create_study", []),
        ("from .loop import Loop\nimport genarium.errors, torch", "genarium.training.trainer", []),
    ],
)
def test_the_rule_sees_each_form_of_import(source: str, module: str, wrong: list[str]) -> None:
    assert wrong_imports(source, module) == wrong


@pytest.mark.parametrize(
    "code",
    [
        "import genarium",
        "import genarium.cli",
        "import genarium.models, genarium.nn, genarium.runs.sampling",
        "import genarium.recipes; genarium.recipes.catalogue()",
        "import genarium.cli; genarium.cli.main()",  # --help
    ],
)
def test_starts_without_torch(code: str) -> None:
    program = f"""
import sys
sys.argv = ["genarium", "--help"]
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
