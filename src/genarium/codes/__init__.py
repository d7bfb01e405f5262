"""Codes as features: tables, probes, fine-tuning, clusters, maps.

Pure functions on codes [N,D] and labels [N]; `finetune` takes any model that encodes. The verbs
`encode`, `probe`, `finetune`, `cluster` and `map` put them to work on trained runs.
"""

from genarium.codes.clustering import METHODS, Clustering, accuracy, cluster
from genarium.codes.finetune import Classifier, FineTuning, finetune
from genarium.codes.maps import project
from genarium.codes.probe import Probe, pca, probe
from genarium.codes.subsets import balanced
from genarium.codes.table import Table, check, read, write

__all__ = [
    "METHODS",
    "Classifier",
    "Clustering",
    "FineTuning",
    "Probe",
    "Table",
    "accuracy",
    "balanced",
    "check",
    "cluster",
    "finetune",
    "pca",
    "probe",
    "project",
    "read",
    "write",
]
