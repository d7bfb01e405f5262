"""Train, score, strip and pack the models of the zoo, and describe them.

    python tools/zoo.py --work build/zoo                        # every entry that is not made yet
    python tools/zoo.py --work build/zoo --only vae-digits      # one; packed again if it was there
    python tools/zoo.py --work build/zoo --from fashion-mnist=DIR
    python tools/zoo.py --work build/zoo --run dcgan-mnist=RUN  # trained by families_over_time.py
    python tools/zoo.py --thin                                  # the histories of those packed
    python tools/zoo.py --describe                              # docs/zoo.md and its pictures alone

Entries are those of src/genarium/zoo/catalogue.json and those of PLANNED here that are not in it
yet. Each is one `genarium train` command, in a process of its own whose processor time is what the
catalogue says. The command, given again, goes on: a training that was stopped is resumed from its
last checkpoint, and one that is finished is not repeated. Or the run is one that
benchmarks/families_over_time.py trained, in parts, which comes to the same: its command is then
read from its configuration, its minutes from its clock.

The weights are packed twice, in single and in half precision, and both are scored with the same
seed on the same images. Half is taken where the score moves by less than a tenth of half of its
95 % interval. What the catalogue then says are the scores of the weights that were packed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import genarium
from genarium import recipes
from genarium.contract import Spec
from genarium.drawing.contact import contact_sheet
from genarium.drawing.images import for_the_eye, save_png
from genarium.evaluation.scores.score import Score, standard_error
from genarium.hub.address import Zoo
from genarium.hub.push import stage
from genarium.runs.configuration import Config, resolve
from genarium.runs.trained import Trained
from genarium.training import checkpoint as checkpoints
from genarium.training.engine import has_fast_bf16
from genarium.zoo import catalogue as zoo
from genarium.zoo import files

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "zoo.md"
PICTURES = ROOT / "docs" / "images"
BEGIN, END = "<!-- table: tools/zoo.py -->", "<!-- end of the table -->"

DIGITS, MNIST, FASHION, EMOJI = "digits", "mnist", "fashion-mnist", "openmoji"
SHIPPED = {DIGITS, MNIST}
"""The data sets whose models are in the package: handwritten digits, which are small."""
LICENCES = {
    DIGITS: "cc-by-sa-3.0",
    MNIST: "cc-by-sa-3.0",
    FASHION: "mit",
    EMOJI: "cc-by-sa-4.0",
}
"""Of the weights: that of what they were learnt from."""
DATA = {
    "digits": "--data digits",
    "fashion": "--data fashion-mnist",
    "emoji": "--data openmoji --size 32",
}
SETTINGS = {
    "vae": "--steps {vae} --schedule cosine --ema 0.998",
    "autoencoder": "--steps {autoencoder} --schedule cosine",
    "dcgan": "--steps {dcgan} --schedule linear --ema {ema}",
    "flow-matching": "{net}--batch 32 --steps {flow} --lr 0.002 "
    "--schedule cosine --ema 0.998 --warmup 50",
    "pixelcnn": "--levels 16 --blocks 6 --dilation 4 --batch {batch} --steps {pixels} "
    "--schedule cosine --warmup 50 --clip 1 --ema 0.998",
    "spline-flow": "--batch 32 --steps {spline} --schedule cosine --ema 0.995",
}
GREY = {"net": "--patch 2 --width 32 --condition class ", "batch": 32}
SIZES = {
    "digits": {"vae": 3000, "autoencoder": 800, "dcgan": 1200, "ema": 0.99}
    | {"flow": 3000, "pixels": 1200, "spline": 2000, **GREY},
    "fashion": {"vae": 6000, "autoencoder": 1200, "dcgan": 2000, "ema": 0.995}
    | {"flow": 2000, "pixels": 3000, "spline": 2500, **GREY},
    # colour: more to compute a step, and more to learn
    "emoji": {"vae": 4000, "autoencoder": 1000, "dcgan": 5000, "ema": 0.995}
    | {"flow": 10000, "pixels": 3000, "spline": 2500, "net": "", "batch": 16},
}
"""What fits one to six processor minutes; flow matching and spline flow of colour take twenty."""
PLANNED = {
    f"{recipe}-{name}": f"{recipe} {data} {settings.format(**SIZES[name])}"
    for name, data in DATA.items()
    for recipe, settings in SETTINGS.items()
}
"""`genarium train` of entries that are not in the catalogue yet, by name."""
LIKELIHOODS = {
    "vae-mnist-binary": (
        "vae --data mnist --binarize dynamic --net dense --activation tanh --layers 2 --hidden 200 "
        "--latent 50 --prior fixed --batch 100 --epochs 1200 --lr 0.002 --schedule cosine "
        "--ema 0.999 --precision fp32",
        {"value": 86.76, "paper": "Burda, Grosse & Salakhutdinov 2016", "epochs": 3280},
    ),
}
"""The benchmark of likelihoods on binarized digits: the command, and the paper's nats an image."""
PLANNED |= {name: train for name, (train, _) in LIKELIHOODS.items()}
DRAWS, SCORED = 5000, 1000
"""Of a likelihood that is a bound: importance samples an image; test images."""
IDLE = {
    *("source", "from_dir", "cache", "device", "keep", "checkpoint_every", "sample_every"),
    "background",
}
"""Settings on which no weight depends, where the images are opaque."""
NONE: tuple[Any, ...] = ([], None)
METRICS = "fid,precision,recall"
SCORES = ("FID", "reconstruction MSE", "bits/dim", "nats", "precision", "recall", "recognised")
"""Scores that the catalogue has, by what their names begin with; the first is the headline."""
MOVED = 0.1
"""Of half of the interval: a score that moves by less does not move."""
SHOWN = 12  # pictures an entry, in the documentation
ROWS = 200
"""Rows of a kind (losses, readings of the monitor, ...) that a packed history has at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--work", type=Path, help="a folder for the trainings, kept between calls")
    parser.add_argument("--only", action="append", metavar="NAME", help="these entries alone")
    parser.add_argument("--from", dest="homes", action="append", default=[], metavar="DATA=DIR")
    parser.add_argument(
        "--run", dest="runs", action="append", default=[], metavar="NAME=RUN", help="a trained one"
    )
    parser.add_argument("--thin", action="store_true", help="thin the histories that are packed")
    parser.add_argument("--describe", action="store_true", help="write docs/zoo.md alone")
    args = parser.parse_args()
    if args.thin:
        thin_packed()
    known = zoo.catalogue().entries
    programme = {**PLANNED, **{name: entry.train for name, entry in known.items()}}
    if not (args.describe or args.thin):
        if args.work is None:
            parser.error("--work: name a folder for the trainings")
        homes = dict(text.split("=", 1) for text in args.homes)
        for name, place in (text.split("=", 1) for text in args.runs):
            run, train = taken(args.work, name, Path(place))
            enter(name, packed(args.work, name, train, run, words_of(train)["--data"]))
        wanted = args.only or [name for name in programme if name not in known and not args.runs]
        for name in wanted:
            if name not in programme:
                parser.error(f"--only {name}: known are {', '.join(programme)}")
            train = programme[name]
            data = words_of(train)["--data"]
            trained = training(args.work, name, train, homes.get(data))
            enter(name, packed(args.work, name, train, trained, data))
    describe(pictures=not args.thin)


def words_of(train: str) -> dict[str, str]:
    """The flags of a command with their values."""
    words = shlex.split(train)
    return dict(zip(words[1::2], words[2::2], strict=True))


# ------------------------------------------------------------------------------ training


def training(work: Path, name: str, train: str, home: str | None) -> Trained:
    """The trained run, made or finished now. Its processor time is kept beside it."""
    run, record = work / name, work / f"{name}.json"
    if not record.exists():
        flags = shlex.split(train)
        words = ["train", *flags, "--out", str(run), *(["--from", home] if home else [])]
        if checkpoints.steps(run / "checkpoints"):
            words = ["resume", str(run)]
        parts = work / f"{name}.parts"  # of a training that was stopped
        before = float(parts.read_text()) if parts.exists() else 0.0
        begun = _children()
        done = subprocess.run([sys.executable, "-m", "genarium", *words, "--quiet"], check=False)
        seconds = before + _children() - begun
        if done.returncode:
            work.mkdir(parents=True, exist_ok=True)
            parts.write_text(str(seconds))
            sys.exit(f"{name}: stopped; the same command goes on")
        record.write_text(json.dumps({"seconds": seconds}))
    return genarium.load(run, device="cpu")


def taken(work: Path, name: str, place: Path) -> tuple[Trained, str]:
    """A run of benchmarks/families_over_time.py, and what would train it at once."""
    run = genarium.load(place, device="cpu")
    used = json.loads((place / "clock.json").read_text())
    assert used["steps"] == run.step, f"{place}: its clock is of step {used['steps']:,}"
    work.mkdir(parents=True, exist_ok=True)
    seconds = used["seconds"] * run.config["training"]["threads"]
    (work / f"{name}.json").write_text(json.dumps({"seconds": seconds}))
    return run, command_of(run.folder.config(), run.model.spec)


def command_of(config: Config, spec: Spec) -> str:
    """What stands behind `genarium train` for these settings: those that a training with the
    recipe alone would not have, and that act on its weights."""
    recipe = recipes.get(config.recipe)
    usual = resolve(recipe).to_dict()
    usual["arguments"] |= recipe.chosen(spec, usual["arguments"])
    words = [config.recipe, "--data", config.data["source"]]
    for section in ("arguments", "data", "training"):
        for key, value in getattr(config, section).items():
            if key not in IDLE and usual[section][key] != value and value not in NONE:
                words += [f"--{key.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ------------------------------------------------------------------------------- packing


def packed(work: Path, name: str, train: str, run: Trained, data: str) -> dict[str, Any]:
    """Pack a run; gives its entry."""
    licence = LICENCES[data]
    results = {}
    for half in (False, True):
        place = place_of(work, name, half)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        stage(run, place, Zoo(name), licence=licence, half=half)
        run_again = genarium.load(place, device="cpu", data=run.dataset())
        results[half] = genarium.evaluate(run_again, metrics=METRICS, seed=0)
    single, narrow = (headline(results[half].rows) for half in (False, True))
    assert single.interval is not None
    width = (single.interval[1] - single.interval[0]) / 2
    half = abs(single.value - narrow.value) < MOVED * width
    scores = results[half]
    published = LIKELIHOODS[name][1] if name in LIKELIHOODS else {}
    rows = [_row(row) for row in chosen(scores.rows)]
    if published:
        place = place_of(work, name, half)
        rows.insert(0, nats_of(genarium.load(place, device="cpu", data=run.dataset())))
    target = (files.PACKAGE if data in SHIPPED else files.CHECKOUT) / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    stage(run, target, Zoo(name), licence=licence, half=half, scores=scores)
    for file in target.rglob("*.safetensors"):
        file.chmod(0o644)  # which safetensors writes for its owner alone
    thin(target / "metrics.jsonl")
    about = json.loads((target / "run.json").read_text())
    info = about["data"].get("info", {})
    core = "one core with bf16 matrix units" if has_fast_bf16(torch.device("cpu")) else "one core"
    return {
        "recipe": run.recipe.name,
        "taxonomy": list(run.taxonomy),
        "paper": about["paper"],
        "data": data,
        "data_licence": info.get("licence") or LICENCES[data],
        "attribution": info.get("attribution", ""),
        "licence": licence,
        "train": train,
        "evaluate": f"--metrics {METRICS}",
        "shape": list(run.spec.shape),
        "step": run.step,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "minutes": round(json.loads((work / f"{name}.json").read_text())["seconds"] / 60, 2),
        "machine": core,
        "half": half,
        "precision": {"score": single.name, "single": single.value, "half": narrow.value},
        "scores": rows,
        **({"published": published} if published else {}),
        "context": scores.context,
        "shipped": data in SHIPPED,
        "files": sums(target),
    }


def place_of(work: Path, name: str, half: bool) -> Path:
    """Where a run is packed for a look, in one of the two precisions."""
    return work / "packed" / f"{name}-{'half' if half else 'single'}"


def nats_of(run: Trained) -> dict[str, Any]:
    """-ln p(x) of the first test images, as papers report it: a bound by `DRAWS` samples each."""
    images = run.dataset().test.images[:SCORED]
    nats = -run.score(images, k=DRAWS).double()
    row = Score(
        "nats",
        nats.mean().item(),
        standard_error(nats),
        "lower",
        "nats an image",
        f"-ln p(x) of {run.model.density}, by importance sampling",
        basis={"importance samples": DRAWS, "held-out split": "test", "held-out images": len(nats)},
    )
    return _row(row)


def thin(file: Path) -> None:
    """Leave out rows of a history: of each kind `ROWS` stay, evenly spaced, the first and the last
    among them, to the byte as they were written."""
    lines = file.read_bytes().splitlines(keepends=True)
    kinds: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        kinds.setdefault(json.loads(line).get("event", ""), []).append(index)
    kept = {index for indices in kinds.values() for index in spaced(indices)}
    file.write_bytes(b"".join(line for index, line in enumerate(lines) if index in kept))


def spaced(items: list[int]) -> list[int]:
    """At most `ROWS` of them."""
    if len(items) <= ROWS:
        return items
    return [items[round(i * (len(items) - 1) / (ROWS - 1))] for i in range(ROWS)]


def thin_packed() -> None:
    """Thin the histories of all entries that are here; all else of them stays as it is."""
    record = json.loads(zoo.FILE.read_text(encoding="utf-8"))
    for entry in zoo.catalogue().entries.values():
        thin(files.own(entry) / "metrics.jsonl")
        record["entries"][entry.name]["files"] = sums(files.own(entry))
    written(record)


def sums(home: Path) -> dict[str, Any]:
    """Sum and size of each file of an entry."""
    return {str(f.relative_to(home)): _sum(f) for f in sorted(home.rglob("*.*"))}


def chosen(rows: list[Any]) -> list[Any]:
    """The scores that the catalogue has, the headline first."""
    return [row for begin in SCORES for row in rows if row.name.startswith(begin)]


def headline(rows: list[Any]) -> Any:
    return chosen(rows)[0]


def _row(row: Any) -> dict[str, Any]:
    whole = row.to_dict()
    return {key: whole[key] for key in ("name", "value", "interval", "unit", "note", "basis")}


def _sum(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def enter(name: str, entry: Mapping[str, Any]) -> None:
    """Put an entry into the catalogue."""
    record = json.loads(zoo.FILE.read_text(encoding="utf-8"))
    record["entries"][name] = entry
    written(record)


def written(record: dict[str, Any]) -> None:
    """The catalogue's file: by data, then by recipe."""
    data, made = [*LICENCES], [*SETTINGS]
    record["entries"] = dict(
        sorted(
            record["entries"].items(),
            key=lambda item: (data.index(item[1]["data"]), made.index(item[1]["recipe"])),
        )
    )
    zoo.FILE.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    zoo.catalogue.cache_clear()


