"""The model card of a run: front matter that the Hub reads, and a page that people read.

    model cards: Mitchell et al. 2019, Model Cards for Model Reporting
    front matter: https://huggingface.co/docs/hub/model-cards (library, pipeline, `model-index`)

Each score says what it is of: the extractor and its hash, how many images, and its 95 % interval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genarium.hub.address import Address, Shared

if TYPE_CHECKING:
    from genarium.evaluation.scores.score import Score, Scores
    from genarium.runs.trained import Trained

HASH = re.compile(r"[0-9a-f]{12}")
PIPELINES = (
    ("translate", "image-to-image"),
    ("sample", "unconditional-image-generation"),
    ("encode", "image-feature-extraction"),
)
"""The first capability that a model has names its task."""


def pipeline(run: Trained) -> str:
    """The Hub's name of what a model does."""
    if run.model.conditioned_on == "captions":
        return "text-to-image"
    return next((tag for verb, tag in PIPELINES if verb in run.capabilities), "other")


def card(
    run: Trained,
    address: Shared,
    *,
    about: Mapping[str, Any],
    scores: Scores | None = None,
    licence: str | None = None,
    picture: str | None = None,
) -> str:
    """The README.md of a repository. picture: a file beside it that shows samples."""
    import yaml

    front = yaml.safe_dump(
        front_matter(run, address, about, scores, licence), sort_keys=False, allow_unicode=True
    )
    return f"---\n{front}---\n\n{_page(run, address, about, scores, licence, picture)}"


def front_matter(
    run: Trained,
    address: Shared,
    about: Mapping[str, Any],
    scores: Scores | None,
    licence: str | None,
) -> dict[str, Any]:
    """What the Hub reads of a card."""
    task = pipeline(run)
    families = [
        f"{part}-density" if part in ("explicit", "implicit") else part for part in run.taxonomy
    ]
    result: dict[str, Any] = {
        "library_name": "genarium",
        **({"license": licence} if licence else {}),
        "pipeline_tag": task,
        "tags": ["genarium", run.recipe.name, *families],
    }
    if scores is None:
        return result
    data = about["data"]
    split = next((str(r.basis["split"]) for r in scores.rows if "split" in r.basis), "test")
    results = {
        "task": {"type": task},
        "dataset": {
            "name": str(data["name"]),
            "type": str(data["name"]),
            "split": split,
            "revision": str(data["manifest"])[:12],
        },
        "metrics": [metric(row) for row in scores.rows],
    }
    return {**result, "model-index": [{"name": address.name, "results": [results]}]}


def metric(row: Score) -> dict[str, Any]:
    """A score as an entry of `model-index`."""
    arguments: dict[str, Any] = dict(row.basis)
    for name in ("n", "std"):
        value = getattr(row, name, None)
        if value is not None:
            arguments[name] = value
    if row.interval is not None:
        arguments["interval_95"] = [float(end) for end in row.interval]
    kind = (
        re.sub(r"\s*\(.*\)", "", row.name).strip().lower().replace(" ", "-").replace("/", "-per-")
    )
    return {"type": kind, "name": row.name, "value": row.value, "args": arguments}


def _page(
    run: Trained,
    address: Shared,
    about: Mapping[str, Any],
    scores: Scores | None,
    licence: str | None,
    picture: str | None,
) -> str:
    data, recipe = about["data"], run.recipe
    info = data.get("info", {})
    shape = "×".join(str(data["spec"][k]) for k in ("height", "width", "channels"))
    first = next((verb for verb in ("sample", "reconstruct") if verb in run.capabilities), "score")
    of_hub = isinstance(address, Address)
    where = str(address.at("COMMIT") if isinstance(address, Address) else address)
    need = "genarium[hub]" if of_hub else "genarium"
    pinned = "COMMIT is the commit of this repository that you want. " if of_hub else ""
    lines = [
        f"# {address.name}",
        "",
        f"A **{recipe.name}** ({' / '.join(run.taxonomy)}; {about['paper']}) of {run.step:,} "
        f"steps, trained with Genarium {about['versions']['genarium']}.",
        "",
        *([f"![samples]({picture})", ""] if picture else []),
        "## Use",
        "",
        "```sh",
        f"pip install '{need}'",
        f"genarium {first} {where}",
        "```",
        "",
        "```python",
        "import genarium",
        "",
        f'run = genarium.load("{where}")',
        *(["images = run.sample(16)  # [16,C,H,W] on [-1, 1]"] if first == "sample" else []),
        "```",
        "",
        f"{pinned}Weights are safetensors whose SHA-256 sums are compared; no code beside them is "
        "run. The optimizer's state is not here: training cannot go on.",
        "",
        "## Data",
        "",
        f"{data['name']}, {shape}; manifest `{data['manifest'][:12]}`."
        + (f" Licence of the data: {info['licence']}." if info.get("licence") else "")
        + (f" {info['attribution'].rstrip('.')}." if info.get("attribution") else ""),
        "",
        "## Settings",
        "",
        *(f"- {name}: {value}" for name, value in run.config["arguments"].items()),
    ]
    lines += ["", "## Scores", "", *_scores(scores)]
    lines += ["", "## Licence", "", licence or "None was stated: ask the owner before using it."]
    return "\n".join(lines) + "\n"


def _scores(scores: Scores | None) -> Sequence[str]:
    if scores is None:
        return ["Not evaluated: `genarium evaluate` on this run gives them."]
    lines = ["| score | value | 95 % interval | of |", "|---|---|---|---|"]
    for row in scores.rows:
        ends = "" if row.interval is None else " to ".join(f"{end:.4g}" for end in row.interval)
        value = "" if row.value is None else f"{row.value:.4g}"
        basis = ", ".join(f"{k} {v}" for k, v in row.basis.items())
        lines.append(f"| {row.name} | {value} | {ends} | {basis} |")
    words = [finding.text for finding in scores.findings]
    return [*lines, *(["", *(f"- {text}" for text in words)] if words else [])]
