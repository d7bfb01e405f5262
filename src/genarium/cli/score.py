"""`genarium score RUN [IMAGES...]`: the log-likelihood of each image, the strangest first."""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import Any

from genarium.cli.given import add_data, open_run
from genarium.cli.parser import positive, seed
from genarium.errors import UserError, unwritable

SHOWN = 16


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model has a likelihood")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        nargs="*",
        help="image files, folders of them, test, or test:NUMBERS (default: test)",
    )
    parser.add_argument(
        "--against",
        metavar="IMAGES",
        nargs="+",
        help="other images, or a data set (its test split): how well the score tells the two apart "
        "(AUROC)",
    )
    parser.add_argument(
        "--from", dest="from_dir", metavar="DIR", help="official files of the set of --against"
    )
    parser.add_argument("--class", dest="condition", help="as images of this class: ln p(x|y)")
    parser.add_argument(
        "--k",
        type=positive("--k"),
        default=1,
        help="importance samples an image, for a model with a bound: 5000 closes it all but for a "
        "few hundredths of a nat (default: 1, the ELBO)",
    )
    add_data(parser)
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument("--seed", type=seed, default=0, help="of a bound's samples")
    parser.add_argument(
        "--out",
        metavar="FILE.csv",
        help="the table: name, nats, bits_per_dim, least likely first; beside it FILE.png with the "
        f"{SHOWN} strangest and the {SHOWN} likeliest images (default: RUN/scores.csv)",
    )
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(found: Any) -> int:
    import torch

    from genarium.cli import show
    from genarium.drawing.write import write_images
    from genarium.evaluation.metrics.likelihood import auroc
    from genarium.runs.selection import all_given, given

    out = Path(found.out) if found.out else None
    if out is not None and out.suffix.lower() != ".csv":
        raise UserError(f"--out {found.out}: the table is a CSV file, end it in .csv")
    trained = open_run(found)
    names, images = all_given(trained, found.images, "test")
    own = len(names)
    if found.against:
        others = [
            given(trained, f"--against {text}", text, found.from_dir) for text in found.against
        ]
        names = names + [name for part in others for name in part.names]
        images = torch.cat([images, *(part.images for part in others)])
    elif found.from_dir is not None:
        raise UserError(f"--from {found.from_dir}: say --against, or leave it out")
    nats = trained.score(images, found.seed, found.condition, found.k)
    order = torch.argsort(nats, stable=True).tolist()
    out = out or trained.path / "scores.csv"
    per_bit = -trained.spec.dims * math.log(2)
    rows = [(names[i], float(nats[i]), float(nats[i]) / per_bit) for i in order]
    sets = ["against" if i >= own else "images" for i in order] if found.against else []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("name", "nats", "bits_per_dim", *(["set"] if sets else [])))
            for place, (name, n, b) in enumerate(rows):
                table.writerow((name, f"{n:.4f}", f"{b:.6f}", *sets[place : place + 1]))
    except OSError as error:
        raise unwritable(out, error) from None
    picture = out.with_suffix(".png")
    ends = order[:SHOWN] + order[max(SHOWN, len(order) - SHOWN) :][::-1]
    write_images(images[ends], picture, columns=min(SHOWN, len(ends)))
    exact = "log_prob" in trained.capabilities
    kind = "ln p(x)" if exact else f"lower bound on ln p(x) (k = {found.k})"
    if found.json:
        facts = {"run": str(trained.path), "density": trained.model.density, "exact": exact}
        facts |= {} if exact else {"k": found.k}
        if found.against:
            facts |= {"auroc": auroc(nats[:own], nats[own:]), "against": found.against}
        scores = [{"name": name, "nats": n, "bits_per_dim": b} for name, n, b in rows]
        show.as_json({**facts, "scores": scores, "out": str(out), "picture": str(picture)})
    else:
        mean = sum(b for _, _, b in rows) / len(rows)
        print(
            f"{kind} of {len(rows)} images, {trained.model.density}: {mean:.4f} bits/dim on average"
        )
        if found.against:
            area = auroc(nats[:own], nats[own:])
            print(
                f"AUROC {area:.4f}: the chance that one of the {own} images is likelier than one "
                f"of the {len(names) - own} of --against {' '.join(found.against)}"
            )
        for name, n, b in rows[:5]:
            print(f"  {n:12.2f} nats  {b:8.4f} bits/dim  {name}")
        print(f"all, the least likely first: {out}; the ends as a picture: {picture}")
    return 0
