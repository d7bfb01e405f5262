"""`genarium study create|serve|report`: people say which pictures are real."""

from __future__ import annotations

import argparse
import typing
from pathlib import Path
from typing import Any

from genarium.cli.given import add_accept
from genarium.cli.parser import positive, seed
from genarium.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("create", "draw the pictures of a study from runs and from real data"),
        ("serve", "show a study to participants in the browser and keep their answers"),
        ("report", "error rates with intervals, the most convincing fakes, CSV"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:])
        _ADD[name](action)


def _add_create(parser: argparse.ArgumentParser) -> None:
    from genarium.study.manifest import Mode, Scaling

    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders: the models")
    parser.add_argument(
        "--data",
        help="real pictures: its test split, read as the first run's data were (default: these)",
    )
    add_accept(parser, "the first run's")
    parser.add_argument(
        "--out", metavar="FOLDER", default="study", help="a new folder (default: study)"
    )
    parser.add_argument(
        "--mode",
        choices=typing.get_args(Mode),
        default="untimed",
        help="timed: each picture is seen for a moment that adapts to the answers",
    )
    parser.add_argument(
        "-n",
        type=positive("-n"),
        default=50,
        help="pictures drawn a model, and as many real ones for each (default: 50)",
    )
    parser.add_argument(
        "--show",
        type=positive("--show"),
        help="of these, how many a participant sees (default: 20, in the timed mode 50)",
    )
    parser.add_argument(
        "--practice",
        type=positive("--practice", 0),
        default=10,
        help="pictures of the practice round (default: 10)",
    )
    parser.add_argument(
        "--checks",
        type=positive("--checks", 0),
        default=4,
        help="attention checks a participant (default: 4)",
    )
    parser.add_argument(
        "--scaling",
        choices=typing.get_args(Scaling),
        default="pixelated",
        help="how small pictures are enlarged, all alike (default: pixelated)",
    )
    parser.add_argument("--title", default="", help="heading of the start screen")
    parser.add_argument("--seed", type=seed, default=0, help="of samples and real pictures")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="FOLDER", help="a folder that `study create` made")
    parser.add_argument(
        "--port",
        type=positive("--port", 0),
        default=8765,
        help="if it is busy the next free one is taken; 0: any (default: 8765)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; others than 127.0.0.1 open the study to the network",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a further name that participants reach it by; may be repeated",
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="FOLDER", help="a folder that `study create` made")
    parser.add_argument("--out", metavar="FILE.html", help="the page (default: FOLDER/report.html)")
    parser.add_argument(
        "--keep-inattentive",
        action="store_true",
        help="count participants who failed the attention checks too",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


_ADD = {"create": _add_create, "serve": _add_serve, "report": _add_report}


def run(found: Any) -> int:
    return {"create": _create, "serve": _serve, "report": _report}[found.action](found)


def _create(found: Any) -> int:
    from genarium.cli import show
    from genarium.study.create import create

    manifest = create(
        found.runs,
        found.data,
        accept_changes=found.accept_changes,
        out=found.out,
        mode=found.mode,
        n=found.n,
        show=found.show,
        practice=found.practice,
        checks=found.checks,
        scaling=found.scaling,
        title=found.title,
        seed=found.seed,
    )
    if found.json:
        show.as_json(
            {
                "study": found.out,
                "mode": manifest.mode,
                "models": [model.name for model in manifest.models],
                "pictures": len(manifest.pictures),
                "trials": manifest.trials,
            }
        )
        return 0
    print(
        f"{found.out}: {len(manifest.pictures)} pictures, a participant judges {manifest.trials}\n"
        f"next: genarium study serve {found.out}"
    )
    return 0


def _serve(found: Any) -> int:
    from genarium.study import manifest as manifests
    from genarium.study.store import Store
    from genarium.web import guard as serving

    folder = Path(found.study)
    serving.require("study serve")
    from genarium.study import server

    if found.host in serving.ANY and not found.allow_host:
        raise UserError(
            f"--host {found.host}: listens at every address, so say with --allow-host NAME by "
            "which name or address participants reach this machine"
        )
    manifest = manifests.read(folder)
    sock = serving.listen(found.host, found.port)
    store = Store(folder / manifests.ANSWERS, manifest.id)
    port = sock.getsockname()[1]
    guard = serving.Guard(server.app(folder, manifest, store), port, found.host, found.allow_host)
    if found.port not in (0, port):
        print(f"port {found.port} is busy, so this is {port}")
    for name in found.allow_host or [f"[{found.host}]" if ":" in found.host else found.host]:
        print(f"participants: http://{name}:{port}/")
    print(f"report: genarium study report {folder}    stop: Ctrl-C", flush=True)
    try:
        serving.run(guard, sock)
    except KeyboardInterrupt:
        pass
    finally:
        answers = sum(row.given is not None for row in store.everything())
        store.close()
    print(f"stopped: {answers} answers are stored in {folder}")
    return 0


def _report(found: Any) -> int:
    from genarium.cli import show
    from genarium.study import report

    if found.out and not found.out.endswith((".html", ".htm")):
        raise UserError(f"--out {found.out}: name a file that ends in .html")
    made = report.write(found.study, found.out, keep_inattentive=found.keep_inattentive)
    if found.json:
        show.as_json(made.to_dict())
    else:
        print(made.table())
        print(f"\nreport: {made.path}")
    return 0
