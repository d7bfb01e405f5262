"""Diffusion and flow matching: a path of distributions from the images to a Gaussian, learnt so
that it can be walked back.

    Sohl-Dickstein et al. 2015; Ho, Jain & Abbeel 2020 (DDPM); Song et al. 2021 (Score SDE)
    Lipman et al. 2023, Liu et al. 2023, Albergo & Vanden-Eijnden 2023 (flow matching)
    Karras et al. 2022 (EDM); Ho & Salimans 2022 (classifier-free guidance)

An image x and noise ε make x_t = α(t)x + σ(t)ε. A network sees x_t and t and guesses the image, the
noise or the velocity dx_t/dt: three readings of one guess E[.|x_t]. That guess makes an ordinary
differential equation whose solution carries p_t from one t to another; its end at the noise is the
code of an image.

What differs between the models is said by parts: `paths`, `predictions`, `times` (which times are
trained, and how errors weigh), `pairing`, `networks`, and at sampling the `solvers`.

    B batch · C channels · H, W pixels · D = C·H·W · S size of the condition
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from genarium.contract import Condition, Progress, Settings
from genarium.contract.exports import ROWS, Function, usual
from genarium.errors import UserError
from genarium.models.diffusion import sampling
from genarium.models.diffusion.completion import repaint
from genarium.models.diffusion.denoiser import Denoiser
from genarium.models.diffusion.solvers import Draw, Watch, silent
from genarium.signatures import refuse_idle


def expect_condition(condition: Condition, settings: Settings) -> None:
    """Raise UserError for guidance of given images that come without a condition."""
    guidance = getattr(settings, "guidance", 1.0)
    if condition is None and guidance != 1.0:
        raise UserError(
            f"--guidance {guidance:g}: these images have no condition to follow: say which "
            "(--class), or leave it out"
        )


class Diffusion(Denoiser):
    """What a `Denoiser` is for: samples, codes, and images that are completed or drawn anew.

    A code [B, D + S] is the noise at the path's end, with deviation 1, then the condition; a
    condition of zeros is none.
    """

    settings: ClassVar[type[Settings] | None] = sampling.FlowSampler
    gaussian_codes = True

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [-1, 1], from noise by the settings' solver.

        Without a condition a conditional model draws one from its prior. progress: of the solver's
        steps.
        """
        z = self._noise(n, generator, condition)
        return self._walk(z, settings, generator, progress)

    def _noise(self, n: int, generator: torch.Generator | None, condition: Condition) -> Tensor:
        """Draws of the codes, [n, D + S]: noise, then what was asked for."""
        at = generator.device if generator is not None else torch.device("cpu")
        z = torch.randn(n, self.latent, generator=generator, device=at)
        y = self.conditioning.draw(n, condition, generator)
        return torch.cat([z, y.to(at)], 1).to(next(self.parameters()).device)

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes [B, D + S] as noise at the path's end, [B,C,H,W], and conditions [B,S]."""
        noise, y = z[:, : self.latent], z[:, self.latent :]
        x = noise.view(-1, *self.spec.shape) * self.end_deviation
        return x, y if self.conditioning.size else None

    @functools.cached_property
    def end_deviation(self) -> float:
        """Of the noise at the path's end."""
        return float(self.path.sigma(torch.tensor(self.path.end)))

    def _walk(
        self,
        z: Tensor,
        settings: Settings | None,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """The images of codes [B, D + S], [B,C,H,W] on [-1, 1]."""
        x, y = self._split(z)

        def watch(done: int, of: int, x: Tensor) -> None:
            if progress is not None:
                progress(done, of)

        draw = sampling.noise_of(generator)
        return self.carried(x, y, self.used(settings), draw, watch).clamp(-1, 1)

    def carried(
        self,
        x: Tensor,
        y: Tensor | None,
        settings: Settings,
        draw: Draw,
        watch: Watch = silent,
        times: Sequence[float] | None = None,
    ) -> Tensor:
        """x [B,C,H,W] at the path's end, or the first of `times`, carried to the images under
        conditions [B,S]."""
        assert isinstance(settings, sampling.AnySampler)
        field = self.field(y, settings.guidance, settings.precision)
        return sampling.solve(settings, field, x, draw, watch, times)

    @torch.no_grad()
    def edit(
        self,
        images: Tensor,
        strength: float,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """Stored images [B,C,H,W] drawn anew, [B,C,H,W] float32 on [-1, 1] (SDEdit, Meng et al.
        2022): noised as far as where the last share `strength` of the sampler's steps, not yet
        shifted, begins, and carried back from there.

        At strength 0 the images stay as they are; at 1 nothing of them is left, and the result is
        `sample` with the same generator and condition. None is no condition.
        """
        x, used = self.pixels(images), self.used(settings)
        expect_condition(condition, used)
        y = self.shown(len(x), condition, x)
        x_t, _ = self._split(self._noise(len(x), generator, condition))
        field = self.field(y)
        times = sampling.last_part(field, getattr(used, "steps", 1), strength)
        if strength < 1:
            alpha, sigma = field.alpha_sigma(times[0])
            x_t = alpha * x + sigma / self.end_deviation * x_t
        return self.carried(x_t, y, used, sampling.noise_of(generator), times=times).clamp(-1, 1)

    def used(self, settings: Settings | None) -> Settings:
        """The settings, or the model's own."""
        assert self.settings is not None
        return self.settings() if settings is None else settings

    # Codes ---------------------------------------------------------------------------------

    def prior(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        condition: Condition = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """n codes [n, D + S]: N(0, I), then what `condition` asks for, else draws of its prior."""
        sampling.expect_codes(self.used(settings))
        return self._noise(n, generator, condition)

    def decode(self, z: Tensor, *, settings: Settings | None = None) -> Tensor:
        """Codes [B, D + S] -> images [B,C,H,W] float32 on [-1, 1]; differentiable in z.

        Raises UserError for a solver that draws noise: its image is not the code's alone.
        """
        sampling.expect_codes(self.used(settings))
        return self._walk(z, settings)

    def encode(
        self, images: Tensor, condition: Condition = None, *, settings: Settings | None = None
    ) -> Tensor:
        """uint8 [B,C,H,W] -> codes [B, D + S]: the noise at the other end of the differential
        equation, by the settings' solver, then the condition; without one, zeros."""
        x, used = self.pixels(images), self.used(settings)
        y = self.shown(len(x), condition, x)
        expect_condition(condition, used)
        z = self.carried_back(x, y, used).flatten(1) / self.end_deviation
        return z if y is None else torch.cat([z, y.to(z)], 1)

    def carried_back(self, x: Tensor, y: Tensor | None, settings: Settings) -> Tensor:
        """Images x [B,C,H,W] carried to the path's end under conditions [B,S]."""
        assert isinstance(settings, sampling.AnySampler)
        return sampling.solve_back(
            settings, self.field(y, settings.guidance, settings.precision), x
        )

    def shown(self, n: int, condition: Condition, like: Tensor) -> Tensor | None:
        """What the network is given for n images under `condition`, [n,S]; zeros for None."""
        if condition is None and self.conditioning.size:
            return torch.zeros(n, self.conditioning.size).to(like)
        y = self.conditioning.draw(n, condition, None).to(like)
        return y if self.conditioning.size else None

    @torch.no_grad()
    def reconstruct(
        self, images: Tensor, condition: Condition = None, *, settings: Settings | None = None
    ) -> Tensor:
        """uint8 [B,C,H,W] -> the image of its code, [B,C,H,W] float32 on [-1, 1]."""
        return self.decode(self.encode(images, condition, settings=settings), settings=settings)

    @torch.no_grad()
    def complete(
        self,
        images: Tensor,
        keep: Tensor,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """uint8 [B,C,H,W] with the pixels outside `keep` drawn anew, [B,C,H,W] on [-1, 1].

        By RePaint (`completion`), with the settings' steps and guidance; approximate, not a draw
        given the kept pixels. keep: bool, [H,W] or [B,1 or C,H,W], true where a pixel stays.
        """
        known, used = self.pixels(images), self.used(settings)
        refuse_idle(used.changed(), used.idle("complete"))
        expect_condition(condition, used)
        y = self.shown(len(known), condition, known)
        field = self.field(y, getattr(used, "guidance", 1.0), getattr(used, "precision", "fp32"))
        times = field.times(self.steps_of_completion(settings))
        kept = keep.to(known.device).expand_as(known)
        return repaint(field, known, kept, times, draw=sampling.noise_of(generator)).clamp(-1, 1)

    def steps_of_completion(self, settings: Settings | None) -> int:
        """As many as a sample with these settings takes."""
        used = self.used(settings)
        assert isinstance(used, sampling.AnySampler)
        return used.steps

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """`decode` by the settings' solver, and `denoise`: the guess of the image [B,C,H,W] from
        x_t [B,C,H,W], times [B] on the path's own scale, and a condition [B,S] if there is one."""
        inputs = {
            "noised": torch.zeros(ROWS, *self.spec.shape),
            "times": torch.full((ROWS,), 0.5 * self.path.end),
        }
        if self.conditioning.size:
            inputs["condition"] = torch.zeros(ROWS, self.conditioning.size)

        def denoise(x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
            output = self.call(x_t, t, y)
            return self.prediction.read(self.path, output, x_t, t, "image")

        decode = usual(self, settings)["decode"]
        return {"decode": decode, "denoise": Function("denoise", denoise, inputs, "images")}

    @property
    def continuous_columns(self) -> list[int]:
        """The columns of a code that are numbers to walk along: the noise."""
        return list(range(self.latent))
