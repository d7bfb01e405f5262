"""Making a study: pictures drawn from runs and from the test split, written once under random
names.

Shapes: N pictures · C channels · H, W height and width
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genarium.contract import Spec
from genarium.data import Dataset
from genarium.data.names import shown as as_shown
from genarium.drawing.images import for_the_eye
from genarium.errors import UserError
from genarium.runs import inputs
from genarium.runs.loading import opened, several
from genarium.runs.sampling import each_with_its_own
from genarium.runs.selection import dataset_for
from genarium.runs.trained import Trained
from genarium.study import store
from genarium.study.manifest import (
    ANSWERS,
    FILE,
    PICTURES,
    Manifest,
    Mode,
    Picture,
    Scaling,
    StudyModel,
)
from genarium.study.pictures import plain_png
from genarium.training.order import derive

if TYPE_CHECKING:
    from genarium.data.given import Given

MASKS = 8
LONGEST = 200
"""Signs of a title: more do not fit on the start screen."""


def create(
    runs: Sequence[Trained | str | os.PathLike[str]] | Trained | str | os.PathLike[str],
    data: Dataset | Given | str | os.PathLike[str] | None = None,
    *,
    accept_changes: bool = False,
    out: str | os.PathLike[str] = "study",
    mode: Mode = "untimed",
    n: int = 50,
    show: int | None = None,
    practice: int = 10,
    checks: int = 4,
    scaling: Scaling = "pixelated",
    title: str = "",
    seed: int = 0,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
) -> Manifest:
    """Draw a study's pictures and write its folder `out`, whole or not at all.

    data: where the real pictures are from (its test split), read as the first run's data were;
    default: these. accept_changes: take them also where they changed since its training.
    n: pictures drawn of each model, and as many real ones for each. show: how many of the n one
    participant sees (default: 20, in the timed mode 50; all, if n is less). practice: pictures
    of the practice round, half of them real. checks: attention checks a participant. scaling:
    how small pictures are enlarged, alike for real and generated ones. settings: of the sampler,
    for each model that declares them.

    Raises UserError when runs differ in picture size, cannot sample, make points of the plane,
    or when the test split has too few pictures.
    """
    trained = [opened(run, device=device, accept_changes=accept_changes) for run in several(runs)]
    if not trained:
        raise UserError("no runs: name the models under study")
    trained = each_with_its_own(trained, settings or {})
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in title) or len(title) > LONGEST:
        raise UserError(
            f"--title {title[:40]!r}: give one line of Unicode text, of {LONGEST} signs at most"
        )
    spec = _common_spec(trained)
    folder = inputs.path(out, "study: out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--out {folder} is there already: name a new folder")
    show = min(n, 50 if mode == "timed" else 20) if show is None else show
    if not 1 <= show <= n:
        raise UserError(f"--show {show}: of the -n {n} pictures a model, so give 1 to {n}")
    dataset = _data(data, trained[0], spec)

    drawn: list[tuple[Tensor, Picture]] = []
    for model, run in enumerate(trained):
        rehearsed = practice // 2 // len(trained) + (model < practice // 2 % len(trained))
        images = _samples(run, n + rehearsed, derive(seed, "study", model), dataset.spec)
        drawn += _entries(images, list(range(len(images))), model, n)
    wanted = n * len(trained) + (practice - practice // 2)
    real, order = _real(dataset, wanted, seed)
    drawn += _entries(real, order, None, n * len(trained))
    random.Random(derive(seed, "study", "files")).shuffle(drawn)

    files = {picture.name: _png(image) for image, picture in drawn}
    masks = {}
    if mode == "timed":
        masks = {_name(): _png(mask) for mask in scrambled(real[:MASKS], seed)}
    manifest = Manifest(
        id=secrets.token_hex(8),
        title=title or "Real or generated?",
        mode=mode,
        seed=seed,
        size=(real.shape[2], real.shape[3]),
        scaling=scaling,
        shown=show,
        checks=checks,
        data={
            "name": as_shown(dataset.name),
            "manifest": dataset.manifest,
            "split": "test",
            "attribution": dataset.info.get("attribution", ""),
        },
        models=tuple(
            StudyModel(name, run.recipe.name, run.step)
            for name, run in zip(_names(trained), trained, strict=True)
        ),
        pictures=tuple(
            Picture(**{**vars(picture), "sha256": _sum(files[picture.name])})
            for _, picture in drawn
        ),
        masks=tuple(masks),
        mask_sums=tuple(_sum(mask) for mask in masks.values()),
    )
    _write(folder, manifest, {**files, **masks})
    return manifest


def _common_spec(trained: Sequence[Trained]) -> Spec:
    for run in trained:
        run.can("sample")
        if run.spec.planar:
            raise UserError(f"{run.path} makes points of the plane: a study needs images")
    first = trained[0]
    for run in trained[1:]:
        if run.spec.shape != first.spec.shape:
            raise UserError(
                f"{run.path} makes pictures of {_shape(run.spec)} and {first.path} of "
                f"{_shape(first.spec)}: a study shows pictures of one size"
            )
    return first.spec


def _shape(spec: Spec) -> str:
    return f"{spec.height}x{spec.width} in {spec.channels} channel{'s'[: spec.channels > 1]}"


def _names(trained: Sequence[Trained]) -> list[str]:
    """The runs' names; a number behind those that are there twice."""
    names: list[str] = []
    for run in trained:
        plain = as_shown(run.label)  # of a folder, whose name may be no text
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain} ({number})"
        names.append(name)
    return names


