"""Losses and samplers of every family of models."""

from __future__ import annotations

from faults.fault import of

VAE = "models/vae/model.py"
LEARNED_PRIOR = "models/vae/prior.py"
MIXTURE = "models/vae/mixture.py"
BY_HAND = "tests/models/test_losses_by_hand.py"
VAE_TESTS = (BY_HAND, "tests/models/test_vae_axes.py", "tests/models/test_vae.py")
FREE = "weighed = global_mean(kl).clamp(min=self.free_bits).sum()"
PRIOR = "prior = 0.5 * (eps.square() + q.log_variance - z.square()).sum(1)"

AUTOREGRESSIVE = "models/autoregressive/autoregressive.py"
HEADS = "models/autoregressive/heads.py"
CODING = "models/autoregressive/compression.py"
GAN = "models/gan/gan.py"
OBJECTIVES = "models/gan/objectives.py"
CODES = "models/gan/latent_codes.py"
TRANSLATION = (
    BY_HAND,
    "tests/models/test_translation.py",
)
CYCLE = "models/translation/cyclegan.py"
VAE_GAN = "models/vae/vae_gan.py"
INVARIANCE = "models/gan/invariance.py"
REGULARIZERS = "models/gan/regularizers.py"
CAPTIONS = "models/text_to_image/captions.py"
DENOISING = "models/autoencoder/denoising.py"
STACKED = "models/autoencoder/stacked.py"
AUTOENCODER = "models/autoencoder/autoencoder.py"
CONDITIONING = "models/conditioning.py"

