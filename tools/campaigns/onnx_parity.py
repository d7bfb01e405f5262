"""ONNX files of every recipe: how far ONNX Runtime is from PyTorch, at three sizes of the batch.

    python tools/campaigns/onnx_parity.py --out DIR [--only WORDS] [--steps 30]
    python tools/campaigns/onnx_parity.py --out DIR --table      # the table of docs/export.md

Trains each recipe of the catalogue, and some of its variants (conditional ones, other networks), at
its tiny size for some steps, on digits of 16 pixels and on colour shapes of 16; writes every
function of each as an ONNX file and runs that on batches of 1, 2 and 5 rows. A row of each is added
to DIR/onnx.jsonl; a second call goes on where the first was stopped. A function that is refused has
its reason instead. A file that differs by more than 1e-4 (of the largest number, where that is
above one) or by more than a grey level of 255 is a fault: exit status 1. Needs the extra onnx.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import genarium
from genarium import recipes
from genarium.contract.exports import functions
from genarium.errors import UserError
from genarium.exports import onnx as onnx_files
from tests.export.models import CASES, SEQUENTIAL, settings_of

SIZE = 16
VARIANTS = (
    *(
        "flow-matching-classes",
        "flow-matching-transformer",
        "flow-matching-likelihood",
        "flow-matching-refined",
        "glow-conditional",
        "infogan-invariance",
    ),
    *("tarflow-noisy", "text-to-image-fusion", "vae-dense", "vae-logistic"),
)
"""Beside the recipes themselves: conditions and networks that they have not by default."""
GREY, COLOUR = "digits", "shapes"
DATA = {"pix2pix": "shape-masks", "cyclegan": "shape-domains", "text-to-image": "shapes"}
"""Of recipes that need more than pictures."""
ORDER = ("decode", "encode", "reconstruct", "translate", "translate_b2a", "denoise", "log_prob")
LEVEL = 127.5  # grey levels of 255 in a unit of images on [-1, 1]


def wanted(words: str) -> Iterator[tuple[str, str]]:
    """Names of `CASES` with the data that each is trained on; colour comes last."""
    names = [name for name in (*sorted(recipes.catalogue()), *VARIANTS) if words in name]
    yield from ((name, DATA.get(CASES[name][0], GREY)) for name in names)
    yield from ((name, COLOUR) for name in names if CASES[name][0] not in DATA)


def trained(name: str, data: str, folder: Path, steps: int) -> genarium.Trained:
    """The run, trained unless it is there."""
    if (folder / "checkpoints").is_dir():
        return genarium.load(folder, device="cpu")
    recipe, arguments = CASES[name]
    options: dict[str, Any] = {**recipes.get(recipe).tiny, **arguments}
    batch = min(8, recipes.get(recipe).training["batch"])
    options |= {"steps": steps, "batch": batch, "ema": 0.0, "monitor": False}
    return genarium.train(recipe, data, size=SIZE, out=folder, device="cpu", **options)


def rows_of(run: genarium.Trained, name: str) -> Iterator[dict[str, Any]]:
    """Each function of a run: the file, and how far it is from PyTorch."""
    settings = settings_of(run.model)
    run = run.with_settings({"steps": settings.steps}) if settings is not None else run
    about = {"name": name, "recipe": run.recipe.name, "channels": run.spec.shape[0]}
    every = {k: f for k, f in functions(run.model, run.settings).items() if k != "text"}
    if "decode" not in every and run.recipe.name in SEQUENTIAL:
        yield {**about, "function": "decode", "refused": refusal(run, "decode")}
    for key, function in every.items():
        row = {**about, "function": key}
        try:
            content = onnx_files.onnx_file(run, key).content
        except UserError as error:
            yield {**row, "refused": str(error)}
            continue
        each = onnx_files.compared(run, function, content)
        yield {
            **row,
            "output": function.output,
            "inputs": sorted(function.inputs),
            "bytes": len(content),
            "largest": {one.rows: one.largest for one in each},
            "scale": max(one.scale for one in each),
        }


def refusal(run: genarium.Trained, function: str) -> str:
    """What is said of a function that a model has not."""
    try:
        onnx_files.chosen(run, function)
    except UserError as error:
        return str(error)
    raise AssertionError(f"{run.path}: {function} is there")


def faults(rows: list[dict[str, Any]]) -> list[str]:
    found = []
    for row in rows:
        if "refused" in row:
            continue
        largest = max(row["largest"].values())
        grey = row["output"] == "images" and largest * LEVEL > 1
        if grey or not largest / max(1.0, row["scale"]) <= onnx_files.PARITY:
            found.append(f"{row['name']}, {row['channels']} channels, {row['function']}: {largest}")
    return found


def cell(row: dict[str, Any]) -> str:
    """Differences at the sizes of the batch, grey levels where pictures come out, kilobytes."""
    if "refused" in row:
        return "refused"
    values = " ".join(
        f"{value:.0e}".replace("e-0", "e-").replace("0e+00", "0")
        for value in row["largest"].values()
    )
    scale = "" if row["scale"] <= 10 else f" of {row['scale']:,.0f}"
    return f"{values}{scale}, {row['bytes'] / 1000:,.0f} kB"


def table(rows: list[dict[str, Any]]) -> str:
    """A row for each recipe and function, a column for grey and for colour."""
    groups: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["name"], row["function"]), {})[row["channels"]] = row
    lines = ["| recipe | function | grey | colour | grey levels |", "|---" * 5 + "|"]
    last = ""
    for (name, function), some in sorted(groups.items(), key=lambda item: place(*item[0])):
        parts = [cell(some[channels]) if channels in some else "" for channels in (1, 3)]
        levels = [
            max(row["largest"].values()) * LEVEL
            for row in some.values()
            if row.get("output") == "images"
        ]
        level = "" if not levels else "< 0.001" if max(levels) < 0.001 else f"{max(levels):.3f}"
        shown = f"`{name}`" if name != last else ""
        lines.append(f"| {shown} | `{function}` | {parts[0]} | {parts[1]} | {level} |")
        last = name
    return "\n".join(lines)


def place(name: str, function: str) -> tuple[str, int]:
    return name, ORDER.index(function)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="recipes with this in their name")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    args = parser.parse_args()
    log = args.out / "onnx.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if args.table:
        print(table(rows))
        return 0
    onnx_files.expect_exporter()
    args.out.mkdir(parents=True, exist_ok=True)
    done = {(row["name"], row["data"]) for row in rows}
    for name, data in wanted(args.only):
        if (name, data) in done:
            continue
        run = trained(name, data, args.out / f"{name}-{data}", args.steps)
        new = [{**row, "data": data} for row in rows_of(run, name)]
        rows += new
        with log.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in new)
        print("\n".join(map(json.dumps, new)), flush=True)
    found = faults(rows)
    refused = sum("refused" in row for row in rows)
    print("\n".join(f"FAULT {each}" for each in found) or "no fault", end="; ")
    print(f"{len(rows) - refused} files, {refused} refused")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
