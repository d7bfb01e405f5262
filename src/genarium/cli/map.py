"""`genarium map RUN [DATA]`: the codes in the plane, coloured by class."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli import coded
from genarium.cli.parser import positive, real
from genarium.errors import UserError

PERPLEXITY = 30.0


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    coded.add_flags(parser, "map.png")
    parser.add_argument(
        "--method",
        choices=("pca", "tsne", "both"),
        default="both",
        help="principal components, t-SNE, or one beside the other (default)",
    )
    parser.add_argument(
        "-n", type=positive("-n", 4), default=2000, help="test images, at most (default: 2000)"
    )
    parser.add_argument(
        "--perplexity",
        type=real("--perplexity", least=1),
        default=PERPLEXITY,
        metavar="X",
        help=f"neighbours that t-SNE minds (default: {PERPLEXITY:g})",
    )


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.drawing.maps import Panel, save
    from genarium.features import project
    from genarium.runs.selection import dataset_for

    trained, out = coded.open_run(found, ".png")
    data = dataset_for(trained, found.data)
    images, labels = data.test.images[: found.n], data.test.labels
    wanted = ("pca", "tsne") if found.method == "both" else (found.method,)
    if "tsne" in wanted and len(images) <= 3 * found.perplexity:
        raise UserError(
            f"--perplexity {found.perplexity:g}: t-SNE needs more than three times as many images, "
            f"there are {len(images)}: lower it, or take --method pca"
        )
    codes = trained.encode(images)
    panels = []
    for method in wanted:
        if method == "pca" and codes.shape[1] == 2:
            panels.append(Panel("the code itself", project(codes, "none"), ("z0", "z1")))
        elif method == "pca":
            axes = ("first component", "second component")
            panels.append(Panel("principal components", project(codes), axes))
        else:
            places = project(codes, "tsne", seed=found.seed, perplexity=found.perplexity)
            panels.append(Panel(f"t-SNE, perplexity {found.perplexity:g}", places))
    known = None if labels is None else labels[: found.n]
    path = save(out or trained.path / "map.png", panels, known, data.spec.classes)
    facts = {"run": str(trained.path), "data": data.name, "images": len(images)}
    if found.json:
        show.as_json({**facts, "method": found.method, "out": str(path)})
    else:
        print(f"map of {len(images):,} codes ({', '.join(p.title for p in panels)}): {path}")
    return 0
