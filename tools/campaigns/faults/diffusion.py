"""Paths, predictions, solvers, bounds and densities of diffusion models."""

from __future__ import annotations

from faults.fault import of

ROOM = "models/diffusion/"
CLOSED = "tests/models/test_diffusion_closed_forms.py"
MODELS = "tests/models/test_diffusion.py"

FAULTS = (
    *of(
        ROOM + "paths.py",
        CLOSED,
        (
            "path: cosine rate",
            "return -math.pi / 2 * torch.sin(math.pi / 2 * t)",
            "return -torch.sin(math.pi / 2 * t)",
            "the derivative of α without its factor",
        ),
        (
            "path: chain's sigma",
            "return (-self._at(t)[0].expm1()).sqrt().to(t.dtype)",
            "return (-(self._at(t)[0] / 2).expm1()).sqrt().to(t.dtype)",
            "σ² = 1 - α in place of 1 - α²",
        ),
        (
            "path: determinant",
            "self.alpha(t) * self.sigma_rate(t) - self.alpha_rate(t) * self.sigma(t)",
            "self.alpha(t) * self.sigma_rate(t) + self.alpha_rate(t) * self.sigma(t)",
            "the sign in ασ' - α'σ",
        ),
    ),
    *of(
        ROOM + "predictions.py",
        CLOSED,
        (
            "prediction: image of a velocity",
            "return path.sigma_rate(t) / d, -path.sigma(t) / d",
            "return path.sigma_rate(t) / d, path.sigma(t) / d",
            "the sign of the velocity",
        ),
        (
            "prediction: velocity of an image",
            "return path.sigma_rate(t) / sigma, -path.determinant(t) / sigma",
            "return path.sigma_rate(t) / sigma, -1 / sigma",
            "right on the linear path alone",
        ),
        (
            "prediction: c_out",
            "out = sigma * s * (sigma.square() + s**2).rsqrt()",
            "out = sigma * s / (sigma.square() + s**2)",
            "the root of the preconditioning",
        ),
    ),
    *of(
        ROOM + "times.py",
        CLOSED,
        (
            "times: EDM's weight",
            "return (sigma.square() + self.data**2) / (sigma * self.data).square()",
            "return (sigma.square() + self.data**2) / (sigma * self.data)",
            "λ without its square",
        ),
    ),
    *of(
        ROOM + "solvers.py",
        CLOSED,
        (
            "heun: one end",
            "here = (here + field.velocity(ahead, s)) / 2",
            "here = field.velocity(ahead, s)",
            "first order",
        ),
        (
            "dpm++2m: half",
            "followed = image + h / (2 * h_before) * (image - before)",
            "followed = image + h / h_before * (image - before)",
            "the image is followed twice as far",
        ),
        (
            "dopri5: a weight",
            "FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)",
            "FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 12 / 84)",
            "a coefficient of the formula",
        ),
        (
            "ancestral: variance",
            "return mean, math.sqrt(added) * sigma_s / sigma_t",
            "return mean, 1.5 * math.sqrt(added) * sigma_s / sigma_t",
            "too much noise in every step",
        ),
        (
            "edm: churned noise",
            "x = x + math.sqrt(raised**2 - t**2) * spread * draw(x)",
            "x = x + (raised - t) * spread * draw(x)",
            "deviations are subtracted, not variances",
        ),
        (
            "passes: once a call",
            "self.passes += x.shape[0]",
            "self.passes += 1",
            "evaluations are miscounted",
        ),
    ),
    *of(
        ROOM + "likelihood.py",
        CLOSED,
        (
            "density: sign of the trace",
            "return log_normal(end[:, :dims], deviation) + dims * end[:, dims]",
            "return log_normal(end[:, :dims], deviation) - dims * end[:, dims]",
            "the change of the density with the wrong sign",
        ),
        (
            "density: signs not squared",
            "return (product * signs).flatten(1).sum(1)",
            "return product.flatten(1).sum(1)",
            "not an estimate of the trace",
        ),
    ),
    *of(
        ROOM + "denoiser.py",
        MODELS,
        (
            "guidance: swapped",
            "return torch.lerp(without, given, guidance)",
            "return torch.lerp(given, without, guidance)",
            "guided away from the condition",
        ),
        (
            "condition: kept in its share",
            "kept = batch.noise.uniform(1) >= self.dropped",
            "kept = batch.noise.uniform(1) < self.dropped",
            "a tenth is conditioned, not nine",
        ),
    ),
    *of(
        ROOM + "ddpm.py",
        MODELS,
        (
            "bound: weight",
            "return (ratio - 1) / 2",
            "return (1 - 1 / ratio) / 2",
            "over the wrong SNR",
        ),
        (
            "bound: shares",
            "total = total - self.divergence(field, x, step, random) / (p * DRAWN)",
            "total = total - self.divergence(field, x, step, random) * len(p) / DRAWN",
            "as if all steps were as likely",
        ),
        (
            "bound: spread",
            "return means / rho + 0.5 * self.spec.dims * (rho.log() + 1 / rho - 1)",
            "return means / rho + 0.5 * self.spec.dims * (1 / rho - 1)",
            "the KL without its logarithm",
        ),
        (
            "bound: the wrong tail",
            "mirrored = low + high > 0",
            "mirrored = low + high < 0",
            "differences of numbers near 1",
        ),
    ),
    *of(
        ROOM + "mean_flow.py",
        "tests/models/test_mean_flow.py",
        (
            "mean flow: sign",
            "return v.index_copy(0, unequal, moving - beside(t - r, moving) * rate)",
            "return v.index_copy(0, unequal, moving + beside(t - r, moving) * rate)",
            "the identity with the wrong sign",
        ),
        (
            "mean flow: tangent",
            "along = make_dual(t, torch.ones_like(t))",
            "along = make_dual(t, torch.zeros_like(t))",
            "the derivative without its part in time",
        ),
        (
            "mean flow: whole ways",
            "r = torch.where(whole, torch.zeros_like(r), r)",
            "r = torch.where(whole, t / 2, r)",
            "no average reaches back to the image",
        ),
    ),
    *of(
        ROOM + "pairing.py",
        MODELS,
        (
            "pairing: farthest",
            "chosen = assignment((-(x @ e.T)).double().cpu().numpy())",
            "chosen = assignment((x @ e.T).double().cpu().numpy())",
            "the longest ways",
        ),
        (
            "assignment: potentials",
            "v[reached] -= length - dearest[reached]",
            "v[reached] += length - dearest[reached]",
            "greedy, not the best",
        ),
    ),
    *of(
        ROOM + "completion.py",
        "tests/models/test_diffusion_sampling.py",
        (
            "completion: not repeated",
            "turns = repeats if s > 0 else 1",
            "turns = 1",
            "the two parts do not fit",
        ),
    ),
    *of(
        ROOM + "sampling.py",
        "tests/models/test_diffusion_sampling.py",
        (
            "shift: towards the image",
            "bent = [first * shift * u / (1 + (shift - 1) * u) for u in shares]",
            "bent = [first * u / (shift + (1 - shift) * u) for u in shares]",
            "steps are denser at the other end",
        ),
        (
            "edit: its share",
            "if len(times) == 1:  # it has arrived",
            "if len(times) == 0:  # it has arrived",
            "a picture at strength 0 is not given back",
        ),
    ),
    *of(
        ROOM + "networks/norm.py",
        ("tests/models/test_diffusion_networks.py", "tests/models/test_diffusion_norm.py"),
        (
            "norm: channels of a channels-last map",
            ".contiguous().movedim(3, 1)",
            ".reshape(batch, channels, 1, across)",
            "the numbers of channels lie along the rows",
        ),
        (
            "norm: derivative of the rate",
            "turned = -rate.pow(3) * torch.addcmul(both, mean, moved, value=-1)  # dr",
            "turned = -rate * torch.addcmul(both, mean, moved, value=-1)  # dr",
            "the derivative of a root",
        ),
        (
            "norm: derivative of its scaling",
            "gain, change = gain * more, torch.addcmul(change * more, gain, of_scale)",
            "gain, change = gain * more, change * more",
            "the scale is taken for a constant of time",
        ),
    ),
    *of(
        ROOM + "networks/unet.py",
        "tests/models/test_diffusion_networks.py",
        (
            "refinement: without what it was given",
            "h = self.first(torch.cat([given.to(x.dtype), x], 1))",
            "h = self.first(torch.cat([x, x], 1))",
            "it does not see the noise",
        ),
        (
            "unet: corners",
            "x = x[:, :, :height, :width]",
            "x = x[:, :, -height:, -width:]",
            "images are moved by what was added",
        ),
    ),
)
