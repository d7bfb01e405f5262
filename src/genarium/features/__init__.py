"""Codes as features: tables, probes, fine-tuning, clusters, maps.

Pure functions on codes [N,D] and labels [N]; `finetune` takes any model that encodes. The verbs
`encode`, `probe`, `finetune`, `cluster` and `map` put them to work on trained runs.
"""

from genarium.features.clustering import (
    METHODS,
    Clustering,
    Grouping,
    accuracy,
    agreement,
    cluster,
    group,
    silhouettes,
)
from genarium.features.finetune import Classifier, FineTuning, finetune
from genarium.features.maps import project
from genarium.features.probe import Probe, pca, probe
from genarium.features.subsets import balanced
from genarium.features.table import Table, check, read, write

__all__ = [
    "METHODS",
    "Classifier",
    "Clustering",
    "FineTuning",
    "Grouping",
    "Probe",
    "Table",
    "accuracy",
    "agreement",
    "balanced",
    "check",
    "cluster",
    "finetune",
    "group",
    "pca",
    "probe",
    "project",
    "read",
    "silhouettes",
    "write",
]
