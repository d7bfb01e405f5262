"""Wrong usages of every verb: exit status 2 and one line, no traceback, nothing left behind.

    python tools/campaigns/usages.py                  all, some minutes of one core
    python tools/campaigns/usages.py --stride 20      every twentieth

Most are made from the parsers themselves: every verb and action with every flag misspelt, without
its value, and with wrong values of its type; every recipe's settings likewise; every named file or
folder as one that is missing, no run, damaged, too long, not Unicode. Then what no parser tells:
YAML, state files, allocations, environments, streams, interrupts.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import forked
from usages_ground import Case, Ground
from usages_tables import (
    FITS,
    GARBAGE,
    IMAGES,
    LONG,
    NEEDS,
    NO_RUNS,
    NOT_UNICODE,
    NUMBERS,
    OUT,
    PAIRS,
    REALS,
    SOURCES,
    STATE,
    WORDS,
    YAML,
)

MEMORY = 6 * 2**30


# ------------------------------------------------------------------ the parsers


def parsers(recipe: str = "vae") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every verb with its parser."""
    from genarium import verbs
    from genarium.cli.parser import Parser
    from genarium.cli.verbs import add_arguments

    for name, entry in verbs.catalogue().items():
        parser = Parser(prog=f"genarium {name}")
        add_arguments(parser, entry.load(), [recipe])
        yield name, parser


def flags(verb: str, parser: argparse.ArgumentParser, head: list[str]) -> Iterator[Case]:
    """Each flag misspelt, without its value, with wrong values."""
    for action in parser._actions:
        longest = max(action.option_strings, key=len, default="")
        if not longest or action.dest == "help":
            continue
        if len(longest) > 4:
            wrong = longest[:-2] + longest[-1] + longest[-2] + "q"
            yield Case([*head, wrong, "1"], words=(f"flag {wrong} is unknown", "did you mean"))
        if action.nargs == 0:
            continue
        if not isinstance(action.nargs, str) or action.nargs == "+":
            yield Case([*head, longest], words=(longest,))
        count = action.nargs if isinstance(action.nargs, int) else 1
        for value in _wrong(verb, action):
            given = [f"{longest}={value}"] if count == 1 and longest != "-n" else [longest]
            given += [value] * (count if len(given[0]) == len(longest) else 0)
            yield Case([*head, *given])


def _wrong(verb: str, action: argparse.Action) -> tuple[str, ...]:
    kind = getattr(action.type, "__qualname__", "")
    metavar = action.metavar
    if action.choices or (isinstance(metavar, str) and metavar.startswith("{")):
        return ("zz", "", NOT_UNICODE, LONG)
    if kind.startswith("positive") or metavar == "N":
        return () if action.dest == "labels" else NUMBERS
    if kind.startswith("real") or metavar == "X":
        return REALS
    return ()


def settings() -> Iterator[Case]:
    """The settings of every recipe, as flags."""
    from genarium import recipes

    for name in recipes.catalogue():
        for verb, parser in parsers(name):
            if verb != "train":
                continue
            own = [g for g in parser._action_groups if (g.title or "").startswith("settings of")]
            for group in own:
                inner = argparse.ArgumentParser(add_help=False)
                inner._actions = group._group_actions
                yield from flags("train", inner, ["train", name])


def parsed() -> Iterator[Case]:
    """All that the parsers alone can tell, and refuse without a model."""
    for verb, parser in parsers():
        head = [*verb.split(), *NEEDS[verb]]
        yield from flags(verb, parser, head)
        yield Case([*head, "--nonsense"], words=("--nonsense",))
        if NEEDS[verb] and verb != "train":
            yield Case(verb.split())
    for wrong in (["trian"], ["zz"], [""], ["-x"], ["--zz"], [LONG], [NOT_UNICODE], ["a\nb"]):
        yield Case([*wrong])
    for group in ("data", "features", "study"):
        yield from (Case([group, *more]) for more in ([], ["zz"], ["shwo"], [""], ["--json"]))


# ------------------------------------------------------------------ files, folders, runs

RUN_VERBS = [v for v, needs in NEEDS.items() if needs and needs[0].startswith("{")]