# ---------------------------------------------------------------------------- describing


def describe(pictures: bool) -> None:
    """docs/zoo.md: its table, and a picture a data set."""
    entries = [*zoo.catalogue().entries.values()]
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), entries), encoding="utf-8")
    if not pictures:
        return
    for data in dict.fromkeys(entry.data for entry in entries):
        own = [entry for entry in entries if entry.data == data]
        rows = [drawn(genarium.load(f"zoo:{entry.name}", device="cpu")) for entry in own]
        labels = [number for number, row in enumerate(rows) for _ in row]
        sheet = contact_sheet(torch.cat(rows), labels, [entry.recipe for entry in own])
        save_png(PICTURES / f"zoo-{data}.png", sheet)


def drawn(run: Trained) -> torch.Tensor:
    """Pictures of an entry: samples, or of a model that draws none how the last grid has it."""
    if "sample" in run.capabilities:
        return for_the_eye(run.sample(SHOWN, seed=0), run.spec)
    return for_the_eye(run.reconstruct(run.dataset().test.images[:SHOWN]), run.spec)


def with_table(text: str, entries: list[zoo.Entry]) -> str:
    """The page with the table of these entries."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(entries)}\n{END}{after}"


def table(entries: list[zoo.Entry]) -> str:
    """The catalogue as Markdown."""
    lines = [
        "| `zoo:` | family | data | score (95 % interval) | published | processor minutes | kB | "
        "weights |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        row = entry.headline
        single, narrow = entry.precision["single"], entry.precision["half"]
        change = f"{'half' if entry.half else 'single, half'}: {narrow - single:+.1g}"
        lines.append(
            f"| `{entry.name}` | {' / '.join(entry.taxonomy)} | {entry.data} | {row['name']} "
            f"{zoo.interval(row)} | {entry.published.get('value', '')} | {entry.minutes:.1f} | "
            f"{entry.size / 1000:,.0f} | {change} |"
        )
    lines += ["", "| `zoo:` | made by |", "|---|---|"]
    lines += [f"| `{entry.name}` | `{entry.command}` |" for entry in entries]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
