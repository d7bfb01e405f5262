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
import importlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import forked

LONG = "x" * 300
NOT_UNICODE = os.fsdecode(b"bad\xff")
NUMBERS = ("x", "", "1.5x", "-1", "nan", "9" * 5000, str(2**64), "1\n2")
REALS = ("x", "", "nan", "inf", "1e999", "1,5", "1\n2")
MEMORY = 6 * 2**30


@dataclass
class Case:
    """One wrong usage. status: those allowed. words: in the error line. env, streams, memory: see
    `forked.command`. prepare: makes its files in the working folder first. keeps: names that it
    may leave behind. quiet: its error may be lost (stderr is closed or full)."""

    arguments: list[str]
    status: tuple[int, ...] = (2,)
    words: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    streams: dict[int, str | None] = field(default_factory=dict)
    memory: int = 0
    prepare: Callable[[Path], None] | None = None
    quiet: bool = False

    def __str__(self) -> str:
        shown = [a if len(a) <= 60 else f"{a[:30]}...({len(a)})" for a in self.arguments]
        more = [f"{k}={v}" for k, v in self.env.items()]
        more += [f"{n}>{path}" for n, path in self.streams.items()]
        return " ".join([*more, "genarium", *map(repr, shown)])


# ------------------------------------------------------------------ the parsers

NEEDS: dict[str, list[str]] = {
    "sample": ["{vae}"],
    "reconstruct": ["{vae}"],
    "denoise": ["{dae}"],
    "encode": ["{vae}"],
    "probe": ["{vae}"],
    "finetune": ["{vae}"],
    "cluster": ["{vae}"],
    "map": ["{vae}"],
    "translate": ["{pix2pix}"],
    "complete": ["{pixelcnn}", "test:0"],
    "score": ["{vae}", "test:0"],
    "interpolate": ["{vae}"],
    "arithmetic": ["{vae}", "--plus", "0-1"],
    "traverse": ["{vae}"],
    "manifold": ["{vae}"],
    "invert": ["{gan}", "test:0"],
    "evaluate": ["{vae}"],
    "compare": ["{vae}"],
    "resume": ["{vae}"],
    "train": ["vae"],
    "models": [],
    "demo": [],
    "data list": [],
    "data show": ["digits"],
    "data prepare": ["digits"],
    "study create": ["{vae}"],
    "study serve": ["{study}"],
    "study report": ["{study}"],
}
"""What each verb needs at least to be right, {NAME} a folder that `Ground` makes."""

OUT = {"encode": ".npz", "compare": ".html", "study report": ".html"}
"""The ending of --out where it is not .png."""