def named() -> Iterator[Case]:
    """Files, folders, runs and words that are not what a verb takes."""
    for verb in RUN_VERBS:
        rest = NEEDS[verb][1:]
        for wrong in NO_RUNS:
            if (verb, wrong) != ("resume", "{noweights}"):  # which starts at step 0, and is right
                yield Case([*verb.split(), wrong, *rest])
    for verb, values in WORDS.items():
        for value in values:
            more = value.split(" ") if value.startswith(("--from", "--dim", "-n")) else [value]
            yield Case([*verb.split(), *NEEDS[verb], *more])
    for source in SOURCES:
        yield Case(["data", "show", source])
        yield Case(["train", "vae", "--steps=1", "--quiet", f"--data={source}"])
        if ":" not in source[1:]:
            yield Case(["study", "create", "{vae}", f"--data={source}"])
    for verb in ("reconstruct", "denoise", "score", "translate", "complete", "invert"):
        for images in IMAGES:
            yield Case([verb, NEEDS[verb][0], images])
    for verb in RUN_VERBS:
        if verb in ("resume", "study serve", "evaluate", "finetune", "study create"):
            continue
        end = OUT.get(verb, ".png")
        if verb == "probe":
            end = ".json"
        slow = ["-n", "8"] if verb in ("compare", "cluster", "map") else []
        slow += ["--method=pca"] if verb == "map" else []
        places = [f"/proc/x{end}", f"{{file}}/x{end}", LONG + end]
        if verb not in ("sample", "translate", "reconstruct", "denoise"):  # folders are right there
            places += ["x.xyz", "{img}"]
        for out in places if verb != "compare" else ("x.xyz",):
            yield Case([*verb.split(), *NEEDS[verb], *slow, f"--out={out}"])
    for out in ("{file}", "{vae}", "/proc/x", LONG, "/dev/null", "{file}/run"):
        yield Case(["train", "vae", "--steps=1", "--batch=2", "--quiet", f"--out={out}"])
    for verb in ("sample", "reconstruct", "encode", "interpolate", "manifold", "translate"):
        for other in ("ae", "gan", "pixelcnn", "pix2pix", "ring", "t2i"):
            if (verb, other) in FITS or NEEDS[verb] == [f"{{{other}}}"]:
                continue
            yield Case([verb, f"{{{other}}}"])
    for verb, wrong in PAIRS:
        yield Case([verb, *wrong.split(" ")])


# ------------------------------------------------------------------ YAML and state files


def configurations() -> Iterator[Case]:
    """Configuration files that are none."""
    for text in YAML:
        # a recipe on the command line wins over that of the file
        overruled = text.startswith("recipe") and ("\n" not in text or "|" in text)
        for verb in ("train",) if overruled else ("train", "train vae"):
            yield Case(
                [*verb.split(), "--config=c.yaml", "--steps=1", "--batch=2", "--quiet"],
                prepare=lambda here, text=text: _written(here / "c.yaml", text.encode()),
                about=text,
            )


def states() -> Iterator[Case]:
    """Files of runs and studies that hold something else, or are gone."""
    for name, content, verb in itertools.product(STATE, GARBAGE, ("sample", "resume")):
        steps = ["--steps=3", "--quiet"] if verb == "resume" else []

        def prepare(here: Path, name: str = name, content: bytes = content) -> None:
            run = here / "r"
            shutil.copytree(here / "vae", run)
            last = max(p.name for p in (run / "checkpoints").iterdir() if p.name.isdigit())
            (run / name.format(last=last)).write_bytes(content)

        # a damaged checkpoint is left out, and the one before it taken where there is one
        yield Case([verb, "r", *steps], prepare=prepare, about=f"{name}: {content!r}")
    for name, content, verb in itertools.product(
        ("study.json", "answers.sqlite"), GARBAGE, ("serve", "report")
    ):

        def spoil(here: Path, name: str = name, content: bytes = content) -> None:
            shutil.copytree(here / "study", here / "s")
            (here / "s" / name).write_bytes(content)

        yield Case(["study", verb, "s"], prepare=spoil, about=f"{name}: {content!r}")
    for verb, gone in itertools.product(("serve", "report"), ("picture", "mask", "answers")):

        def remove(here: Path, gone: str = gone) -> None:
            from genarium.study import manifest

            shutil.copytree(here / "timed", here / "s")
            result = manifest.read(here / "s")
            name = {"picture": result.pictures[0].name, "mask": result.masks[0]}.get(gone)
            (here / "s" / ("pictures/" + name if name else "answers.sqlite")).unlink()

        yield Case(["study", verb, "s"], prepare=remove, about=f"no {gone}")


def _written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


# ------------------------------------------------------------------ memory, environment, streams


