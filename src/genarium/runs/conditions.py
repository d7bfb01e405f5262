"""What a model is asked for: a class, labels, attributes, a latent code, captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genarium.data import text as texts
from genarium.errors import UserError

if TYPE_CHECKING:
    from genarium.runs.trained import Trained

Condition = Tensor | NDArray[Any] | Sequence[int] | int | str | None


def labels(run: Trained, condition: Condition, n: int) -> Tensor | None:
    """A condition as [n] class labels; UserError for a class that the model does not know.

    condition: a class name or number for all, or [n] labels as a tensor, an array or a list.
    A latent code [n, codes] (see `code`) passes as it is. For a model that is conditioned on
    attributes it is [n,A], NaN where nothing was asked: "shape:star+colour:red" asks for two of
    them.
    """
    if condition is None:
        return None
    if isinstance(condition, np.ndarray | list | tuple):
        try:
            condition = torch.as_tensor(np.asarray(condition))
        except (TypeError, ValueError):
            raise UserError(f"condition: {condition!r}: give {n} labels") from None
    if isinstance(condition, Tensor):
        condition = condition.detach().cpu()
        if condition.ndim == 0 or len(condition) != n:
            raise UserError(f"condition: of shape {list(condition.shape)}: give {n} rows")
    elif not isinstance(condition, str | int | np.integer):
        raise UserError(
            f"condition: of type {type(condition).__name__}: give a class, or {n} labels"
        )
    if run.model.conditioned_on:
        return _of_attributes(run, condition, n)
    if isinstance(condition, Tensor) and condition.is_floating_point() and run.model.latent_codes:
        if condition.shape != (n, run.model.latent_codes):
            raise UserError(
                f"condition: of shape {list(condition.shape)}: give [{n},{run.model.latent_codes}]"
            )
        return condition
    if not run.model.conditional:
        raise UserError(
            f"{run.path} is not conditional, so --class {condition} means nothing to it: "
            "leave --class away"
        )
    classes = run.spec.classes
    if isinstance(condition, Tensor):
        if condition.ndim != 1 or condition.is_floating_point() or condition.is_complex():
            raise UserError(
                f"condition: {str(condition.dtype).removeprefix('torch.')} "
                f"{list(condition.shape)}: give whole numbers [{n}]"
            )
        if n and not 0 <= int(condition.min()) <= int(condition.max()) < len(classes):
            raise UserError(f"condition: give labels from 0 to {len(classes) - 1}")
        return condition.long()
    if isinstance(condition, str) and condition in classes:
        number = classes.index(condition)
    else:
        try:
            number = int(condition)
        except ValueError:
            raise UserError(f"--class {condition}: choose one of {', '.join(classes)}") from None
    if not 0 <= number < len(classes):
        raise UserError(f"--class {condition}: choose one of {', '.join(classes)}")
    return torch.full((n,), number, dtype=torch.int64)


def _of_attributes(run: Trained, condition: Tensor | int | str, n: int) -> Tensor:
    if isinstance(condition, Tensor):
        return condition
    columns = {column.name: (i, column) for i, column in enumerate(run.spec.attributes)}
    if run.model.conditioned_on == "captions":
        raise UserError(f"--class {condition}: {run.path} is conditioned on captions: use --text")
    if run.model.conditioned_on != "factors" or not columns:
        raise UserError(
            f"--class {condition}: {run.path} is conditioned on the vector "
            f"{run.model.conditioned_on!r} of each image, which has no name: give it as a "
            "condition [n,D] in Python"
        )
    row = torch.full((len(columns),), math.nan)
    for part in str(condition).split("+"):
        name, _, value = part.partition(":")
        number, column = columns.get(name, (0, None))
        if column is None or not value:
            example = "+".join(
                f"{c.name}:{c.values[0] if c.values else 0.5}" for _, c in columns.values()
            )
            raise UserError(f"--class {condition}: say NAME:VALUE of {example}")
        if value in column.values:
            row[number] = column.values.index(value)
            continue
        try:
            row[number] = float(value)
        except ValueError:
            known = f"one of {', '.join(column.values)}" if column.values else "a number"
            raise UserError(f"--class {part}: {name} is {known}") from None
        if not math.isfinite(row[number].item()):
            raise UserError(f"--class {part}: give a finite number")
    return row.expand(n, -1)


def text(run: Trained, captions: str | Sequence[str], n: int = 1) -> Tensor:
    """Captions as a condition of n images each, [len(captions)·n, T]; see `sample`.

    Raises UserError for a model that is not conditioned on captions, and for an empty or a long
    one.
    """
    if run.model.conditioned_on != "captions":
        raise UserError(
            f"--text: {run.path} is a {run.recipe.name} that is not conditioned on captions: leave "
            "--text away, or train text-to-image"
        )
    rows, longest = [], run.spec.caption_bytes
    for caption in [captions] if isinstance(captions, str) else captions:
        words = texts.clean(caption)
        size = len(words.encode())
        if not words:
            raise UserError("--text is empty: say what to draw")
        if size > longest:
            raise UserError(
                f"--text {words[:40]!r}... is {size} bytes long, {run.path} reads {longest}: "
                "say it in fewer words"
            )
        rows.append(torch.tensor(texts.row(words, longest)))
    return torch.stack(rows).repeat_interleave(n, 0)


def code(run: Trained, text: str, n: int) -> Tensor:
    """A latent code as a condition [n, codes]: "3,0.5" or "3,*,-1"; * draws it at random."""
    most = run.model.latent_codes
    if not most:
        raise UserError(f"{run.path} has no latent code to fix (InfoGAN has): leave --code away")
    values = [part.strip() for part in text.split(",")]
    if len(values) > most:
        raise UserError(f"--code {text}: {run.path} has {most} values, not {len(values)}")
    values += ["*"] * (most - len(values))
    try:
        results = [math.nan if value == "*" else float(value) for value in values]
    except ValueError:
        raise UserError(
            f"--code {text}: give {most} numbers separated by commas, * leaves one to chance"
        ) from None
    if any(math.isinf(value) for value in results):
        raise UserError(f"--code {text}: give finite numbers")
    return torch.tensor([results]).expand(n, -1)
