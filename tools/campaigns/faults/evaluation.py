"""Scores, their errors, and verdicts."""

from __future__ import annotations

from faults.fault import of

BY_HAND = "tests/evaluation/test_errors_by_hand.py"
FRECHET = ("tests/evaluation/test_frechet.py",)
DISTANCES = (
    BY_HAND,
    "tests/evaluation/test_distances.py",
)
FLAT = "tests/evaluation/test_flat.py"
COPYING = (
    "tests/evaluation/test_verdict_of_copying.py",
    "tests/evaluation/test_copying.py",
)
OVERLAP = ("tests/evaluation/test_overlap.py",)
PURE = (
    BY_HAND,
    "tests/evaluation/test_pure_scores.py",
)
MODES = ("tests/evaluation/test_modes.py",)
DROPPING = (
    BY_HAND,
    "tests/evaluation/test_dropping.py",
)
MEMORIZATION = ("tests/evaluation/test_memorization.py",)
LATENTS = (
    BY_HAND,
    "tests/evaluation/test_latents.py",
)
INTERVALS = ("tests/evaluation/test_intervals.py",)
LIKELIHOOD = ("tests/evaluation/test_likelihood.py",)

DETECTED = "return self.p_side <= SIDE_ALPHA or self.p_close <= CLOSE_ALPHA"
MMD = "return (xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)).item()"
IS = "divergence = torch.xlogy(part, part) - torch.xlogy(part, marginal)"

SETTINGS = "tests/evaluation/test_sampler_settings.py"

