"""What extractors see: the FID of spoiled pictures against real ones, strength by strength.

    python benchmarks/extractor_corruptions.py STAMPS EMOJI GREY [--size 64] [--n 400]
        [--extractors efficientnet-lite0,fashion-proxy] [--corruptions blur,noise] [--json FILE]

Of each set (a folder of class folders, or a source of the package) n pictures stand for the real
ones and n others are spoiled in the ten ways of `genarium.evaluation.diagnostics.corruptions`, at
strengths 0 (as they are), 1/4, 1/2, 3/4 and 1. Where a set has fewer than 2 n pictures it is
halved. For each corruption that applies the table says

rank    Spearman's rank correlation of FID and strength, over the five
times   the FID at full strength, over that of real pictures
apart   whether the 95 % intervals of the two do not meet

and, for each extractor, images a second of one thread. Exit status 1 if the first extractor ranks a
corruption under .9 or does not tell it apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genarium.data import DataOptions, load
from genarium.evaluation.diagnostics.corruptions import NAMES, applicable, corrupt
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.scores.features import fid
from genarium.evaluation.scores.measured import Measured, Metric
from genarium.evaluation.scores.score import Score

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
LEAST_RANK = 0.9


def halves(source: str, size: str, n: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Real pictures, those to be spoiled, and the classes of these."""
    data = load(source, DataOptions(size=size), progress=False)
    parts = [part for part in (data.train, data.validation, data.test) if len(part)]
    images = torch.cat([part.images for part in parts])
    labels = [part.labels for part in parts if part.labels is not None]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    n = min(n, len(images) // 2)
    ours = order[n : 2 * n]
    known = torch.cat(labels)[ours] if len(labels) == len(parts) else None
    return images[order[:n]], images[ours], known


def rank(values: list[float]) -> float:
    """Spearman's correlation of values with their places."""
    n = len(values)
    places = torch.tensor(values).argsort().argsort().tolist()
    apart = sum((place - i) ** 2 for i, place in enumerate(places))
    return 1 - 6 * apart / (n * (n * n - 1))


def measured(name: str, eye: Extractor, images: Tensor) -> Measured:
    result = Measured(name, eye, (Metric(fid),))
    result.add(images)
    return result


def ask(
    eye: Extractor, real: Tensor, images: Tensor, labels: Tensor | None, names: tuple[str, ...]
) -> dict[str, Any]:
    """The FIDs of the corruptions `names`, and images a second."""
    read, seconds = 0, 0.0
    reference = measured("real", eye, real)

    def score(some: Tensor) -> Score:
        nonlocal read, seconds
        start = time.process_time()
        ours = measured("spoiled", eye, some)
        read, seconds = read + len(some), seconds + time.process_time() - start
        return fid(ours, reference)

    plain = score(images)
    rows = {}
    for name in (name for name in applicable(images, labels) if name in names):
        scores = [plain, *(score(corrupt(name, images, s, labels)) for s in STRENGTHS)]
        values = [each.value for each in scores]
        ends = [each.interval for each in (plain, scores[-1])]
        assert ends[0] is not None
        assert ends[1] is not None
        rows[name] = {
            "fid": values,
            "rank": rank(values),
            "times": values[-1] / plain.value,
            "apart": ends[1][0] > ends[0][1],
        }
    return {
        "extractor": f"{eye.name} {eye.hash}",
        "real": plain.value,
        "interval": plain.interval,
        "images_a_second": read / seconds,
        "corruptions": rows,
    }


def table(result: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown: a row a corruption, three columns a set, for each extractor."""
    lines = []
    for eye in next(iter(result.values())):
        sets = {name: by_eye[eye] for name, by_eye in result.items()}
        speed = min(one["images_a_second"] for one in sets.values())
        lines += [f"\n{eye}: {speed:.0f} images/s", ""]
        lines += [f"| | {' | '.join(sets)} |", "|---|" + "---|" * len(sets)]
        for name in NAMES:
            cells = []
            for one in sets.values():
                row = one["corruptions"].get(name)
                if row is None:
                    cells.append("n/a")
                else:
                    end = "" if row["apart"] else ", not apart"
                    cells.append(f"{row['rank']:.1f}, {row['times']:.2f} times{end}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--size", default="64")
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--extractors", default="efficientnet-lite0,fashion-proxy")
    parser.add_argument("--corruptions", default=",".join(NAMES), help="some of them only")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, dict[str, Any]]] = {}
    bad = []
    for source in args.sets:
        real, images, labels = halves(source, args.size, args.n)
        name = f"{Path(source).name} ({len(real)} against {len(images)})"
        results[name] = {}
        for place, eye in enumerate(args.extractors.split(",")):
            one = ask(extractor(eye), real, images, labels, tuple(args.corruptions.split(",")))
            results[name][eye] = one
            print(f"{name}, {eye}: real {one['real']:.4g}", file=sys.stderr, flush=True)
            for what, row in one["corruptions"].items():
                values = " ".join(f"{value:.4g}" for value in row["fid"])
                line = f"  {what:<18} {row['rank']:5.2f}  {values}  apart {row['apart']}"
                print(line, file=sys.stderr)
                if not place and (row["rank"] < LEAST_RANK or not row["apart"]):
                    bad.append(f"{name}: {what}")
            sys.stderr.flush()
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    for line in bad:
        print(f"not ordered or not told apart: {line}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