def surroundings() -> Iterator[Case]:
    """Allocations that fail, terminals that cannot show a sign, streams that are full or closed."""
    for arguments in (
        ["train", "dcgan", "--size=2000", "--steps=1", "--batch=64", "--quiet"],
        ["train", "vae", "--latent=1000000000", "--steps=1", "--quiet"],
        ["train", "vae", "--width=1000000", "--steps=1", "--quiet"],
        ["train", "vae", "--hidden=1000000000", "--net=dense", "--steps=1", "--quiet"],
        ["manifold", "{vae}", "--side=100000"],
        ["manifold", "{vae}", "--side=1000000000"],
        ["sample", "{vae}", "-n", "1000000000"],
        ["interpolate", "{vae}", "--steps=1000000000"],
        ["data", "show", "shapes:n=99999999999"],
        ["data", "show", "ring8:n=99999999999"],
        ["data", "show", "{img}", "--size=4096"],
        ["invert", "{gan}", "test:0", "--restarts=1000000000"],
        ["score", "{vae}", "test:0", "--k=1000000000"],
        ["complete", "{pixelcnn}", "test:0", "--draws=1000000000"],
    ):
        yield Case(arguments, (0, 1, 2), memory=MEMORY)
    for verb in ("models", "data list", "data show", "sample"):
        head = [*verb.split(), *NEEDS[verb]]
        yield Case(head, (1,), ("stdout",), streams={1: "/dev/full"})
        yield Case([*head, "--json"], (1,), ("stdout",), streams={1: "/dev/full"})
        yield Case([*head, "--zz"], streams={1: "/dev/full"})
        yield Case([*head, "--zz"], streams={1: None})
        yield Case([*head, "--zz"], streams={0: None, 1: None})
        yield Case([*head, "--zz"], streams={2: "/dev/full"}, quiet=True)
        yield Case([*head, "--zz"], streams={2: None}, quiet=True)
        yield Case([*head, "--zz"], streams={0: None, 1: None, 2: None}, quiet=True)
    for value in ("/proc/x", LONG, "{file}", "/dev/null"):
        yield Case(["data", "show", "{img}"], (0, 2), env={"GENARIUM_CACHE": value})
        yield Case(["models"], (0, 2), env={"GENARIUM_PATH": value})


# ------------------------------------------------------------------ running them


KINDS = {
    "flags": parsed,
    "settings": settings,
    "names": named,
    "configurations": configurations,
    "states": states,
    "surroundings": surroundings,
}
SOME = {"flags": 500, "settings": 300}
"""Kinds with many cases alike, and how many of them are taken unless --all is given."""


def every(kinds: Iterable[str] = KINDS, *, thin: bool = True) -> list[Case]:
    """All cases of these kinds, in a fixed random order."""
    draw, results = random.Random(17), []
    for kind in kinds:
        cases = list(KINDS[kind]())
        draw.shuffle(cases)
        results += cases[: SOME.get(kind)] if thin else cases
    draw.shuffle(results)
    return results


# ------------------------------------------------------------------ in processes of their own


def interrupts(moments: list[float]) -> Iterator[tuple[float, int, str]]:
    """Ctrl-C that many seconds after the start of a real process: (moment, status, stderr).

    Python itself answers with a traceback until it has read its own start-up files, so the first
    moment is when `genarium` begins.
    """
    for moment in moments:
        command = [sys.executable, "-m", "genarium", "sample", "nothing"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
        yield moment, process.returncode, said


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--stride", type=int, default=1, help="every so many of the cases")
    parser.add_argument("--base", type=Path, default=Path("campaign"), help="where files go")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--all", action="store_true", help="every flag with every value")
    parser.add_argument("--match", default="", help="only cases whose text holds this")
    args = parser.parse_args()
    forked.warm()
    ground = Ground(args.base.resolve())
    cases = [c for c in every(args.kinds, thin=not args.all) if args.match in str(c)][
        :: args.stride
    ]
    begun, tally, faults = time.monotonic(), Counter[str](), []
    for number, case in enumerate(cases):
        ended, fault = ground.run(case)
        tally["hung" if ended.hung else f"status {ended.status}"] += 1
        tally["tracebacks"] += ended.traceback
        if fault:
            faults.append((str(case), fault))
            print(f"{case}\n    {fault}", flush=True)
        if number % 200 == 199:
            print(f"... {number + 1}, {time.monotonic() - begun:.0f} s", flush=True)
    print(
        f"{len(cases):,} wrong usages, {tally['tracebacks']} tracebacks, {len(faults)} faults, "
        f"{dict(tally)}, {time.monotonic() - begun:.0f} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
