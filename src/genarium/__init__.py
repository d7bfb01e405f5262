"""Genarium: every classic family of deep generative image models in one workbench.

Each verb of the command is a function here, with the same arguments and the same result:
`genarium.train`, `genarium.sample`, `genarium.traverse` ... (`genarium.verbs` says how). Importing
this package does not import torch: each name is loaded on first use.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As that of `typing`, whose import takes longer than this file: a Ctrl-C meets it less often."""

if TYPE_CHECKING:
    from genarium.api.arithmetic import arithmetic
    from genarium.api.cluster import cluster
    from genarium.api.compare import compare
    from genarium.api.complete import complete
    from genarium.api.create_study import create_study
    from genarium.api.decode import decode
    from genarium.api.demo import demo
    from genarium.api.denoise import denoise
    from genarium.api.diagnose import diagnose
    from genarium.api.encode import encode
    from genarium.api.environment import environment
    from genarium.api.evaluate import evaluate
    from genarium.api.export import export
    from genarium.api.finetune import finetune
    from genarium.api.interpolate import interpolate
    from genarium.api.invert import invert
    from genarium.api.list_data import list_data
    from genarium.api.list_models import list_models
    from genarium.api.manifold import manifold
    from genarium.api.map import map
    from genarium.api.nearest import nearest
    from genarium.api.probe import probe
    from genarium.api.push import push
    from genarium.api.reconstruct import reconstruct
    from genarium.api.report_study import report_study
    from genarium.api.resume import resume
    from genarium.api.sample import sample
    from genarium.api.score import score
    from genarium.api.serve_studio import serve_studio
    from genarium.api.serve_study import serve_study
    from genarium.api.show import show
    from genarium.api.show_data import prepare_data, show_data
    from genarium.api.train import train
    from genarium.api.train_features import train_features
    from genarium.api.translate import translate
    from genarium.api.traverse import traverse
    from genarium.api.zoo import fetch_zoo, list_zoo, show_zoo
    from genarium.contract import Batch, Model, Optim, Phase, Spec, Step, to_uint8
    from genarium.drawing.write import save_grid
    from genarium.errors import RunError, UserError
    from genarium.recipes import recipe
    from genarium.runs.loading import load
    from genarium.runs.trained import Trained
    from genarium.verbs import verb

_HOMES = {
    "genarium.contract": ("Batch", "Model", "Optim", "Phase", "Spec", "Step", "to_uint8"),
    "genarium.drawing.write": ("save_grid",),
    "genarium.errors": ("RunError", "UserError"),
    "genarium.recipes": ("recipe",),
    "genarium.runs.loading": ("load",),
    "genarium.runs.trained": ("Trained",),
    "genarium.verbs": ("verb",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 (in the order of use)
    "train",
    "resume",
    "load",
    "sample",
    "reconstruct",
    "denoise",
    "complete",
    "translate",
    "interpolate",
    "arithmetic",
    "traverse",
    "manifold",
    "decode",
    "invert",
    "encode",
    "probe",
    "finetune",
    "cluster",
    "map",
    "train_features",
    "score",
    "nearest",
    "evaluate",
    "diagnose",
    "compare",
    "show",
    "list_data",
    "show_data",
    "prepare_data",
    "create_study",
    "serve_study",
    "report_study",
    "export",
    "serve_studio",
    "push",
    "list_zoo",
    "show_zoo",
    "fetch_zoo",
    "list_models",
    "environment",
    "demo",
    "save_grid",
    "to_uint8",
    "Trained",
    "recipe",
    "verb",
    "Spec",
    "Batch",
    "Phase",
    "Optim",
    "Step",
    "Model",
    "UserError",
    "RunError",
]


def __getattr__(name: str) -> object:
    import importlib

    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("genarium")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"genarium.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"genarium.{name}":
                raise
        for entry in importlib.import_module("genarium.verbs").catalogue().values():
            if entry.function == name:
                return entry.call()
    raise AttributeError(f"module 'genarium' has no attribute {name!r}")


def __dir__() -> list[str]:
    import importlib

    verbs = importlib.import_module("genarium.verbs")
    rooms = ("contract", "data", "drawing", "evaluation", "features", "latent", "models", "nn")
    known = {entry.function for entry in verbs.catalogue().values()}
    return sorted(
        {*globals(), *__all__, *known, *rooms, "report", "runs", "studio", "study", "training"}
    )