def _data(
    data: Dataset | Given | str | os.PathLike[str] | None, first: Trained, spec: Spec
) -> Dataset:
    """The real pictures, in the models' size and channels."""
    if data is None or isinstance(data, str | os.PathLike):
        dataset = dataset_for(first, data)
    else:
        dataset = inputs.dataset(data, "data")
    if dataset.spec.shape != spec.shape:
        raise UserError(
            f"--data {dataset.name} has pictures of {_shape(dataset.spec)} and {first.path} makes "
            f"{_shape(spec)}: they must not differ in that"
        )
    return dataset


def _samples(run: Trained, count: int, seed: int, spec: Spec) -> Tensor:
    """Pictures of `count` samples; spec: of the real ones, which says what all of them show."""
    images = run.sample(count, seed=seed)
    if not bool(images.isfinite().all()):
        raise UserError(f"{run.path} makes pixels that are not finite: leave this run out")
    return for_the_eye(images, spec)


def _real(dataset: Dataset, count: int, seed: int) -> tuple[Tensor, list[int]]:
    images = dataset.test.images
    if len(images) < count:
        raise UserError(
            f"--data {dataset.name}: {count} real pictures are needed, its test split has "
            f"{len(images)}: lower -n or --practice"
        )
    generator = torch.Generator().manual_seed(derive(seed, "study", "real"))
    order = torch.randperm(len(images), generator=generator)[:count]
    return for_the_eye(images[order], dataset.spec, stored=True), order.tolist()


def _entries(
    images: Tensor, rows: Sequence[int], model: int | None, n: int
) -> list[tuple[Tensor, Picture]]:
    """Images with what is known of each; those after the first n are for the practice round."""
    truth = "real" if model is None else "fake"
    return [
        (image, Picture(_name(), truth, model, row, number >= n, ""))  # type: ignore[arg-type]
        for number, (image, row) in enumerate(zip(images, rows, strict=True))
    ]


def _png(image: Tensor) -> bytes:
    """uint8 [C,H,W] as a file that is as long as every other of its shape."""
    channels, height, width = image.shape
    pixels = image.permute(1, 2, 0).contiguous().numpy().tobytes()
    return plain_png(pixels, (width, height), "L" if channels == 1 else "RGB")


def _sum(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


def _name() -> str:
    return f"{secrets.token_hex(8)}.png"


def scrambled(images: Tensor, seed: int) -> Tensor:
    """Masks: noise with the power spectrum of each image, uint8 [N,C,H,W].

    The Fourier phases are those of white noise, one for all channels, the amplitudes those of
    the image; then each mask gets the mean and the standard deviation of its image. Noise of the
    same frequencies hides what the eye still holds of a picture better than white noise does.
    """
    generator = torch.Generator().manual_seed(derive(seed, "study", "masks"))
    noise = torch.rand(len(images), 1, *images.shape[2:], generator=generator)
    pixels = images.to(torch.float32)
    phase = torch.fft.rfft2(noise).angle()
    made = torch.fft.irfft2(
        torch.polar(torch.fft.rfft2(pixels).abs(), phase.expand(-1, pixels.shape[1], -1, -1)),
        s=images.shape[2:],
    )
    across = (2, 3)
    deviation = made.std(across, keepdim=True).clamp_min(1e-6)
    made = (made - made.mean(across, keepdim=True)) / deviation
    made = made * pixels.std(across, keepdim=True) + pixels.mean(across, keepdim=True)
    return made.round().clamp(0, 255).to(torch.uint8)


def _write(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> None:
    """The folder under a temporary name, then renamed: a study is whole or not there."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        (temporary / PICTURES).mkdir(parents=True)
        for name in sorted(files):  # random names: the order of the files tells nothing
            (temporary / PICTURES / name).write_bytes(files[name])
        (temporary / FILE).write_text(manifest.to_json(), encoding="utf-8")
        store.create(temporary / ANSWERS, manifest.id)
        temporary.replace(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = (error.strerror or str(error)).lower()
        raise UserError(
            f"--out {folder} cannot be written ({reason}): name another place"
        ) from None