FAULTS = (
    *of(
        "evaluation/metrics/spectrum.py",
        "tests/evaluation/test_spectrum.py",
        (
            "strides: amplitude",
            "torch.fft.fft2(x).abs().square()",
            "torch.fft.fft2(x).abs()",
            "amplitude for power",
        ),
        (
            "strides: beside",
            "BESIDE = 3",
            "BESIDE = 1",
            "compared with lines that the window spreads it over",
        ),
    ),
    *of(
        "evaluation/metrics/frechet.py",
        FRECHET,
        (
            "fid: cross term",
            "return max(0.0, (gap + traces - 2 * root).item())",
            "return max(0.0, (gap + traces - root).item())",
            "the root counts once",
        ),
        (
            "fid: covariance's n",
            "return self.mean, self.scatter / (self.count - 1)",
            "return self.mean, self.scatter / self.count",
            "the biased covariance",
        ),
        (
            "fid: merged means",
            "torch.outer(gap, gap) * (self.count * count / total)",
            "torch.outer(gap, gap) * (count / total)",
            "batches whose means differ lose variance",
        ),
        (
            "fid: few images",
            "x, y = ((f - f.mean(dim=0)) / (len(f) - 1) ** 0.5 for f in (x, y))",
            "x, y = ((f - f.mean(dim=0)) / len(f) ** 0.5 for f in (x, y))",
            "biased where there are fewer images than features",
        ),
    ),
    *of(
        "evaluation/metrics/frechet.py",
        DISTANCES,
        (
            "fid infinity: slope",
            "return Extrapolated(line[0].item(), ",
            "return Extrapolated(line[1].item(), ",
            "the slope of the line, not its end",
        ),
        (
            "fid influence: own scale",
            "results.append((change - change.mean()) / (len(rows) * (len(rows) - 1)) ** 0.5)",
            "results.append((change - change.mean()) / len(rows) ** 0.5)",
            "the error of one image, not of the mean",
        ),
        (
            "fid influence: side",
            "for rows, move, root in ((x, gap, root1), (y, -gap, root2)):",
            "for rows, move, root in ((x, gap, root1), (y, gap, root2)):",
            "the second set moves the same way as the first",
        ),
    ),
    *of(
        "evaluation/metrics/kid.py",
        DISTANCES,
        ("kid: diagonal", MMD, MMD.replace("(n * (n - 1))", "(n * n)"), "the biased estimate"),
        ("kid: cross", MMD, MMD.replace("- 2 * xy", "- xy"), "the cross term counts once"),
        (
            "kid: power",
            "kernel = kernel * kernel * kernel",
            "kernel = kernel * kernel",
            "a polynomial of degree 2",
        ),
        (
            "kid: features",
            "torch.mm(x[one], y[other].T).div_(x.shape[1]).add_(1)",
            "torch.mm(x[one], y[other].T).div_(len(x)).add_(1)",
            "over the images, not the features",
        ),
        (
            "kid influence: left out",
            "within = (own.sum() - 2 * own) / ((size - 1) * (size - 2))",
            "within = (own.sum() - own) / ((size - 1) * (size - 2))",
            "a row is left out and its column stays",
        ),
    ),
    *of(
        "evaluation/metrics/inception_score.py",
        PURE,
        (
            "is: marginal",
            "marginal = part.mean(dim=0, keepdim=True)",
            "marginal = part.mean(dim=1, keepdim=True)",
            "the mean over classes, not over images",
        ),
        ("is: entropy", IS, "divergence = -torch.xlogy(part, marginal)", "a cross-entropy"),
        (
            "is: mean of exponentials",
            "scores.append(divergence.sum(dim=1).mean().exp())",
            "scores.append(divergence.sum(dim=1).exp().mean())",
            "the exponential inside of the mean",
        ),
    ),
    *of(
        "evaluation/metrics/manifold.py",
        OVERLAP,
        (
            "density: neighbours",
            "density=of_real.point[:, 1].to(torch.float64) / k_density,",
            "density=of_real.point[:, 1].to(torch.float64) / k,",
            "divided by the k of precision",
        ),
        (
            "coverage: balls",
            "covered=of_real.centre[:, 1] > 0,",
            "covered=of_real.centre[:, 0] > 0,",
            "coverage with the balls of precision",
        ),
        (
            "precision and recall swapped",
            "precise=of_real.point[:, 0] > 0,",
            "precise=of_samples.point[:, 0] > 0,",
            "precision is recall",
        ),
    ),
    *of(
        "evaluation/metrics/neighbours.py",
        OVERLAP,
        (
            "neighbours: itself",
            "a, b = a[a < b], b[a < b]",
            "a, b = a[a <= b], b[a <= b]",
            "a row is its own neighbour",
        ),
        (
            "neighbours: limit of float32",
            "return _Near(i, j, value - error, value + error)",
            "return _Near(i, j, value, value)",
            "rounding errors decide who is nearest",
        ),
        (
            "balls: surface",
            "inside[doubt] = _squared(p, q, i[doubt], j[doubt]) <= radii[i[doubt], r]",
            "inside[doubt] = _squared(p, q, i[doubt], j[doubt]) < radii[i[doubt], r]",
            "a row on the surface is outside",
        ),
    ),
    *of(
        "evaluation/metrics/coarse.py",
        OVERLAP,
        (
            "coarse: rounding to integers",
            "lost[one] = error / length.clamp(min=1e-30)",
            "lost[one] = 0.1 * error / length.clamp(min=1e-30)",
            "the bound leaves out most of what rounding loses",
        ),
        (
            "coarse: the other row's step",
            "torch.where(wanted >= 0, steps.amax(dim=1), steps.amin(dim=1))",
            "torch.where(wanted >= 0, steps.amin(dim=1), steps.amax(dim=1))",
            "near pairs of a group are left out",
        ),
    ),
    *of(
        "evaluation/scores/modes.py",
        MODES,
        (
            "modes: kl's direction",
            "kl = max(0.0, (torch.xlogy(p, p) - torch.xlogy(p, q)).sum().item())",
            "kl = max(0.0, (torch.xlogy(q, q) - torch.xlogy(q, p)).sum().item())",
            "KL of the data against the samples",
        ),
        (
            "modes: radius",
            "return torch.where(nearest < radius * sigma, mode, NOWHERE)",
            "return torch.where(nearest < radius * sigma**2, mode, NOWHERE)",
            "the radius in variances",
        ),
        (
            "modes: quality",
            "return ModeScores(int((counts > 0).sum()), total / len(labels), kl, counts)",
            "return ModeScores(int((counts > 1).sum()), total / len(labels), kl, counts)",
            "one sample is not enough to capture a mode",
        ),
    ),
    *of(
        "evaluation/diagnostics/dropping.py",
        DROPPING,
        (
            "dropping: holm",
            "if step >= asked or p[i] > ALPHA / (asked - step):",
            "if step >= asked or p[i] > ALPHA:",
            "no correction for the number of classes",
        ),
        (
            "dropping: strangers",
            "strangers = share @ named - share * right",
            "strangers = share @ named",
            "a class is expected from itself twice",
        ),
        (
            "dropping: confusion transposed",
            "share = share * (named @ (seen / mixed)) / seen.sum()",
            "share = share * (named.T @ (seen / mixed)) / seen.sum()",
            "named and true classes swapped",
        ),
    ),
    *of(
        "evaluation/diagnostics/repeats.py",
        DROPPING,
        (
            "support: birthday",
            "return n + size * math.expm1(n * math.log1p(-1 / size)) if size > 1 else n - 1",
            "return n + size * math.expm1(n * math.log1p(-2 / size)) if size > 2 else n - 1",
            "two drawn at once",
        ),
        (
            "repeats: at least",
            "p = tails.more_than(repeated - 1, n, MOST) if repeated else 1.0",
            "p = tails.more_than(repeated, n, MOST) if repeated else 1.0",
            "the chance of more, not of as many",
        ),
        (
            "poisson: upper end",
            "return low, tails.gamma_quantile(count + 1, 0.975)",
            "return low, tails.gamma_quantile(count, 0.975) if count else 0.0",
            "the upper end of one event fewer",
        ),
    ),
    *of(
        "evaluation/diagnostics/copying.py",
        COPYING,
        (
            "copying: both tests",
            DETECTED,
            DETECTED.replace(" or ", " and "),
            "copying only if both tests say so",
        ),
        (
            "copying: fifth",
            "FIFTH = 4  # column of the distance that the nearest is compared with",
            "FIFTH = 3  # column of the distance that the nearest is compared with",
            "the fourth neighbour, not the fifth",
        ),
        (
            "copying: without replacement",
            "labels[i] = uniform[i] * (total - i) < left",
            "labels[i] = uniform[i] * total < left",
            "labels drawn with the wrong chance",
        ),
        (
            "copying: closeness",
            "chance *= (distinct - i) / (distinct + m - i)",
            "chance *= distinct / (distinct + m)",
            "drawn with replacement",
        ),
        (
            "copying: share",
            "estimate, high, low = (1 - s / held for s in (strangers / n,",
            "estimate, high, low = (1 - s for s in (strangers / n,",
            "the share of the pool that is held out is left out",
        ),
    ),
    *of(
        "evaluation/diagnostics/lookalikes.py",
        (*COPYING, FLAT),
        (
            "align: window",
            "c_norm = (squares - total.square() / area).clamp(min=0).sqrt()",
            "c_norm = squares.clamp(min=0).sqrt() + 0 * total / area",
            "windows are not centred",
        ),
        (
            "align: distance",
            "return (2 - 2 * rho).sqrt()",
            "return (1 - rho).sqrt()",
            "not the distance of unit vectors",
        ),
        (
            "lookalikes: own",
            "likeness[inside, there[inside]] = -torch.inf",
            "likeness[inside, there[inside]] = torch.inf",
            "an image is its own look-alike",
        ),
        (
            "lookalikes: own of the first piece only",
            "there = own[rows] - start",
            "there = own[rows]",
            "in further pieces another image is left out",
        ),
        (
            "lookalikes: places in a piece",
            "index = torch.cat([self.index[rows], best.indices + start], dim=1)",
            "index = torch.cat([self.index[rows], best.indices], dim=1)",
            "what a further piece proposes is taken for an image of the first",
        ),
        (
            "lookalikes: kept from the first search on",
            "if self._again and size <= MEMORY:",
            "if size <= MEMORY << 20:",
            "memory grows with the training images",
        ),
    ),
    *of(
        "evaluation/metrics/memorization.py",
        MEMORIZATION,
        (
            "mann-whitney: variance",
            "return (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)",
            "return (u - m * n / 2) / math.sqrt(m * n * (m + n) / 12)",
            "the variance without its + 1",
        ),
        (
            "authenticity: side",
            "return (distance > own[position]).double().mean().item()",
            "return (distance < own[position]).double().mean().item()",
            "the share of copies",
        ),
    ),
    *of(
        "evaluation/diagnostics/data_copying.py",
        MEMORIZATION,
        (
            "data copying: weights",
            "total += len(theirs) / len(test) * z",
            "total += len(mine) / len(samples) * z",
            "cells weighed by samples, not by test images",
        ),
    ),
    *of(
        "evaluation/metrics/disentanglement.py",
        LATENTS,
        (
            "mig: bias",
            "result[d, a] = (raw - filled / (2 * len(z))).clamp(min=0.0)",
            "result[d, a] = (raw - filled / len(z)).clamp(min=0.0)",
            "twice the bias subtracted",
        ),
        (
            "mig: axis",
            "first, second = information.topk(2, dim=0).values",
            "first, second = information.topk(2, dim=1).values.T",
            "the gap between factors, not between latents",
        ),
        (
            "mig: entropy",
            "return (first - second) / size.clamp(min=1e-12)",
            "return (first - second) / first.clamp(min=1e-12)",
            "a share of the first latent's information",
        ),
    ),
    *of(
        "evaluation/metrics/sharpness.py",
        PURE,
        (
            "sharpness: laplacian",
            "return (around - 4 * centre).flatten(1).var(dim=1, correction=0)",
            "return (around - 3 * centre).flatten(1).var(dim=1, correction=0)",
            "the stencil does not sum to zero",
        ),
        (
            "sharpness: ddof",
            "return (around - 4 * centre).flatten(1).var(dim=1, correction=0)",
            "return (around - 4 * centre).flatten(1).var(dim=1, correction=1)",
            "the variance over n - 1",
        ),
    ),
    *of(
        "evaluation/metrics/likelihood.py",
        LIKELIHOOD,
        (
            "auroc: ties",
            "pairs = (less + up_to).double().sum() / 2",
            "pairs = less.double().sum()",
            "ties count nothing",
        ),
        (
            "auroc: side",
            "return float(pairs / (len(usual) * len(strange)))",
            "return 1 - float(pairs / (len(usual) * len(strange)))",
            "the other side wins",
        ),
    ),
    *of(
        "evaluation/scores/verdicts.py",
        INTERVALS,
        (
            "verdict: shared error",
            "variance -= 2 * float(a.shared @ b.shared)",
            "variance += 2 * float(a.shared @ b.shared)",
            "the shared error counts twice, not never",
        ),
        (
            "verdict: direction",
            'better = labels[0 if (difference > 0) == (a.better == "higher") else 1]',
            'better = labels[0 if (difference > 0) == (a.better == "lower") else 1]',
            "the worse one is called better",
        ),
        (
            "verdict: ends",
            "if interval[0] > 0 or interval[1] < 0:",
            "if interval[0] > 0 and interval[1] < 0:",
            "never a verdict",
        ),
    ),
    *of(
        "evaluation/scores/score.py",
        ("tests/evaluation/test_errors_by_hand.py",),
        (
            "standard error: root",
            "return (values.double().std() / len(values) ** 0.5).item()",
            "return (values.double().std() / len(values)).item()",
            "the root of n is missing",
        ),
    ),
    *of(
        "evaluation/scores/score.py",
        ("tests/evaluation/test_intervals.py", "tests/study/test_statistics.py"),
        (
            "wilson: centre",
            "centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)",
            "centre = share",
            "the interval is not moved towards one half",
        ),
        (
            "wilson: half",
            "half = math.sqrt(share * (1 - share) / count + (Z / (2 * count)) ** 2)",
            "half = math.sqrt(share * (1 - share) / count + Z / (2 * count) ** 2)",
            "Z is not squared",
        ),
    ),
    *of(
        "evaluation/scores/model.py",
        PURE,
        (
            "group information: axis",
            "return (torch.xlogy(q, q) - torch.xlogy(q, q.mean(0))).sum(1)",
            "return (torch.xlogy(q, q) - torch.xlogy(q, q.mean(1, keepdim=True))).sum(1)",
            "the mean over groups, not over images",
        ),
        (
            "cluster error: own half",
            "naming, scored = drawn != half, drawn == half",
            "naming, scored = drawn == half, drawn == half",
            "groups named by the images they are scored on",
        ),
        (
            "psnr: slope",
            "slope = -10 / math.log(10) / error  # of the PSNR in the error",
            "slope = -10 / error  # of the PSNR in the error",
            "the error of the PSNR without ln 10",
        ),
    ),
    *of(
        "evaluation/scores/registry.py",
        (BY_HAND, "tests/evaluation/test_evaluate.py"),
        (
            "classes found: tenth",
            "return ((ours > 0) & (ours >= 0.1 * expected)).sum(dim=-1).double()",
            "return (ours > 0).sum(dim=-1).double() + 0 * expected.sum()",
            "one sample is enough for a class",
        ),
        (
            "class entropy: base",
            "results.append(max(0.0, -torch.xlogy(share, share).sum().item()))",
            "results.append(max(0.0, -(share * share.log2()).nan_to_num().sum().item()))",
            "bits, not nats",
        ),
    ),
    *of(
        "evaluation/scores/translation.py",
        (BY_HAND,),
        (
            "translation error: scale",
            "return (a.double() - b.double()).abs().flatten(1).mean(1) / 255",
            "return (a.double() - b.double()).abs().flatten(1).mean(1) / 127.5",
            "errors twice as large",
        ),
    ),
    *of(
        "evaluation/draws.py",
        SETTINGS,
        (
            "draws: settings",
            "settings=self.settings,",
            "settings=None,",
            "samples are scored that nobody asked for",
        ),
    ),
    *of(
        "evaluation/scores/score.py",
        SETTINGS,
        (
            "basis: settings",
            "if settings is not None and settings.changed() else {}",
            "if False else {}",
            "scores of unequal settings are compared",
        ),
        (
            "basis: default settings",
            "if settings is not None and settings.changed() else {}",
            "if settings is not None else {}",
            "the default, said aloud, is not the default",
        ),
    ),
    *of(
        "runs/trained.py",
        SETTINGS,
        (
            "codes: settings",
            'asked["settings"] = self.settings',
            "asked |= {}",
            "codes are not those of the samples",
        ),
    ),
)