def parsers(recipe: str = "vae") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every verb (and action) with its parser."""
    from genarium.cli import VERBS
    from genarium.cli.parser import Parser

    for verb in VERBS:
        parser = Parser(prog=f"genarium {verb}")
        importlib.import_module(f"genarium.cli.{verb}").add_arguments(parser, [recipe])
        inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not inner:
            yield verb, parser
        for name, action in inner[0].choices.items() if inner else ():
            yield f"{verb} {name}", typing.cast(argparse.ArgumentParser, action)


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
    yield from settings()
    for wrong in (["trian"], ["zz"], [""], ["-x"], ["--zz"], [LONG], [NOT_UNICODE], ["a\nb"]):
        yield Case([*wrong])
    for group in ("data", "study"):
        yield from (Case([group, *more]) for more in ([], ["zz"], ["shwo"], [""], ["--json"]))


# ------------------------------------------------------------------ files, folders, runs

WORDS = {
    "sample": ["--class=3", "--code=1", "--text=a dog", "--step=99"],
    "reconstruct": ["--step=99"],
    "denoise": ["--noise=9", "--noise=zz:1", "--noise=-1", "--step=99"],
    "encode": ["--split=zz", "--step=99"],
    "probe": ["--labels=zz", "--labels=0", "--labels=1", "--labels=-3", "--step=99"],
    "finetune": ["--labels=zz", "--labels=0", "--labels=1,zz", "--step=99"],
    "cluster": ["--groups=1", "--groups=99999", "--method=zz", "--step=99"],
    "map": ["--method=zz", "--perplexity=0", "--step=99"],
    "translate": ["--direction=b2a", "--step=99"],
    "complete": ["--keep=zz", "--keep=-1", "--keep=150%", "--class=3", "--step=99"],
    "score": ["--k=0", "--against=nothing", "--against={empty}", "--step=99"],
    "interpolate": ["--from=0 --to=99999999", "--from=class:3 --to=class:zz", "--from=: --to=0",
                    "--from=0-3 --to=0-1", "--steps=1", "--class=3", "--code=1", "--from=0"],
    "arithmetic": ["--plus=zz", "--plus=", "--noise=-1", "--noise=inf", "--class=3"],
    "traverse": ["--dimension=99", "--dimension=x", "--range=0", "--range=nan", "--toward=zz",
                 "--classes", "--class=3"],
    "manifold": ["--dimensions 0 0", "--dimensions 0 99", "--side=1", "--class=3", "--from=zz"],
    "invert": ["--steps=0", "--restarts=0", "--lr=0", "--prior-weight=-1"],
    "evaluate": ["--metrics=zz", "--metrics=", "--extractor=zz", "--weights=nothing",
                 "--against={empty}", "--against=nothing", "--size=3", "--train=zz", "--fit=pad"],
    "compare": ["{ring}", "{pix2pix}", "{empty}", "--out=x.png"],
    "resume": ["--accept-change", "--lr=1", "--batch=3", "--seed=1"],
    "data show": ["--size=0", "--size=axb", "--size=8x8x8", "--size=99999", "--channels=2",
                  "--background=zz", "--background=#12", "--max-bad=2", "--max-bad=-1",
                  "--binarize=zz", "--out=x.txt", "--from=zz", "--cache={file}"],
    "study create": ["--show=99", "-n 99999", "--data=zz", "{ring}", "{pix2pix}",
                     "--title=" + NOT_UNICODE, "--out={file}", "--out={vae}"],
    "study serve": ["--port=99999", "--port=-1", "--host=zz", "--host=0.0.0.0"],
    "study report": ["--out=x"],
}  # fmt: skip
"""Wrong values that the parsers cannot see, beside what a verb needs."""

SOURCES = ("zz", "", ":", LONG, NOT_UNICODE, "digit", "shapes:n=0", "shapes:n=-5", "shapes:n=x",
    "shapes:zz=1", "shapes:seed=-1", "ring8:n=0", "pairs", "pairs:a=zz,b=zz", "side-by-side",
    "stacked-mnist:of=zz", "shapes:n", "shapes:=", "shapes:n=1,n=2", "{empty}", "{file}",
    "pairs:a={img},b={empty}", "unpaired:a={img},b={empty}", "pairs:dir={img}", "{notrun}")  # fmt: skip

IMAGES = ("nothing.png", "{empty}", "{file}", LONG, NOT_UNICODE, "test:99999999", "test:3-1",
    "test:x", "test:", "test:0-999999999999", "mnist:n=3", "shapes:bogus=1", "", "/dev/null",
    "{there}", "test:٣", "test:0,,1", "a\nb", "{study}")  # fmt: skip

NO_RUNS = ("nothing", "{empty}", "{notrun}", "{file}", "{half}", "{list}", "{binary}", "{noweights}",
    "{noconfig}", LONG, NOT_UNICODE, "", "/", "digits", "weights.pt", "a\nb", "{nested}")  # fmt: skip

RUN_VERBS = [v for v, needs in NEEDS.items() if needs and needs[0].startswith("{")]


def named() -> Iterator[Case]:
    """Files, folders, runs and words that are not what a verb takes."""
    for verb in RUN_VERBS:
        rest = NEEDS[verb][1:]
        for wrong in NO_RUNS:
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
        if verb not in ("sample", "translate"):  # folders are right there
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


FITS = {("sample", o) for o in ("gan", "pixelcnn", "ring", "t2i")}
FITS |= {("reconstruct", "ae"), ("encode", "ae"), ("interpolate", "ae"), ("manifold", "ae")}
FITS |= {("interpolate", "gan"), ("manifold", "gan"), ("interpolate", "t2i"), ("manifold", "t2i")}

PAIRS = [
    ("sample", "{cvae} --class=42"), ("sample", "{cvae} --class="), ("sample", "{infogan} --code=x"),
    ("sample", "{infogan} --code=99"), ("sample", "{infogan} --code=1,2,3,4,5,6,7"),
    ("sample", "{infogan} --code=inf"), ("sample", "{t2i} --text="), ("sample", "{t2i} --class=1"),
    ("sample", "{t2i} --text=" + "x" * 5000), ("sample", "{cvae} --class=1 --code=1"),
    ("score", "{gan} test:0"), ("score", "{pixelcnn} test:0 --k=5"), ("invert", "{pixelcnn} test:0"),
    ("translate", "{vae} test:0"), ("denoise", "{vae}"), ("complete", "{vae} test:0"),
    ("evaluate", "{img}"), ("evaluate", "{img} --against={empty}"), ("evaluate", "{empty} --against={img}"),
    ("evaluate", "{img} --against={img} --size=0"), ("evaluate", "{img} --against={img} --size=-3"),
    ("evaluate", "{img} --against={img} --train=zz"), ("evaluate", "{pic} --against={img}"),
    ("evaluate", "{vae} --extractor=inception"), ("evaluate", "{file} --against={img}"),
    ("evaluate", "{vae} --extractor=inception --weights=https://127.0.0.1:1/x"),
    ("compare", "{vae} {ring} -n 8"), ("compare", "{vae} {pix2pix} -n 8"), ("resume", "{vae} x"),
    ("train", "zz"), ("train", "vea"), ("train", "vae --epochs=nan"), ("train", "vae --steps=0"),
    ("train", "vae --batch=999999"), ("train", "vae --device=zz"), ("train", "vae --device=cuda:99"),
    ("train", "vae --device=meta"), ("train", "vae --device=cpu:7"), ("train", "vae --device="),
    ("train", "pix2pix --data=digits"), ("train", "cyclegan --data=digits"), ("train", "cgan --data=ring8"),
    ("train", "text-to-image --data=digits"), ("train", "dcgan --data=ring8"), ("train", "pixelcnn --levels=1"),
    ("train", "pixelcnn --levels=300"), ("train", "infogan --batch=1"), ("train", "dcgan --packing=3 --batch=4"),
    ("train", "dcgan --size=7 --steps=1 --batch=4"), ("train", "dcgan --size=1 --steps=1 --batch=4"),
    ("train", "vae --config=nothing.yaml"), ("train", "vae --config={file}"), ("train", "vae --config={empty}"),
    ("train", f"vae --config={LONG}"), ("train", "--config={binaryfile}"), ("models", "zz"), ("demo", "--out={file}"),
    ("demo", "--out={vae}"), ("demo", "x"),
]  # fmt: skip


# ------------------------------------------------------------------ YAML and state files

YAML = (
    "recipe: [vae]", "recipe: {vae: 1}", "recipe: 5", "recipe: true", "recipe: null", "recipe: 2020-01-01",
    "recipe: !!binary aGVsbG8=", "recipe: vea", "recipe: ''", "recipe: vae\nrecipe: vae",
    "recipe: vae\narguments: []", "recipe: vae\narguments: 5", "recipe: vae\narguments: null",
    "recipe: vae\ntraining: {seed: 2020-01-01}", "recipe: vae\ntraining: {steps: 2020-01-01}",
    "recipe: vae\ntraining: {steps: !!binary aGVsbG8=}", "recipe: vae\narguments: {lr: yes}",
    "recipe: vae\ntraining: {keep: true}", "recipe: vae\ndata: {cache: -1}", "recipe: vae\ndata: {source: 5}",
    "recipe: vae\ntraining: {flip: 1}", "recipe: vae\ntraining: {flip: 0.0}", "recipe: vae\ntraining: {seed: true}",
    "recipe: vae\ntraining: {seed: -1}", f"recipe: vae\ntraining: {{seed: {2**64}}}", "recipe: vae\ntraining: {steps: .inf}",
    "recipe: vae\ntraining: {steps: 1:30}", "recipe: vae\ntraining: {epochs: .nan}", "recipe: vae\ntraining: {epochs: 1:30.5}",
    "recipe: vae\ntraining: {steps: [1]}", "recipe: vae\ntraining: {steps: {a: 1}}", "recipe: vae\ntraining: {schedule: 5}",
    "recipe: vae\ntraining: {device: 0}", "recipe: vae\ntraining: {precision: no}", "recipe: dcgan\narguments: {tricks: 5}",
    "recipe: dcgan\narguments: {tricks: [5]}", "recipe: dcgan\narguments: {tricks: [[r1]]}", "recipe: infogan\narguments: {categories: [true]}",
    "recipe: infogan\narguments: {categories: {a: 1}}", "recipe: infogan\narguments: {categories: 2020-01-01}",
    "recipe: vae\ndata: {size: true}", "recipe: vae\ndata: {size: 0}", "recipe: vae\ndata: {size: [28]}", "recipe: vae\ndata: {channels: 2}",
    "recipe: vae\ntraining: {steps: " + "9" * 5000 + "}", "recipe: vae\nseed: 1", "recipe: vae\nx: &a 1\ny: *a",
    "recipe: vae\ntraining: {<<: {steps: 1}}", "[" * 5000, "{" * 5000, "a: " * 5000, "- " * 5000, "[" * 40 + "]" * 40,
    "", "null", "5", "text", "- a", "? a", "!!python/object:os.system x", "!!set {a}", "!!omap [a: 1]", "%YAML 9.9\n---\na: 1",
    "a: b: c", "\t- a", "recipe: 'vae", "recipe: \"\\x\"", "recipe: |\n vae\n  x", "--- a\n--- b", "recipe: vae\n0: 1", "recipe: vae\ntrue: 1",
    "recipe: vae\n[a]: 1", "recipe: vae\ntraining: {steps: 0x}", "recipe: vae\ntraining: {steps: 0b_}", "recipe: vae\ntraining: {lr: 1}",
    "recipe: \"v\\0ae\"", "recipe: vae\ndata: {source: \"a\\0b\"}", "recipe: vae\ndata: {source: \"\\ud800\"}", "recipe: vae\ndata: {cache: \"a\\0b\"}",
    "recipe: vae\ndata: {from_dir: \"a\\0b\"}", f"recipe: vae\ndata: {{source: {LONG}}}", "recipe: vae\ntraining: {device: \"a\\nb\"}",
)  # fmt: skip

GARBAGE = (
    b"",
    b"\xff\xfe\x00",
    b"{}",
    b"[]",
    b"null",
    b"5",
    b'"x"',
    b"{",
    b"[" * 5000,
    b"\0" * 100,
)

STATE = (
    "run.json",
    "config.yaml",
    "checkpoints/{last}/manifest.json",
    "checkpoints/{last}/state.json",
)


def files() -> Iterator[Case]:
    """Configuration files, and state files that hold something else."""
    for text in YAML:
        for verb in ("train", "train vae"):
            yield Case(
                [*verb.split(), "--config=c.yaml", "--steps=1", "--batch=2", "--quiet"],
                prepare=lambda here, text=text: _written(here / "c.yaml", text.encode()),
            )
    for name, content, verb in itertools.product(STATE, GARBAGE, ("sample", "resume")):
        steps = ["--steps=3", "--quiet"] if verb == "resume" else []

        def prepare(here: Path, name: str = name, content: bytes = content) -> None:
            run = here / "r"
            shutil.copytree(here / "vae", run)
            last = max(p.name for p in (run / "checkpoints").iterdir() if p.name.isdigit())
            path = run / name.format(last=last)
            if path.parent.is_dir():
                path.write_bytes(content)

        # a damaged checkpoint is left out, and the one before it taken where there is one
        yield Case([verb, "r", *steps], prepare=prepare)
    for name, content, verb in itertools.product(
        ("study.json", "answers.sqlite"), GARBAGE, ("serve", "report")
    ):

        def spoil(here: Path, name: str = name, content: bytes = content) -> None:
            shutil.copytree(here / "study", here / "s")
            (here / "s" / name).write_bytes(content)

        yield Case(["study", verb, "s"], prepare=spoil)
    for verb, gone in itertools.product(("serve", "report"), ("picture", "mask", "answers")):

        def remove(here: Path, gone: str = gone) -> None:
            from genarium.study import manifest

            shutil.copytree(here / "timed", here / "s")
            found = manifest.read(here / "s")
            name = {"picture": found.pictures[0].name, "mask": found.masks[0]}.get(gone)
            (here / "s" / ("pictures/" + name if name else "answers.sqlite")).unlink()

        yield Case(["study", verb, "s"], prepare=remove)


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
        yield Case(arguments, (1, 2), memory=MEMORY)
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
    for value in ("/proc/x", LONG, "{file}", "/dev/null", "a\nb/" + LONG):
        yield Case(["data", "show", "{img}"], (0, 2), env={"GENARIUM_CACHE": value})
        yield Case(["models"], (0, 2), env={"GENARIUM_PATH": value})


# ------------------------------------------------------------------ running them


class Ground:
    """The folders that cases name, made once under `base`."""

    TRAINED: typing.ClassVar[dict[str, list[str]]] = {
        "vae": ["vae", "--net=dense", "--hidden=16", "--latent=4"],
        "cvae": ["cvae", "--net=dense", "--hidden=16", "--latent=4"],
        "gan": ["gan"],
        "infogan": ["infogan", "--width=4"],
        "ae": ["autoencoder"],
        "dae": ["denoising-autoencoder"],
        "pixelcnn": ["pixelcnn", "--size=10", "--width=8", "--blocks=1"],
        "pix2pix": ["pix2pix", "--data=shape-masks:n=40", "--size=16", "--width=4",
                    "--disc-width=4", "--patch=16"],
        "ring": ["gan", "--data=ring8:n=200"],
        "t2i": ["text-to-image", "--data=shapes:n=60", "--size=16", "--width=4"],
    }  # fmt: skip

    def __init__(self, base: Path):
        self.base, self.home, self.scratch = base, base / "home", base / "scratch"
        for folder in (self.home, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)
        os.environ["GENARIUM_CACHE"] = str(base / "cache")
        for name, arguments in self.TRAINED.items():
            if not (self.home / name).exists():
                self.right("train", *arguments, "--batch=4", "--steps=2", "--precision=fp32",
                           "--quiet", "--out", name)  # fmt: skip
        small = ["-n", "4", "--practice=2", "--checks=0"]
        for name, mode in (("study", "untimed"), ("timed", "timed")):
            if not (self.home / name).exists():
                self.right("study", "create", "vae", *small, f"--mode={mode}", "--out", name)
        self.files()
        self.kept = {p.name for p in self.home.iterdir()}

    def right(self, *arguments: str) -> None:
        ended = forked.command(arguments, folder=self.home, scratch=self.scratch, limit=600)
        if ended.status:
            raise RuntimeError(f"{arguments}: {ended.status} {ended.err}")

    def files(self) -> None:
        import numpy as np
        from PIL import Image

        here, draw = self.home, np.random.default_rng(0)
        for name in ("empty", "notrun", "half", "list", "binary", "nested", "img"):
            (here / name).mkdir(exist_ok=True)
        (here / "notrun" / "a.txt").write_text("x")
        (here / "half" / "run.json").write_text("{}")
        (here / "list" / "run.json").write_text("[]")
        (here / "binary" / "run.json").write_bytes(b"\xff\xfe\0")
        (here / "nested" / "run.json").write_text("[" * 5000)
        (here / "file").write_text("x")
        (here / "there").write_text("no image")
        (here / "binaryfile").write_bytes(bytes(range(256)))
        for k in range(6):
            Image.fromarray(draw.integers(0, 256, (28, 28), np.uint8)).save(here / f"img/{k}.png")
        shutil.copy(here / "img/0.png", here / "pic")
        for name, gone in (("noweights", "checkpoints"), ("noconfig", "config.yaml")):
            if not (here / name).exists():
                shutil.copytree(here / "vae", here / name)
                path = here / name / gone
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def filled(self, text: str) -> str:
        """A text with the names in braces as whole paths."""
        for name in self.kept:
            text = text.replace(f"{{{name}}}", str(self.home / name))
        return text

    def listing(self) -> set[str]:
        """All that is in the working folder but for what runs may write into themselves."""
        return {str(p.relative_to(self.home)) for p in self.home.rglob("*") if p.name != ".lock"}

    def run(self, case: Case, limit: float = 60) -> tuple[forked.Ended, str]:
        """Run a case; gives how it ended and what is wrong with that, "" where nothing is."""
        if case.prepare is not None:
            case.prepare(self.home)
        before = self.listing()
        ended = forked.command(
            [self.filled(a) for a in case.arguments],
            folder=self.home,
            scratch=self.scratch,
            env={k: self.filled(v) for k, v in case.env.items()},
            streams=case.streams,
            memory=case.memory,
            limit=limit,
        )
        left = sorted(self.listing() - before)
        fault = verdict(case, ended, left)
        for path in self.home.iterdir():
            if path.name not in self.kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return ended, fault


def verdict(case: Case, ended: forked.Ended, left: list[str]) -> str:
    """What is wrong with how a wrong usage ended; "" where nothing is."""
    if ended.hung:
        return "hung"
    if ended.traceback:
        return "traceback: " + ended.err.strip().splitlines()[-1][:150]
    if ended.status not in case.status:
        return f"status {ended.status}, wanted {case.status}: {ended.err.strip()[-200:]}"
    lines = [x for x in ended.err.splitlines() if not x.startswith("genarium: warning: ")]
    if ended.status and not case.quiet:
        if len(lines) != 1 or not lines[0].startswith("genarium: "):
            return f"{len(lines)} lines on stderr: {ended.err[-300:]!r}"
        missing = [word for word in case.words if word not in lines[0]]
        if missing:
            return f"{missing} is not said: {lines[0][:200]}"
    if ended.status == 2 and left:
        return f"left behind: {left[:3]}"
    return ""


def every() -> list[Case]:
    """All cases, in a fixed random order."""
    found = [*parsed(), *named(), *files(), *surroundings()]
    random.Random(17).shuffle(found)
    return found


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
    parser.add_argument("--match", default="", help="only cases whose text holds this")
    found = parser.parse_args()
    forked.warm()
    ground = Ground(found.base.resolve())
    cases = [c for c in every() if found.match in str(c)][:: found.stride]
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
