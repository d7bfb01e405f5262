"""Every number of a comparison as plain values: what results.json holds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from genarium.report.history import stability, training_cost
from genarium.report.ranking import columns, verdicts
from genarium.report.records import Matches, ModelReport
from genarium.report.tables import per_64

FORMAT = 1


def results(reports: Sequence[ModelReport], title: str, created: str = "") -> dict[str, Any]:
    """Every number of the page as plain JSON values; what is not finite is null."""
    result = {
        "format": FORMAT,
        "title": title,
        "created": created,
        "data": dataclasses.asdict(reports[0].data),
        "runs": [_run(report) for report in reports],
        "best": {
            column.name: [reports[i].name for i in sorted(column.best)]
            for column in columns(reports)
            if column.best
        },
        "verdicts": [
            {**dataclasses.asdict(verdict), "words": verdict.words}
            for verdict in verdicts(reports, every=True)
        ],
    }
    plain: dict[str, Any] = _plain(result)
    return plain


def _run(report: ModelReport) -> dict[str, Any]:
    cost = training_cost(report.history)
    return {
        "name": report.name,
        "recipe": report.recipe,
        "paper": report.paper,
        "taxonomy": report.taxonomy,
        "capabilities": report.capabilities,
        "density": report.density,
        "parameters": report.parameters,
        "seed": report.seed,
        "settings": report.settings,
        "shape": report.data.shape,
        "manifest": report.data.manifest,
        "config": report.config,
        "versions": report.about.get("versions", {}),
        "hardware": {"trained": report.about.get("hardware", {}), "sampled": report.hardware},
        "scores": report.scores.to_dict() if report.scores else None,
        "training": {**dataclasses.asdict(cost), "images_per_second": cost.rate},
        "stability": dataclasses.asdict(stability(report.history)),
        "sampling": {
            "images": 0 if report.samples is None else len(report.samples),
            "seconds": report.sampling_seconds,
            "seconds_per_64": per_64(report),
            "not_finite": report.nonfinite,
        },
        "nearest": {
            "samples": _median(report.copies),
            "test_images": _median(report.baseline),
        },
    }


def _median(result: Matches | None) -> dict[str, Any] | None:
    return None if result is None else {"median": result.median, "count": result.count}


def _plain(value: Any) -> Any:
    """Only what JSON knows."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)
