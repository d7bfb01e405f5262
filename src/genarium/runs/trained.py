"""A trained run, ready to use: `Trained`, what `train` and `load` give."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genarium.contract import (
    Completes,
    Decodes,
    Edits,
    Estimate,
    EstimatesElbo,
    EstimatesLogProb,
    HasElbo,
    HasLogProb,
    HasPrior,
    Progress,
    Settings,
    draw,
    likelihood_of,
    part_of,
)
from genarium.drawing.images import for_the_eye
from genarium.errors import UserError
from genarium.latent import Inversion, invert, nearest_draws
from genarium.runs import conditions, inputs, sampling
from genarium.runs import selection as given
from genarium.runs.conditions import Condition
from genarium.runs.opened import OpenedRun
from genarium.runs.parts import CHUNK, as_set, asked_of, chunks, translate_in_parts
from genarium.training.order import derive

Images = inputs.Pictures | str | os.PathLike[str] | Sequence[str] | Sequence[os.PathLike[str]]
"""What the methods below take as images; see `genarium.runs.selection.pictures`."""

POOL = 512
"""Draws of the prior among which an inversion looks for its starts."""


class Trained(OpenedRun):
    """A trained model and its run folder: what `train` and `load` give.

    See `OpenedRun` for its attributes. Images are given to its methods as the data are stored,
    mostly uint8 [N,C,H,W], or where these are integers as floats on [-1, 1] (rounded as samples are
    when they are saved; `stored` does it); as arrays [N,H,W,C], [N,H,W] or [N,C,H,W], as pictures
    of Pillow, or by a path or name (fitted as the run's data were); `genarium.runs.inputs` has the
    rules. They may lie on any device; results are on the CPU. What
    does not fit is a `UserError`.
    """

    @torch.no_grad()
    def sample(
        self,
        n: int = 64,
        seed: int = 0,
        condition: Condition = None,
        *,
        text: str | Sequence[str] | None = None,
        settings: Mapping[str, Any] | Settings | None = None,
        progress: bool | Progress | None = None,
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [-1, 1]; the same for the same seed.

        condition: a class name or number for all images, or [n] labels; for a model with a
        learned code also what `code` gives. text: a caption or several, for a model that is
        conditioned on
        captions: n images of each, one caption's after another's. settings: of the sampler, those
        that the model declares (`Model.settings`): {"temperature": 0.8}; None: the run's own
        (`with_settings`). progress: True shows a bar, None does in a notebook; a function is
        called with how much is done, of how much.
        """
        self.can("sample")
        if text is not None:
            if condition is not None:
                raise UserError("sample: give a condition or a text, not both")
            condition = self.text(text, n)
            n = len(condition)
        n = inputs.count(n, "sample: n")
        labels = self.labels(condition, n)
        asked = sampling.settings_of(self, settings) or self.settings
        torch.empty(n, *self.spec.shape)  # what has no room is known before anything is drawn
        generator = torch.Generator().manual_seed(derive(seed, "sample"))
        parts = []
        with sampling.shown(progress, n) as report:
            for rows, own in chunks(n, labels):
                count = rows.stop - rows.start
                some = draw(
                    self.model,
                    count,
                    condition=own,
                    generator=generator,
                    settings=asked,
                    progress=part_of(report, rows.start, count, n),
                )
                parts.append(some.cpu())
                if report is not None:
                    report(rows.stop, n)
        return torch.cat(parts) if parts else torch.empty(0, *self.spec.shape)

    @torch.no_grad()
    def codes(self, n: int = 64, seed: int = 0, condition: Condition = None) -> Tensor:
        """The codes of `sample(n, seed, condition)`, [n,D] float32: `decode` gives those images.

        So the number of an image in the grid of `genarium sample` is a row here.
        """
        for capability in ("sample", "prior", "decode"):
            self.can(capability)
        n = inputs.count(n, "codes: n")
        labels = self.labels(condition, n)
        generator = torch.Generator().manual_seed(derive(seed, "sample"))
        prior, parts = cast(HasPrior, self.model).prior, []
        for rows, own in chunks(n, labels):
            # only what there is to say: not every prior knows both
            asked: dict[str, Any] = {} if own is None else {"condition": own}
            if self.settings is not None:
                asked["settings"] = self.settings
            parts.append(prior(rows.stop - rows.start, generator, **asked).cpu())
        return torch.cat(parts) if parts else torch.empty(0, 0)

    def invert(
        self,
        images: Images,
        *,
        steps: int = 200,
        restarts: int = 4,
        lr: float = 0.2,
        prior_weight: float = 1e-3,
        seed: int = 0,
    ) -> Inversion:
        """The codes whose images are nearest to images [N,C,H,W]; see `genarium.latent.invert`.

        The search starts from the encoder's code where there is one, and for the other restarts
        from the nearest of `POOL` draws of the prior. A GAN's condition is that of the start.
        """
        self.can("decode")
        pixels = given.pictures(self, images, "invert: images")
        wanted, starts = self.spec.values.signed(pixels).to(self.device), []
        decode = self._decoder()
        if "encode" in self.capabilities:
            starts.append(self.encode(pixels).to(self.device)[None])
        if "prior" in self.capabilities and restarts > len(starts):
            generator = torch.Generator().manual_seed(derive(seed, "invert"))
            with torch.no_grad():
                draws = cast(HasPrior, self.model).prior(max(POOL, restarts), generator)
                draws = draws.to(self.device)
            starts.append(nearest_draws(decode, draws, wanted, restarts - len(starts)))
        if not starts:
            raise UserError(f"{self.path} has no encoder and no prior to start a search from")
        settings: dict[str, Any] = {"steps": steps, "lr": lr, "prior_weight": prior_weight}
        inversion = invert(decode, torch.cat(starts), wanted, free=self.noise, **settings)
        return Inversion(inversion.codes.cpu(), inversion.mse.cpu())

    def labels(self, condition: Condition, n: int) -> Tensor | None:
        """A condition as [n] class labels; UserError for a class that the model does not know.

        condition: a class name or number for all, or [n] labels as a tensor, an array or a list.
        A latent code [n, codes] (see `code`) passes as it is. For a model that is conditioned on
        attributes it is [n,A], NaN where nothing was asked: "shape:star+colour:red" asks for two of
        them.
        """
        return conditions.labels(self, condition, n)

    def text(self, captions: str | Sequence[str], n: int = 1) -> Tensor:
        """Captions as a condition of n images each, [len(captions)·n, T]; see `sample`.

        Raises UserError for a model that is not conditioned on captions, and for an empty or a long
        one.
        """
        return conditions.text(self, captions, n)

    def code(self, text: str, n: int) -> Tensor:
        """A latent code as a condition [n, codes]: "3,0.5" or "3,*,-1"; * draws it at random."""
        return conditions.code(self, text, n)

    def relabelled(self, codes: Tensor, condition: Tensor | int | str) -> Tensor:
        """The same codes [n,D] under another condition: what it says replaces their last columns.

        For models whose codes end in their condition (conditional GANs and VAEs). Columns that a
        condition of attributes leaves open stay as they are.
        """
        self.can("prior")
        codes = inputs.floats(codes, "relabelled: codes", self.code_size)
        asked, noise = self.labels(condition, len(codes)), self.noise
        if asked is None or noise is None or noise >= codes.shape[1]:
            raise UserError(f"{self.path} is not conditional: its codes hold no class to change")
        prior = cast(HasPrior, self.model).prior
        result = prior(len(codes), condition=asked.to(self.device)).cpu()[:, noise:]
        if asked.is_floating_point():
            named = [
                asked[:, i : i + 1].isfinite().expand(-1, max(1, len(column.values)))
                for i, column in enumerate(self.spec.attributes)
            ]
            result = torch.where(torch.cat(named, 1), result, codes[:, noise:])
        return torch.cat([codes[:, :noise], result], 1)

    @torch.no_grad()
    def reconstruct(self, images: Images, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] -> the model's reconstructions, float32 on [-1, 1].

        condition: of the images, for a conditional model; else it finds the class by itself.
        """
        return self._bychunks("reconstruct", images, condition)

    def stored(self, x: Tensor, domain: str = "a") -> Tensor:
        """Images x on [-1, 1], as a model gives them -> as the data are stored, [N,C,H,W] of their
        type and in their units. domain: of a model that translates, "a" or "b"."""
        return self.spec.values_of(domain).stored(x)

    def seen(self, images: Images, domain: str = "a") -> Tensor:
        """Images as the model sees them, as pictures for the eye: uint8 [N,1 or 3,H,W].

        domain: of a model that translates, "a" or "b".
        """
        pixels = given.pictures(self, images, "seen: images", domain)
        return for_the_eye(pixels, self.spec, domain, stored=True)

    def _bychunks(self, capability: str, images: Images, condition: Condition) -> Tensor:
        self.can(capability)
        pixels = given.pictures(self, images, f"{capability}: images")
        method, labels = getattr(self.model, capability), self.labels(condition, len(pixels))
        how = as_set(method, self.settings)
        parts = [
            method(pixels[rows].to(self.device), **asked_of(own, self.device), **how).cpu()
            for rows, own in chunks(len(pixels), labels)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def complete(
        self,
        images: Images,
        keep: Tensor | NDArray[np.bool_],
        seed: int = 0,
        condition: Condition = None,
    ) -> Tensor:
        """Images [N,C,H,W] -> float32 on [-1, 1]: kept where `keep` (bool, [H,W] or [N,1 or C,H,W])
        is true, drawn elsewhere; the same for the same seed."""
        self.can("complete")
        pixels = given.pictures(self, images, "complete: images")
        labels = self.labels(condition, len(pixels))
        generator = torch.Generator().manual_seed(derive(seed, "complete"))
        kept = inputs.mask(keep, "complete: keep", pixels)
        complete, parts = cast(Completes, self.model).complete, []
        how = {} if self.settings is None else {"settings": self.settings}
        for mine, own in chunks(len(pixels), labels):
            some, mask = pixels[mine].to(self.device), kept[mine].to(self.device)
            drawn = complete(some, mask, condition=own, generator=generator, **how)
            parts.append(drawn.cpu())
        return torch.cat(parts)

    @torch.no_grad()
    def edit(
        self,
        images: Images,
        strength: float = 0.5,
        seed: int = 0,
        condition: Condition = None,
    ) -> Tensor:
        """Images [N,C,H,W] drawn anew, float32 on [-1, 1]: at strength 0 they stay as they are, at
        1 they are new samples; the same for the same seed."""
        self.can("edit")
        strength = inputs.share(strength, "edit: strength")
        pixels = given.pictures(self, images, "edit: images")
        labels = self.labels(condition, len(pixels))
        generator = torch.Generator().manual_seed(derive(seed, "edit"))
        edit, parts = cast(Edits, self.model).edit, []
        how: dict[str, Any] = {"generator": generator, **as_set(edit, self.settings)}
        for mine, own in chunks(len(pixels), labels):
            further = {**how, **asked_of(own, self.device)}
            parts.append(edit(pixels[mine].to(self.device), strength, **further).cpu())
        return torch.cat(parts)

    def direction(self, asked: str | None) -> str:
        """A direction that the model translates in, its first for None. UserError for another."""
        self.can("translate")
        known = self.model.directions
        if asked is not None and asked not in known:
            raise UserError(
                f"--direction {asked}: {self.path} translates {' and '.join(known)} only; train "
                f"one with --direction {asked}"
            )
        return asked or known[0]

    @torch.no_grad()
    def translate(self, images: Images, direction: str | None = None, seed: int = 0) -> Tensor:
        """Images [N,C,H,W] of one domain -> those of the other, float32 on [-1, 1].

        direction: "a2b" or "b2a", None for what the model was trained for. What is random
        (dropout) is the same for the same seed.
        """
        self.can("translate")
        direction = self.direction(direction)
        pixels = given.pictures(self, images, "translate: images", direction[0])
        generator = torch.Generator().manual_seed(derive(seed, "translate"))
        return translate_in_parts(self.model, pixels, direction, generator)

    @torch.no_grad()
    def score(
        self,
        images: Images,
        seed: int = 0,
        condition: Condition = None,
        k: int = 1,
    ) -> Tensor:
        """ln p(x) of images [N,C,H,W], [N] nats, of `model.density`: exact, the ELBO, or an
        estimate.

        seed: of the ELBO's samples and the estimate's draws. k: importance samples an image, for a
        bound that closes on ln p(x) as k grows, or draws an image, for an estimate and the bound of
        a chain. Raises UserError for a model without a likelihood, or k > 1 of an exact one.
        """
        return self.likelihoods(images, seed, condition, k).value

    @torch.no_grad()
    def likelihoods(
        self, images: Images, seed: int = 0, condition: Condition = None, k: int = 1
    ) -> Estimate:
        """`score`, with the standard error of the draws of an estimate, [N] nats each.

        The error is 0 of an exact likelihood, and NaN of one draw, and of a bound that importance
        samples tighten.
        """
        kind = likelihood_of(self.capabilities)
        if kind is None:
            raise UserError(
                f"{self.path} is a {self.recipe.name}, which has no likelihood: it can "
                f"{', '.join(self.capabilities)}"
            )
        if kind == "log_prob" and k > 1:
            raise UserError(f"--k {k}: the likelihood of {self.path} is exact, leave --k out")
        k = inputs.count(k, "score: k", 1)
        pixels = given.pictures(self, images, "score: images")
        labels = self.labels(condition, len(pixels))
        generator = torch.Generator().manual_seed(derive(seed, "score"))
        values, errors = [], []
        for mine, own in chunks(len(pixels), labels):
            some = pixels[mine].to(self.device)
            own = None if own is None else own.to(self.device)
            if kind == "estimate_log_prob":
                estimates = cast(EstimatesLogProb, self.model).estimate_log_prob
                nats, error = estimates(some, own, k=k, generator=generator)
            elif kind == "log_prob":
                nats = cast(HasLogProb, self.model).log_prob(some, own)
                error = torch.zeros_like(nats)
            elif isinstance(self.model, EstimatesElbo):
                nats, error = self.model.estimate_elbo(some, own, k=k, generator=generator)
            else:
                nats = cast(HasElbo, self.model).elbo(some, own, k=k, generator=generator)
                error = torch.full_like(nats, math.nan)
            values.append(nats.cpu())
            errors.append(error.cpu())
        return Estimate(torch.cat(values), torch.cat(errors))

    @torch.no_grad()
    def encode(self, images: Images, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] -> codes [B,D] float32; condition as for `reconstruct`."""
        return self._bychunks("encode", images, condition)

    @torch.no_grad()
    def decode(self, z: Tensor | NDArray[np.floating]) -> Tensor:
        """Codes [B,D] -> images [B,C,H,W] float32 on [-1, 1]."""
        self.can("decode")
        codes = inputs.floats(z, "decode: z", self.code_size)
        decode = self._decoder()
        return torch.cat([decode(x.to(self.device)).cpu() for x in codes.split(CHUNK)])

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        """The model's `decode`, with the run's settings where it knows them."""
        decode = cast(Decodes, self.model).decode
        how = as_set(decode, self.settings)
        return lambda z: decode(z, **how)

    @cached_property
    def code_size(self) -> int:
        """How many numbers a code has, D."""
        if {"sample", "prior", "decode"} <= {*self.capabilities}:
            return self.codes(1).shape[1]
        blank = torch.zeros(1, *self.spec.shape, dtype=self.spec.values.torch_dtype)
        return self.encode(blank).shape[1]
