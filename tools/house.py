"""The house in numbers: lines a room, and the way of a run and its images through `evaluate`.

    python tools/house.py                                    this checkout
    git worktree add /tmp/before e086719
    python tools/house.py --before /tmp/before > docs/house.md

Lines are all lines of Python files in `src/genarium`, a room a folder. For the way, a VAE is
trained for three steps, then `genarium evaluate RUN -n 64` runs under `sys.setprofile`. A function
is on the way where an argument or its result carries the run or images: a loaded run, its model, a
data set or a split, images of the run's shape, or an object of the package that holds one of these.
Functions stand in the order of their first calls. The model's own (`models`, `nn`,
`distributions`), and what has no name (lambdas, comprehensions), do not count. A return is a step
to another file that the way had been in before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = ["vae", "--data", "digits", "--steps", "3", "--batch", "8", "--device", "cpu", "--quiet"]
TRACE = """
import contextlib, io, json, sys
import genarium, torch
from genarium import cli
from pathlib import Path
home = str(Path(genarium.__file__).parent) + "/"
kinds = {"Trained", "Dataset", "Split"}
seen = {}

def images(value):
    return isinstance(value, torch.Tensor) and value.ndim >= 3 and value.shape[-2:] == (28, 28)

def is_one(value):
    return images(value) or type(value).__name__ in kinds or (
        isinstance(value, torch.nn.Module) and hasattr(value, "phases")
    )

def carries(value):
    if is_one(value):
        return True
    if isinstance(value, (list, tuple)):
        return any(is_one(each) for each in value[:8])
    ours = type(value).__module__.startswith("genarium")
    if not ours or isinstance(value, (type, torch.nn.Module)):
        return False
    return any(is_one(each) for each in getattr(value, "__dict__", {}).values())

def note(frame, values):
    code = frame.f_code
    if not code.co_filename.startswith(home) or code.co_name.startswith("<"):
        return
    file = code.co_filename[len(home):]
    if file.split("/")[0] in ("models", "nn", "distributions.py"):
        return
    order.setdefault(frame, len(order))
    key = file, code.co_qualname.replace(".<locals>", ""), code.co_firstlineno
    if key not in seen and any(carries(value) for value in values):
        seen[key] = order[frame]

def watch(frame, event, value):
    if event == "call":
        note(frame, list(frame.f_locals.values()))
    elif event == "return":
        note(frame, [value])

order = {}
sys.setprofile(watch)
with contextlib.redirect_stdout(io.StringIO()):
    status = cli.main(["evaluate", sys.argv[1], "-n", "64"])
sys.setprofile(None)
assert status == 0
print(json.dumps([key[:2] for key in sorted(seen, key=seen.get)]))
"""


def commit(checkout: Path) -> str:
    """Its commit, short."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def lines(checkout: Path) -> dict[str, tuple[int, int]]:
    """(files, lines) of each room."""
    home, results = checkout / "src" / "genarium", {}
    for file in sorted(home.rglob("*.py")):
        inner = file.relative_to(home).parts
        room = inner[0] if len(inner) > 1 else "(root)"
        count, total = results.get(room, (0, 0))
        text = file.read_text(encoding="utf-8")
        results[room] = (count + 1, total + text.count("\n"))
    return results


def way(checkout: Path) -> list[tuple[str, str]]:
    """(file, function) in the order of their first calls."""
    with tempfile.TemporaryDirectory() as folder:
        extra = {"PYTHONPATH": str(checkout / "src"), "GENARIUM_CACHE": folder, "GENARIUM_PATH": ""}
        environment = {**os.environ, **extra, "OMP_NUM_THREADS": "1"}
        run = str(Path(folder) / "run")

        def python(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, *arguments],
                env=environment,
                cwd=folder,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            return done.stdout

        python("-m", "genarium", "train", *RUN, "--out", run)
        record: list[list[str]] = json.loads(python("-c", TRACE, run).splitlines()[-1])
    return [(file, function) for file, function in record]


def returns(result: list[tuple[str, str]]) -> int:
    """Steps to another file that the way had been in before."""
    files = [file for file, _ in result]
    return sum(file != files[i] and file in files[:i] for i, file in enumerate(files[1:]))


def page(before: Path | None) -> str:
    """The tables, in Markdown."""
    checkouts = {"now": ROOT} if before is None else {"before": before, "now": ROOT}
    rooms = {name: lines(checkout) for name, checkout in checkouts.items()}
    ways = {name: way(checkout) for name, checkout in checkouts.items()}
    commits = " and ".join(f"{name} ({commit(at)})" for name, at in checkouts.items())
    told = f"Written by `python tools/house.py`, of the checkouts {commits}."
    text = ["# The house in numbers", "", told, "", "## Lines a room", ""]
    text += ["| room | " + " | ".join(f"files {n} | lines {n}" for n in rooms) + " |"]
    text += ["|---" * (1 + 2 * len(rooms)) + "|"]
    for room in [*sorted({room for each in rooms.values() for room in each}), "all"]:
        cells = []
        for each in rooms.values():
            total = tuple(sum(column) for column in zip(*each.values(), strict=True))
            files, count = total if room == "all" else each.get(room, (0, 0))
            cells += [f"{files} | {count:,}" if files else " | "]
        text += [f"| {room} | {' | '.join(cells)} |"]
    text += ["", "## The way of a run and its images through `evaluate`", "", RULE, ""]
    text += ["| | functions | files | returns to a file that it had left |", "|---|---|---|---|"]
    for name, result in ways.items():
        files = {file for file, _ in result}
        text += [f"| {name} | {len(result)} | {len(files)} | {returns(result)} |"]
    for name, result in ways.items():
        text += ["", f"### {name.capitalize()}", "", "| | file | functions |", "|---|---|---|"]
        stops: list[tuple[str, list[str]]] = []
        for file, function in result:
            if not stops or stops[-1][0] != file:
                stops.append((file, []))
            stops[-1][1].append(f"`{function}`")
        text += [f"| {i} | `{file}` | {', '.join(f)} |" for i, (file, f) in enumerate(stops, 1)]
    return "\n".join(text)


RULE = """\
Of a VAE on digits, `genarium evaluate RUN -n 64`, traced. A function counts where an argument or
its result carries the run or images (a loaded run, its model, a data set or a split, images, or an
object that holds one), in the order of first calls; the model's own functions do not count. A row
is a file, for as long as the way stays in it. `tools/house.py` has the rule in full. A count by
hand of the main functions alone, before, had 31 functions in 16 files and 15 returns."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout")
    given = parser.parse_args()
    print(page(given.before.resolve() if given.before else None))


if __name__ == "__main__":
    main()
