"""One wrong usage, the folders that it names, and the verdict on how it ended."""

from __future__ import annotations

import os
import shutil
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import forked


@dataclass
class Case:
    """One wrong usage. status: those allowed. words: in the error line. env, streams, memory: see
    `forked.command`. prepare: makes its files in the working folder first. keeps: names that it
    may leave behind. quiet: its error may be lost (stderr is closed or full).
    about: what `prepare` makes."""

    arguments: list[str]
    status: tuple[int, ...] = (2,)
    words: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    streams: dict[int, str | None] = field(default_factory=dict)
    memory: int = 0
    prepare: Callable[[Path], None] | None = None
    quiet: bool = False
    about: str = ""

    def __str__(self) -> str:
        shown = [a if len(a) <= 60 else f"{a[:30]}...({len(a)})" for a in self.arguments]
        more = [f"{k}={v}" for k, v in self.env.items()]
        more += [f"{n}>{path}" for n, path in self.streams.items()]
        more += [repr(self.about[:60])] if self.about else []
        return " ".join([*more, "genarium", *map(repr, shown)])


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
        for left in ("r", "s", "c.yaml", "runs", "samples"):  # of a campaign that was killed
            shutil.rmtree(self.home / left, ignore_errors=True)
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
        # `resume` trains it from step 0, which is right
        shutil.rmtree(self.home / "noweights" / "checkpoints", ignore_errors=True)
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
