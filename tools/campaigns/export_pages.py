"""The page of every recipe: its size, how far it is from PyTorch in a browser, how long it takes.

    python tools/campaigns/export_pages.py --out DIR [--only WORDS] [--steps 60] [--colour DIR]
    python tools/campaigns/export_pages.py --out DIR RUN [RUN ...]         # of these runs instead
    python tools/campaigns/export_pages.py --out DIR --time      # a picture, on an idle machine
    python tools/campaigns/export_pages.py --out DIR --table     # the table of docs/export.md

Trains each recipe of the catalogue for some steps, its networks as `--preset quick` has them, on
digits of 28 pixels and on colour pictures of 32 (of the folder --colour; without one, the shapes of
the package; translators and text to image on the shapes always), writes its page, opens that from
the disk in headless Chromium without a network, and lets it decode the first 24 samples, which
PyTorch decodes too. A row of each is added to DIR/pages.jsonl; a second call goes on where the
first was stopped. A recipe that is refused has its line instead; a page that says something in its
console or differs by more than a grey level of 255 is a fault: exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

import genarium
from genarium import recipes
from genarium.contract.exports import functions
from genarium.errors import UserError
from genarium.exports.page import _inputs
from genarium.exports.prior import codes
from tests.study.browser import browser

COUNT = 24
SHAPES = {
    "pix2pix": "shape-masks",
    "cyclegan": "shape-domains",
    "text-to-image": "shapes",
}
"""Data of recipes that need more than pictures, 32 pixels RGB."""
SEQUENTIAL = ("pixelcnn", "row-lstm", "diagonal-bilstm")
"""Refused whatever they have learned: one step is enough."""
FEW = {"flow-matching": 4, "edm": 4, "ddpm": 10}
"""Steps of the sampler of models that take many."""

RUN = """async ([name, input, rows]) => {
  const made = [];
  for (const row of rows) {
    const given = { [input]: Float32Array.from(row) };
    made.push(Array.from(await genarium.runner.run('campaign', name, given)));
  }
  return made;
}"""
TIME = """async ([name, input, row]) => {
  const times = genarium.runner.times, code = Float32Array.from(row);
  const begun = performance.now();
  const before = times.length;
  while (times.length < before + 15 && performance.now() - begun < 1500) {
    await genarium.runner.run('campaign', name, { [input]: code.slice() });
  }
  return times.slice(before).sort((a, b) => a - b);
}"""
IDLE = """new Promise((done) => {
  const { runner } = genarium;
  const look = () => runner.busy || runner.waiting.size ? setTimeout(look, 20) : done();
  setTimeout(look, 20);
})"""


def given(runs: list[Path]) -> Iterator[tuple[Path, Callable[[], genarium.Trained]]]:
    """Each run's folder, and what loads it."""
    for run in runs:
        yield run, partial(genarium.load, run, device="cpu")


def wanted(args: Any) -> Iterator[tuple[Path, Callable[[], genarium.Trained]]]:
    """The folder of each recipe's run, and what trains it."""
    for name in sorted(recipes.catalogue()):
        if args.only not in name:
            continue
        colour = SHAPES.get(name, args.colour)
        for data, size in (("digits", "28"), (colour, "32")):
            if data == "digits" and name in SHAPES:
                continue
            folder = args.out / f"{name}-{Path(data).name}"
            yield folder, partial(trained, folder, name, data, size, args.steps)


def trained(folder: Path, name: str, data: str, size: str, steps: int) -> genarium.Trained:
    """The run of a recipe, trained unless it is there."""
    if (folder / "checkpoints").is_dir():
        return genarium.load(folder, device="cpu")
    options: dict[str, Any] = {
        "preset": "quick",
        "steps": 1 if name in SEQUENTIAL else steps,
        "batch": min(16, recipes.get(name).training["batch"]),
        "ema": 0.0,  # an average over so few steps would be what the network began with
    }
    return genarium.train(name, data, size=size, out=folder, device="cpu", monitor=False, **options)


def settings_of(run: genarium.Trained) -> dict[str, Any]:
    return {"steps": FEW[run.recipe.name]} if run.recipe.name in FEW else {}


def inputs(run: genarium.Trained) -> tuple[str, str, np.ndarray, np.ndarray]:
    """Function, its input, rows of that [N,...], and what PyTorch makes of each."""
    if "decode" in run.capabilities:
        rows = codes(run, seed=0, n=COUNT)
        return "decode", "codes", rows.numpy(), run.decode(rows).numpy()
    stored = _inputs(run, COUNT)
    # the function that the page has: its dropout is one fixed draw
    call = functions(run.model, run.settings)["translate"].call
    with torch.no_grad():
        made = torch.cat([call(x[None]) for x in stored])
    return "translate", "images", stored.float().numpy(), made.numpy()


