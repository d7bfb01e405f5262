"""What the page asks for, as calls of verbs, and their results as packets.

Every view is one verb's result, with the command and the Python that repeat it.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import genarium
from genarium.errors import UserError
from genarium.signatures import dataclass_fields
from genarium.studio import asked
from genarium.studio.packets import packet
from genarium.studio.repeat import repeated

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.studio.pictures import Pictures
    from genarium.studio.shelf import Shelf

LARGEST = 48_000_000
"""Values of the pictures of one reply, at most."""


class Views:
    """Calls verbs for the page. Every method gives the bytes of a packet, and raises UserError for
    what the verb refuses."""

    def __init__(self, shelf: Shelf, pictures: Pictures):
        self.shelf, self.pictures = shelf, pictures

    # ------------------------------------------------------------------ samples and codes

    def samples(self, ask: asked.Drawn) -> bytes:
        """Samples; of a model that draws none reconstructions or translations of test images,
        whose originals stand behind them."""
        run = self.shelf.model(ask.run, ask.step)
        self._expect_room(run, ask.n)
        if run.spec.planar:
            points = {"n": 1000, **_drawn(run, ask, n=False)}
            made = genarium.sample(run, **points)
            how = repeated("sample", str(run.path), ask.step, points)
            return packet(made.image[None], refs=[], what="plot", **how)
        settings: dict[str, Any] = _drawn(run, ask)
        if "sample" in run.capabilities:
            made = genarium.sample(run, **settings)
            how = repeated("sample", str(run.path), ask.step, settings, "samples.png")
            refs = [str(number) for number in range(ask.n)]
            return packet(made.pictures, refs=refs, what="samples", **how)
        if "translate" in run.capabilities:
            shown = genarium.translate(run, seed=ask.seed)
            names, verb, what = shown.names, "translate", "translations"
            settings = {"seed": ask.seed}
            came = shown.direction[0]
            pictures, originals = shown.pictures, shown.seen(shown.originals, came, stored=True)
        else:
            settings = {"n": ask.n, "seed": ask.seed}
            again = genarium.reconstruct(run, "test", **settings)
            names, verb, what = again.names, "reconstruct", "reconstructions"
            pictures, originals = again.pictures, again.seen(again.originals, stored=True)
        how = repeated(verb, str(run.path), ask.step, settings, f"{what}.png")
        both = _together(pictures, originals)
        return packet(both, refs=names, what=what, **how)

    def decode(self, ask: asked.Coded) -> bytes:
        """Codes, some numbers set; `positions` is the code of the first as sliders show it."""
        run = self.shelf.model(ask.run, ask.step)
        settings, shown = self._codes(run, ask, [ask.codes])
        codes, says = self._group(ask.codes)
        more: dict[str, Any] = {"set": ask.set} if ask.set else {}
        made = genarium.decode(run, codes, **settings, **more)
        arguments = {"codes": says, **more, **shown}
        how = repeated("decode", str(run.path), ask.step, arguments)
        positions = [round(value, 4) for value in made.positions[0].tolist()]
        return packet(made.pictures, positions=positions, **how)

    def alike(self, ask: asked.Alike) -> bytes:
        """The same codes in another model; where they do not fit, samples of the same seed."""
        run = self.shelf.model(ask.run, ask.step)
        other = self.shelf.model(ask.other.run, ask.other.step)
        if other.spec.planar:
            raise UserError(f"{ask.other.run}: its images are points of the plane")
        problem = _mismatch(run, other)
        if problem:
            other_can = "sample" in other.capabilities
            if not other_can or not ask.codes.replace(",", "").replace("-", "").isdigit():
                raise UserError(f"{ask.other.run}: {problem}")
            rows = _numbers(ask.codes)
            wider: dict[str, Any] = {"n": max(ask.n, max(rows) + 1), "seed": ask.seed}
            pictures = genarium.sample(other, **wider).pictures[rows]
            how = repeated("sample", str(other.path), ask.other.step, wider)
            return packet(pictures, same="seed", why=problem, **how)
        settings, shown = self._codes(run, ask, [ask.codes])
        codes, says = self._group(ask.codes)
        more: dict[str, Any] = {"set": ask.set} if ask.set else {}
        first = genarium.decode(run, codes, **settings, **more)
        made = genarium.decode(other, first.codes)
        how = repeated("decode", str(run.path), ask.step, {"codes": says, **more, **shown})
        at = "" if ask.other.step is None else f", step={ask.other.step}"
        python = how["python"].rpartition("result.save")[0] + (
            f"other = genarium.load({str(other.path)!r}{at})\n"
            "again = genarium.decode(other, result.codes)\nagain.save('picture.png')\n"
        )
        return packet(made.pictures, same="code", why="", command="", python=python)

    def walk(self, ask: asked.Walked, kind: str = "") -> bytes:
        """The interpolation of two codes. kind: "gif", "webp" or "png" gives that file's bytes."""
        run = self.shelf.model(ask.run, ask.step)
        settings, shown = self._codes(run, ask, [ask.start, ask.end])
        (start, says), (end, too) = self._group(ask.start), self._group(ask.end)
        self._expect_room(run, ask.steps)
        more: dict[str, Any] = {"steps": ask.steps, "linear": ask.linear}
        made = genarium.interpolate(run, start=start, end=end, **more, **settings)
        if kind:
            return _as_file(made, kind)
        arguments = {"start": says, "end": too, **more, **shown}
        how = repeated("interpolate", str(run.path), ask.step, arguments, "walk.gif")
        return packet(made.pictures[0], kind=made.kind, **how)

    def sum(self, ask: asked.Summed) -> bytes:
        """The sum of the means of groups; then the image of the mean of each group, plus and minus
        in turn."""
        run = self.shelf.model(ask.run, ask.step)
        settings, shown = self._codes(run, ask, [*ask.plus, *ask.minus])
        plus, minus = map(self._group, ask.plus), map(self._group, ask.minus)
        (added, says), (taken, too) = (_columns(list(groups)) for groups in (plus, minus))
        made = genarium.arithmetic(run, plus=added, minus=taken, noise=0.0, **settings)
        arguments = {"plus": says, "minus": too, "noise": 0.0, **shown}
        how = repeated("arithmetic", str(run.path), ask.step, arguments, "sum.png")
        middle = made.pictures[len(made.pictures) // 2][None]
        signs = [sign for sign, _ in made.terms]
        return packet(_together(middle, made.seen(made.means)), signs=signs, **how)

    def nearest(self, ask: asked.Drawn, prepared: genarium.Trained) -> bytes:
        """The nearest training image of each sample, and the verdict. prepared: the same model,
        its training images at hand."""
        settings = _drawn(prepared, ask)
        made = genarium.nearest(prepared, **settings)
        how = repeated("nearest", str(prepared.path), ask.step, settings, "nearest.png")
        return packet(
            made.neighbours,
            distances=[round(value, 4) for value in made.distances],
            rows=made.rows,
            typical=made.typical,
            verdict=made.verdict,
            evidence=made.evidence,
            copies=made.detected,
            **how,
        )

    # ------------------------------------------------------------------ pictures that are given

    def seen(self, ask: asked.Pictured) -> bytes:
        """The picture as the model sees it."""
        run = self.shelf.model(ask.run, ask.step)
        value, says = self._picture(ask)
        way = ask.direction or "a"
        return packet(run.seen(value, way[0])[:1], name=says)

    def reconstruct(self, ask: asked.Pictured) -> bytes:
        run = self.shelf.model(ask.run, ask.step)
        value, says = self._picture(ask)
        made = genarium.reconstruct(run, value)
        how = repeated("reconstruct", str(run.path), ask.step, {"images": says})
        code: list[float] = []
        if "encode" in run.capabilities:
            code = [round(v, 4) for v in run.encode(value)[0].tolist()][:1024]
        return packet(made.pictures[:1], mse=made.mse, code=code, **how)

    def invert(self, ask: asked.Pictured) -> bytes:
        run = self.shelf.model(ask.run, ask.step)
        value, says = self._picture(ask)
        made = genarium.invert(run, value, seed=ask.seed)
        arguments = {"images": says, "seed": ask.seed}
        how = repeated("invert", str(run.path), ask.step, arguments)
        code = [round(v, 4) for v in made.codes[0].tolist()][:1024]
        return packet(made.pictures[:1], mse=float(made.mse[0]), code=code, **how)

    def likelihood(self, ask: asked.Pictured) -> bytes:
        run = self.shelf.model(ask.run, ask.step)
        value, says = self._picture(ask)
        made = genarium.score(run, value, seed=ask.seed, condition=ask.condition)
        arguments = {"images": says, "seed": ask.seed, "condition": ask.condition}
        how = repeated("score", str(run.path), ask.step, arguments, "scores.csv")
        return packet(
            None,
            nats=float(made.nats[0]),
            bits=float(made.bits_per_dim[0]),
            kind=made.kind,
            density=made.density,
            **how,
        )

    def complete(self, ask: asked.Pictured) -> bytes:
        run = self.shelf.model(ask.run, ask.step)
        value, says = self._picture(ask)
        keep = _mask(ask.keep, run)
        settings: dict[str, Any] = {"draws": ask.draws, "seed": ask.seed}
        settings |= _settings(run, ask.settings)
        settings |= {} if ask.condition is None else {"condition": ask.condition}
        made = genarium.complete(run, value, keep=keep, **settings)
        arguments = {"images": says, "keep": "mask.png", **settings}
        how = repeated("complete", str(run.path), ask.step, arguments, "completions.png")
        return packet(made.pictures[0], **how)

    def translate(self, ask: asked.Pictured) -> bytes:
        run = self.shelf.model(ask.run, ask.step)
        value, says = self._picture(ask)
        settings: dict[str, Any] = {"direction": ask.direction, "seed": ask.seed}
        made = genarium.translate(run, value, **settings)
        arguments = {"images": says, **settings}
        how = repeated("translate", str(run.path), ask.step, arguments, "translated.png")
        return packet(made.pictures[:1], direction=made.direction, **how)

    def beside(self, ask: asked.Pictured, prepared: genarium.Trained) -> bytes:
        """The nearest training image of the picture."""
        value, says = self._picture(ask)
        made = genarium.nearest(prepared, value)
        how = repeated("nearest", str(prepared.path), ask.step, {"images": says})
        distance = round(made.distances[0], 4)
        return packet(made.neighbours[:1], distance=distance, typical=made.typical, **how)

    # ------------------------------------------------------------------ what is meant

    def _group(self, text: str) -> tuple[str, str]:
        """Codes by name as the verb takes them, and as the command says them."""
        kind, colon, key = text.partition(":")
        if kind == "picture" and colon:
            kept = self.pictures.get(key)
            return str(kept.path), kept.name
        if kind != "test" and not text.replace(",", "").replace("-", "").isdigit():
            raise UserError(f"{text}: name samples by number, test:NUMBER, or a picture")
        return text, text

    def _picture(self, ask: asked.Pictured) -> tuple[str, str]:
        value, says = self._group(ask.picture)
        if value.replace(",", "").replace("-", "").isdigit():
            raise UserError("choose a picture: drop one, draw one, or take a test image")
        return value, says

    def _codes(
        self, run: genarium.Trained, ask: asked.Drawn, groups: list[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of codes by name, for the verb and for the command."""
        numbers = any(":" not in group for group in groups)
        settings = _drawn(run, ask) if numbers else {"seed": ask.seed}
        settings.pop("text", None)
        if any(":" in group for group in groups) and "encode" not in run.capabilities:
            settings["invert"] = True
        return settings, settings

    def _expect_room(self, run: genarium.Trained, n: int) -> None:
        channels, height, width = run.spec.shape
        most = max(1, LARGEST // max(1, channels * height * width))
        if n > most:
            raise UserError(f"{n} pictures of {height}x{width}: show {most} at most")


def _drawn(run: genarium.Trained, ask: asked.Drawn, n: bool = True) -> dict[str, Any]:
    """The arguments of a verb that samples."""
    given = {"seed": ask.seed, "condition": ask.condition, "code": ask.code, "text": ask.text}
    given |= {"n": ask.n} if n else {}
    return {**{k: v for k, v in given.items() if v is not None}, **_settings(run, ask.settings)}


def _settings(run: genarium.Trained, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the sampler. Raises UserError for other names: no argument of a verb is one."""
    kind = run.model.settings
    known = {field.name for field in dataclass_fields("sampler", kind)} if kind else set()
    for name in given:
        if name not in known:
            raise UserError(f"{name}: the sampler of a {run.recipe.name} has no such setting")
    return dict(given)


def _columns(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [value for value, _ in pairs], [says for _, says in pairs]


def _numbers(text: str) -> list[int]:
    results: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        results += range(int(first), int(last or first) + 1)
    return results


def _mismatch(run: genarium.Trained, other: genarium.Trained) -> str:
    """Why the codes of a run mean nothing to another; "" where they do."""
    for one in (run, other):
        if "decode" not in one.capabilities:
            return f"a {one.recipe.name} has no code, so the seed is the same and not the code"
    if run.code_size != other.code_size:
        return (
            f"its codes have {other.code_size} numbers and not {run.code_size}, so the seed is the "
            "same and not the code"
        )
    return ""


def _together(made: Tensor, more: Tensor) -> Tensor:
    """Pictures and further ones behind them, of one channel count; of another size left out."""
    import torch

    if made.shape[-2:] != more.shape[-2:]:
        return made
    channels = max(made.shape[1], more.shape[1])
    return torch.cat([x.expand(-1, channels, -1, -1) for x in (made, more)])


def _as_file(made: Any, kind: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="genarium-studio-") as folder:
        return Path(made.save(Path(folder) / f"walk.{kind}")).read_bytes()


def _mask(text: str | None, run: genarium.Trained) -> Tensor:
    """The bits of what is kept, bool [H,W]."""
    import numpy as np
    import torch

    _, height, width = run.spec.shape
    try:
        packed = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        packed = b""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))
    if not height * width <= len(bits) < height * width + 8:
        raise UserError("erase a part of the picture first: there is nothing to complete")
    return torch.from_numpy(bits[: height * width].reshape(height, width).astype(bool))