FAULTS = (
    *of(
        VAE,
        VAE_TESTS,
        (
            "free bits: per image",
            FREE,
            "weighed = kl.clamp(min=self.free_bits).sum(1).mean()",
            "free bits clamped for each image, not on the batch's mean",
        ),
        (
            "free bits: all latents at once",
            FREE,
            "weighed = global_mean(kl).sum().clamp(min=self.free_bits)",
            "free bits of the whole code, not of each latent",
        ),
        ("free bits: ceiling", FREE, FREE.replace("min=", "max="), "a ceiling, not a floor"),
        (
            "log weights: variance",
            PRIOR,
            PRIOR.replace("+ q.log_variance", "- q.log_variance"),
            "ln q with the wrong sign of its variance",
        ),
        (
            "log weights: swapped",
            PRIOR,
            "prior = 0.5 * (z.square() + q.log_variance - eps.square()).sum(1)",
            "the draw and the noise swapped",
        ),
        ("log weights: factor", PRIOR, PRIOR.replace("0.5 * ", ""), "the half is missing"),
        (
            "vae: beta on the metric",
            '"rate": self.beta * weighed}',
            '"rate": weighed}',
            "beta is ignored",
        ),
        (
            "vae: loud latents",
            "z = torch.cat([z[:, : self.latent], CONDITION_SCALE * z[:, self.latent :]], 1)",
            "z = torch.cat([CONDITION_SCALE * z[:, : self.latent], z[:, self.latent :]], 1)",
            "the latents are made louder, not the condition",
        ),
    ),
    *of(
        "models/vae/terms.py",
        VAE_TESTS,
        (
            "active units: standard deviation",
            "return (means.var(0, correction=0) > threshold).sum().float()",
            "return (means.std(0, correction=0) > threshold).sum().float()",
            "deviation against a threshold of variances",
        ),
    ),
    *of(
        LEARNED_PRIOR,
        "tests/models/test_learned_prior.py",
        (
            "learned prior: variance",
            "q.log_variance - 2.0 * log_scale",
            "q.log_variance - log_scale",
            "the deviation taken for the variance",
        ),
        (
            "learned prior: mean",
            "z = self.GAIN * self.shift + torch",
            "z = torch",
            "codes are decoded without the prior's mean",
        ),
    ),
    *of(
        MIXTURE,
        "tests/models/test_mixture_prior.py",
        (
            "mixture prior: weights",
            "return weight.log() - 0.5",
            "return -0.5",
            "all components weigh the same",
        ),
        (
            "mixture prior: second moments",
            "mean.square()).clamp(min=self.FLOOR)",
            "mean).clamp(min=self.FLOOR)",
            "a variance that is none",
        ),
        (
            "mixture prior: deviation",
            "variance[each].sqrt() * draws",
            "variance[each] * draws",
            "the variance taken for the deviation",
        ),
        (
            "mixture prior: split",
            "within = variance[heavy] - aside.square()",
            "within = variance[heavy]",
            "halves that are wider than the whole",
        ),
        (
            "mixture prior: lightest",
            "wanted = (weight[light] < self.DEAD / len(weight)) & (light != heavy)",
            "wanted = light != light",
            "no component is ever split",
        ),
        (
            "mixture prior: memory",
            "memory = ((1 + self.steps) / (10 + self.steps))",
            "memory = ((1 + self.steps) / (2 + self.steps))",
            "the first batches weigh as much as the last",
        ),
    ),
    *of(
        VAE,
        "tests/models/test_mixture_prior.py",
        (
            "mixture prior: left out of the ELBO",
            "return terms.log_likelihood.double() - kl + self.log_prior_ratio(terms.codes)",
            "return terms.log_likelihood.double() - kl",
            "the bound of another prior than the one sampled from",
        ),
        (
            "mixture prior: left out of the weights",
            "return self._standard_log_weights(target, eps, q, y) + ratio",
            "return self._standard_log_weights(target, eps, q, y)",
            "importance weights of another prior",
        ),
        (
            "mixture prior: moved in evaluation",
            "if self.mixture is not None and self.training:",
            "if self.mixture is not None:",
            "validation moves the prior",
        ),
        (
            "mixture prior: never fitted",
            "self.mixture.update(codes)",
            "pass",
            "the mixture stays N(0, I)",
        ),
    ),
    *of(
        AUTOREGRESSIVE,
        "tests/models/test_autoregressive.py",
        (
            "marginal: number of classes",
            "return torch.stack(each).logsumexp(0) - math.log(self.classes)",
            "return torch.stack(each).logsumexp(0)",
            "the classes' sum, not their mean",
        ),
        (
            "marginal: mean of logs",
            "return torch.stack(each).logsumexp(0) - math.log(self.classes)",
            "return torch.stack(each).mean(0) + 0.0 * math.log(self.classes)",
            "the mean of the log-likelihoods of the classes",
        ),
        (
            "likelihood: axes",
            "terms = self.head.log_prob(outputs, levels.permute(0, 2, 3, 1).reshape(-1))",
            "terms = self.head.log_prob(outputs, levels.permute(0, 3, 2, 1).reshape(-1))",
            "rows and columns of the levels swapped",
        ),
        (
            "drawn bits: boundary",
            "torch.rand(image.shape, generator=generator) * 255 < image)",
            "torch.rand(image.shape, generator=generator) * 256 < image)",
            "a white pixel is black once in 256 draws",
        ),
    ),
    *of(
        HEADS,
        "tests/models/test_heads.py",
        (
            "choose: side of the noise",
            "return (cumulative[:, :-1] <= noise[:, None]).sum(dim=1)",
            "return (cumulative[:, 1:] <= noise[:, None]).sum(dim=1)",
            "off by one level",
        ),
        (
            "mixture: weights not normalised",
            "return torch.log_softmax(scores, 1), means + start.to(means), log_scales",
            "return scores, means + start.to(means), log_scales",
            "the weights of the logistics do not sum to one",
        ),
        (
            "mixture: edge of a level",
            "edge = (middle.to(means) + 0.5) * step - 1.0",
            "edge = middle.to(means) * step - 1.0",
            "the middle of a level, not its upper edge",
        ),
    ),
    *of(
        CODING,
        "tests/models/test_coding.py",
        (
            "coding: every level has a unit",
            "units = (1 << PRECISION) - levels",
            "units = 1 << PRECISION",
            "the last edges pass the end of the range",
        ),
        (
            "coding: start of a level",
            "state = (state // count << PRECISION) + state % count + start",
            "state = (state // count << PRECISION) + state % count",
            "the level's place is not added",
        ),
        (
            "coding: order of the words",
            "for start, count in reversed(list(pairs)):",
            "for start, count in list(pairs):",
            "first in, first out: the state is a stack",
        ),
    ),
    *of(
        OBJECTIVES,
        ("tests/models/test_gan.py", "tests/models/test_regularizers.py"),
        (
            "cross-entropy: sign of real",
            "return (softplus(-real) + self.smoothing * real).mean() + softplus(fake).mean()",
            "return (softplus(real) + self.smoothing * real).mean() + softplus(fake).mean()",
            "real images called fake",
        ),
        (
            "cross-entropy: smoothing",
            "return (softplus(-real) + self.smoothing * real).mean() + softplus(fake).mean()",
            "return (softplus(-real) - self.smoothing * real).mean() + softplus(fake).mean()",
            "smoothing with the wrong sign",
        ),
        (
            "non-saturating: saturating",
            "return softplus(-fake.float()).mean()",
            "return -softplus(fake.float()).mean()",
            "the loss that saturates",
        ),
        (
            "least squares: half",
            "return 0.5 * (fake.float() - 1.0).square().mean()",
            "return (fake.float() - 1.0).square().mean()",
            "the half is missing",
        ),
        (
            "wasserstein: sign",
            "return fake.float().mean() - real.float().mean()",
            "return real.float().mean() - fake.float().mean()",
            "the critic minimises its own distance",
        ),
    ),
    *of(
        GAN,
        (BY_HAND, "tests/models/test_gan.py"),
        (
            "gan: score without the condition",
            "return self.discriminator.head(self.gan.conditioning.condition(features, code))",
            "return self.discriminator.head(features)",
            "the head is not told the condition",
        ),
        (
            "gan: frozen discriminator",
            "with frozen(self.discriminator), frozen(self.conditioning):",
            "with frozen(self.conditioning):",
            "the generator's turn leaves gradients on the discriminator",
        ),
        (
            "gan: code's parts swapped",
            "z = torch.cat([batch.noise.normal(self.latent), code.detach()], 1)",
            "z = torch.cat([code.detach(), batch.noise.normal(self.latent)], 1)",
            "the condition where a sample's code has the noise",
        ),
    ),
    *of(
        CODES,
        "tests/models/test_conditioning.py",
        (
            "codes: half",
            'result["continuous"] = self.continuous_weight * 0.5 * error',
            'result["continuous"] = self.continuous_weight * error',
            "the half of the Gaussian is missing",
        ),
        (
            "codes: mean over numbers",
            "error = (numbers - means.float()).square().sum(1).mean()",
            "error = (numbers - means.float()).square().mean()",
            "the mean over the numbers, not their sum",
        ),
        (
            "codes: range",
            "return torch.cat([*parts, 2 * batch.noise.uniform(self.continuous) - 1], 1)",
            "return torch.cat([*parts, batch.noise.uniform(self.continuous)], 1)",
            "numbers on 0 .. 1, not -1 .. 1",
        ),
    ),
    *of(
        "models/translation/pix2pix.py",
        TRANSLATION,
        (
            "pix2pix: lambda",
            "l1: NonNegativeFloat = 100.0,",
            "l1: NonNegativeFloat = 10.0,",
            "a tenth of the paper's weight of the L1",
        ),
        (
            "pix2pix: half",
            "loss = 0.5 * self.objective.discriminator_loss(real, false)",
            "loss = self.objective.discriminator_loss(real, false)",
            "the discriminator is not slowed down by half",
        ),
        (
            "pix2pix: condition",
            "false = self.discriminator(torch.cat([x, fake], 1)).float()",
            "false = self.discriminator(torch.cat([fake, x], 1)).float()",
            "input and translation swapped",
        ),
    ),
    *of(
        CYCLE,
        TRANSLATION,
        (
            "cyclegan: domains of the judges",
            '("adversarial_a2b", self.discriminator_b, fake_b),',
            '("adversarial_a2b", self.discriminator_a, fake_b),',
            "translations judged in the wrong domain",
        ),
        (
            "cyclegan: identity",
            "weight * (of_a[n:] - a).abs().mean()",
            "weight * (of_a[n:] - b).abs().mean()",
            "the identity of the other domain",
        ),
        (
            "image pool: chance",
            "elif keep < 0.5:",
            "elif keep < 0.0:",
            "stored images never come back",
        ),
        (
            "image pool: replaced",
            "image, self.images[row] = self.images[row].clone(), image",
            "image = self.images[row].clone()",
            "the pool keeps its first images for ever",
        ),
    ),
    *of(
        VAE_GAN,
        "tests/models/test_vae_gan.py",
        (
            "vae-gan: features half",
            "return 0.5 * (features.float() - wanted).square().sum(1).mean(), features",
            "return 0.5 * (features.float() - wanted).square().mean(), features",
            "the mean over features, not their sum",
        ),
        (
            "vae-gan: gamma",
            '{"features": self.gamma * features, "adversarial": adversarial}',
            '{"features": features, "adversarial": self.gamma * adversarial}',
            "gamma weighs the adversarial loss, not the features",
        ),
        (
            "vae-gan: sampled fakes",
            "loss = softplus(-real).mean() + softplus(again).mean() + softplus(drawn).mean()",
            "loss = softplus(-real).mean() + 2 * softplus(again).mean() + 0 * drawn.mean()",
            "samples of the prior are not judged",
        ),
    ),
    *of(
        INVARIANCE,
        "tests/models/test_invariance.py",
        (
            "agreement: symmetric",
            "joint = ((joint + joint.t()) / 2).clamp_min(LEAST)",
            "joint = joint.clamp_min(LEAST)",
            "not symmetric",
        ),
        (
            "agreement: sign",
            'losses[f"invariance{number}"] = -self.weight * agreed',
            'losses[f"invariance{number}"] = self.weight * agreed',
            "information is made small",
        ),
    ),
    *of(
        "nn/augmentation.py",
        ("tests/models/test_regularizers.py", "tests/models/test_invariance.py"),
        (
            "affine: shear and turn",
            "second = torch.stack([sin * wide, sin * slant + cos * high, SHIFT * down], 1)",
            "second = torch.stack([-sin * wide, sin * slant + cos * high, SHIFT * down], 1)",
            "no rotation but a shear",
        ),
        (
            "translation: reach",
            "most = int(size / 8 + 0.5)",
            "most = int(size / 4 + 0.5)",
            "twice as far as DiffAugment",
        ),
        (
            "flip: upside down",
            "return torch.where(noise.uniform(1, 1, 1) < 0.5, x.flip(3), x)",
            "return torch.where(noise.uniform(1, 1, 1) < 0.5, x.flip(2), x)",
            "mirrored top to bottom",
        ),
    ),
    *of(
        "models/gan/reconstruction.py",
        "tests/models/test_fast_gan.py",
        (
            "reconstruction: quarter",
            "corner(seen, part.shape[2:], quarter)",
            "corner(seen, part.shape[2:], 3 - quarter)",
            "the opposite quarter is asked for",
        ),
        (
            "reconstruction: of the image before its changes",
            "seen = judged.images.detach()",
            "seen = turn.real.detach()",
            "what the discriminator never saw is asked for",
        ),
    ),
    *of(
        "models/gan/networks/skip_excitation.py",
        "tests/models/test_fast_gan.py",
        (
            "skip excitation: added",
            "result: Tensor = high * self.gate(low)",
            "result: Tensor = high + self.gate(low)",
            "the gate is added, not multiplied",
        ),
        ("skip excitation: reach", "REACH = 4", "REACH = 3", "gated by a map too near"),
    ),
    *of(
        REGULARIZERS,
        "tests/models/test_regularizers.py",
        (
            "adaptive: way",
            "way = (self.state[1] / self.state[2] - self.TARGET).sign()",
            "way = (self.TARGET - self.state[1] / self.state[2]).sign()",
            "less where the discriminator is sure",
        ),
        (
            "adaptive: boundary",
            "logits - turn.gan.objective.boundary",
            "logits - 0.0",
            "least squares' neither is taken for 0",
        ),
        (
            "feature matching: mean features",
            "return {self.name: self.weight * (wanted - result).square().sum()}",
            "return {self.name: self.weight * (wanted - result).square().mean()}",
            "the mean over features, not their sum",
        ),
        (
            "weight clipping: player",
            'if phase == "discriminator":',
            'if phase == "generator":',
            "clipped after the generator's turn only",
        ),
    ),
    *of(
        CAPTIONS,
        "tests/models/test_text_to_image.py",
        (
            "wrong text: own",
            "shift = 1 + noise.integers(max(1, noise.total - 1))",
            "shift = noise.integers(max(1, noise.total))",
            "the wrong text may be the own one",
        ),
        (
            "wrong text: nearest",
            "nearness.masked_fill(~differs, -2.0).argmax(1, keepdim=True)",
            "nearness.masked_fill(~differs, -2.0).argmin(1, keepdim=True)",
            "the farthest candidate, not the nearest",
        ),
        (
            "contrast: one side",
            "by_text = texts @ gather_rows(images).T / TEMPERATURE",
            "by_text = images @ gather_rows(texts).T / TEMPERATURE",
            "images against texts twice",
        ),
    ),
    *of(
        AUTOENCODER,
        "tests/models/test_autoencoder.py",
        (
            "autoencoder: mean over images",
            "loss = (rebuilt - wanted).square().sum() / len(wanted)",
            "loss = (rebuilt - wanted).square().mean()",
            "the mean over pixels",
        ),
        (
            "autoencoder: psnr",
            '"psnr": -10.0 * mse.log10()',
            '"psnr": -20.0 * mse.log10()',
            "twice the decibels",
        ),
    ),
    *of(
        DENOISING,
        "tests/models/test_denoising.py",
        (
            "masking: share kept",
            "return x * (noise.uniform(1, *x.shape[2:]) >= amount)",
            "return x * (noise.uniform(1, *x.shape[2:]) < amount)",
            "the share that is kept, not damaged",
        ),
        (
            "salt and pepper: half",
            "return torch.where(u < amount, (u < amount / 2).to(x.dtype), x)",
            "return torch.where(u < amount, (u < amount).to(x.dtype), x)",
            "salt without pepper",
        ),
        (
            "denoising: target",
            "return self.squared_error(self.corruption(clean, batch.noise) * 2.0 - 1.0, clean)",
            "return self.squared_error(clean * 2.0 - 1.0, self.corruption(clean, batch.noise))",
            "the damage is what it learns to rebuild",
        ),
    ),
    *of(
        STACKED,
        "tests/models/test_stacked.py",
        (
            "stacked: target",
            "x = x.flatten(1)\n        logits",
            "x = damaged.flatten(1)\n        logits",
            "the damaged input is the target",
        ),
        (
            "stacked: stretch",
            "stop=None if k == last else (k + 1) * layer_steps,",
            "stop=None,",
            "layers go on learning under those above",
        ),
    ),
    *of(
        CONDITIONING,
        ("tests/models/test_conditioning.py", "tests/models/test_vae_axes.py"),
        (
            "conditions: newest first",
            "self.seen.copy_(torch.cat([rows, self.seen])[:KEPT])",
            "self.seen.copy_(torch.cat([self.seen, rows])[:KEPT])",
            "the first conditions are kept, the newest thrown away",
        ),
        (
            "conditions: count",
            "self.count.add_(len(rows)).clamp_(max=KEPT)",
            "self.count.add_(1).clamp_(max=KEPT)",
            "batches counted, not rows",
        ),
        (
            "no category: last",
            "((given < 0) | (given >= count) | (given != given.round()))",
            "((given < 0) | (given > count) | (given != given.round()))",
            "one category more than there are",
        ),
    ),
)