def opened(chromium: Any, file: Path) -> tuple[Any, list[str]]:
    said: list[str] = []
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(300_000)
    page.on("console", lambda m: None if "willRead" in m.text else said.append(m.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.evaluate("genarium.checked")
    page.evaluate(IDLE)
    return page, said


def of_page(chromium: Any, run: genarium.Trained, file: Path) -> dict[str, Any]:
    """What the page gives, against PyTorch."""
    run = run.with_settings(settings_of(run)) if settings_of(run) else run
    name, given, rows, made = inputs(run)
    page, said = opened(chromium, file)
    found = page.evaluate("genarium.checked")
    drawn = np.array(
        page.evaluate(RUN, [name, given, rows.reshape(len(rows), -1).tolist()])
    ).reshape(made.shape)
    level = np.abs(drawn.clip(-1, 1) - made.clip(-1, 1)).max() * 127.5
    page.screenshot(path=file.with_suffix(".png"))
    page.close()
    return {"own": found["difference"], "difference": float(level), "said": said}


def time_of(chromium: Any, run: genarium.Trained, file: Path) -> float:
    """Milliseconds of a picture, the median."""
    name, given, rows, _ = inputs(run)
    page, _ = opened(chromium, file)
    times = page.evaluate(TIME, [name, given, rows[0].reshape(-1).tolist()])
    page.close()
    return float(times[len(times) // 2])


def one(chromium: Any, out: Path, run: genarium.Trained) -> dict[str, Any]:
    """The row of a run: its page written and opened."""
    name = run.path.resolve().name
    file = out / f"{name}.html"
    channels, height, _ = run.spec.shape
    row: dict[str, Any] = {"recipe": run.recipe.name, "run": name, "path": str(run.path)}
    row |= {"pixels": height, "channels": channels, "step": run.step}
    try:
        made = genarium.export(run, page=file, **settings_of(run)).page
    except UserError as error:
        return {**row, "refused": str(error)}
    assert made is not None
    kept = ("bytes", "products", "half", "functions")
    return {**row, **{key: made[key] for key in kept}, **of_page(chromium, run, file)}


def faults(rows: list[dict[str, Any]]) -> list[str]:
    found = []
    for row in rows:
        if row.get("said"):
            found.append(f"{row['run']}: {row['said']}")
        if "refused" not in row and not max(row["own"], row["difference"]) <= 1:
            found.append(f"{row['run']}: {row['difference']} of 255 grey levels")
    return found


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| recipe | picture | steps | page | largest difference | multiplications | a picture |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: (row["recipe"], row["channels"], row["step"])):
        what = f"{row['pixels']} {'grey' if row['channels'] == 1 else 'RGB'}"
        what += f" | {row['step']:,}"
        if "refused" in row:
            lines.append(f"| `{row['recipe']}` | {what} | refused | | | |")
            continue
        level = max(row["own"], row["difference"])
        off = "less than 0.01" if level < 0.01 else f"{level:.2f}"
        size = (
            f"{row['bytes'] / 1e6:.1f} MB"
            if row["bytes"] >= 1e6
            else f"{row['bytes'] / 1e3:.0f} kB"
        )
        more = "" if row["half"] else " (single)"
        steps = f", {FEW[row['recipe']]} steps" if row["recipe"] in FEW else ""
        time = f"{row['ms']:.2g} ms" if row.get("ms") else ""
        lines.append(
            f"| `{row['recipe']}`{steps} | {what} | {size}{more} | {off} | "
            f"{row['products'] / 1e6:.3g} million | {time} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="recipes with this in their name")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--colour", default="shapes", help="a folder of colour pictures")
    parser.add_argument("--time", action="store_true", help="only time the pages that are there")
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    args = parser.parse_args()
    log = args.out / "pages.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if args.table:
        print(table(rows))
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        if args.time:
            for row in rows:
                if "refused" in row or "ms" in row or args.only not in row["recipe"]:
                    continue
                run = genarium.load(row["path"], device="cpu")
                row["ms"] = time_of(chromium, run, args.out / f"{row['run']}.html")
                print(f"{row['run']:32} {row['ms']:8.2f} ms", flush=True)
                log.write_text("".join(json.dumps(row) + "\n" for row in rows))
            return 0
        done = {row["run"] for row in rows}
        for folder, made in given(args.runs) if args.runs else wanted(args):
            if folder.resolve().name in done:
                continue
            row = one(chromium, args.out, made())
            rows.append(row)
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    found = faults(rows)
    print("\n".join(f"FAULT {each}" for each in found) or f"{len(rows)} pages, no fault")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
