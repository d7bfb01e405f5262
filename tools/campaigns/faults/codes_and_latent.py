"""Interpolations, directions and inversion; probes, clusters and tables of codes."""

from __future__ import annotations

from faults.fault import of

PROBE = ("tests/features/test_probe.py",)

FAULTS = (
    *of(
        "latent/paths.py",
        ("tests/latent/test_paths.py",),
        (
            "slerp: angle",
            "angle = 2 * torch.atan2(difference,",
            "angle = torch.atan2(difference,",
            "half of the angle",
        ),
        (
            "slerp: ends",
            "direction = torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b",
            "direction = torch.sin(t * angle) * unit_a + torch.sin((1 - t) * angle) * unit_b",
            "from the end to the start",
        ),
        (
            "interpolate: condition",
            "parts = [path(a[..., :cut], b[..., :cut], t), lerp(a[..., cut:], b[..., cut:], t)]",
            "parts = [path(a[..., :cut], b[..., :cut], t), path(a[..., cut:], b[..., cut:], t)]",
            "the condition goes round the sphere",
        ),
    ),
    *of(
        "latent/directions.py",
        ("tests/latent/test_directions.py", "tests/latent/test_quality.py"),
        (
            "turn vector: sign",
            'return _mean(end, "end") - _mean(start, "start")',
            'return _mean(start, "start") - _mean(end, "end")',
            "backwards",
        ),
        (
            "analogy: mean",
            'total = torch.stack([_mean(group, "plus") for group in plus]).sum(0)',
            'total = torch.stack([_mean(group, "plus") for group in plus]).mean(0)',
            "the mean of the groups that are added",
        ),
        (
            "quantiles: middles",
            "return torch.special.ndtri((torch.arange(count) + 0.5) / count)",
            "return torch.special.ndtri((torch.arange(count) + 1.0) / (count + 1))",
            "not the middles of equal shares",
        ),
    ),
    *of(
        "latent/inversion.py",
        ("tests/latent/test_inversion.py",),
        (
            "inversion: prior",
            "loss = (pixel_mse(decoded, images) + weight * z.square().mean(1)).sum()",
            "loss = (pixel_mse(decoded, images) + weight * z.square().sum(1)).sum()",
            "the prior's weight grows with the code",
        ),
        (
            "inversion: best",
            "best = mse.argmin(0)",
            "best = mse.argmax(0)",
            "the worst restart is kept",
        ),
        (
            "inversion: scale",
            "return ((decoded - images) / 2).square().flatten(1).mean(1)",
            "return (decoded - images).square().flatten(1).mean(1)",
            "pixels on -1 .. 1",
        ),
    ),
    *of(
        "latent/quality.py",
        ("tests/latent/test_quality.py",),
        (
            "gaussian: covariance",
            "root = vectors * values.clamp(min=0).sqrt()",
            "root = vectors * values.clamp(min=0)",
            "the covariance squared",
        ),
        (
            "completeness: sure",
            "return (judge(draws).amax(1) >= sure).double().mean().item()",
            "return (judge(draws).amax(1) < sure).double().mean().item()",
            "the share of unsure draws",
        ),
    ),
    *of(
        "features/probe.py",
        PROBE,
        (
            "probe: standard deviation",
            "((codes.double() - mean)[:, moving] / deviation[moving]).float().numpy(),",
            "((codes.double() - mean)[:, moving] / deviation[moving] ** 2).float().numpy(),",
            "columns divided by their variance",
        ),
        (
            "probe: vote of equals",
            "results.append((votes.sum(1) + (votes * rank).amax(1)).argmax(1).numpy())",
            "results.append((votes.sum(1) - (votes * rank).amax(1)).argmax(1).numpy())",
            "of equals the farther class",
        ),
        (
            "pca: largest",
            "basis = vectors.flip(1)[:, : min(dims, *x.shape)]",
            "basis = vectors[:, : min(dims, *x.shape)]",
            "the components of least variance",
        ),
    ),
    *of(
        "features/clustering.py",
        PROBE,
        (
            "clusters: naming",
            "return float(together[rows, columns].sum()) / len(labels)",
            "return float(together.amax(1).sum()) / len(labels)",
            "two groups may have one name",
        ),
    ),
    *of(
        "data/choice.py",
        ("tests/data/test_choice.py", *PROBE),
        (
            "few labels: turns",
            "order = order[turn.argsort(stable=True)]",
            "order = order[turn.argsort(stable=True, descending=True)]",
            "classes do not take turns",
        ),
    ),
    *of(
        "features/table.py",
        ("tests/features/test_table.py",),
        (
            "table: digits",
            'codes = [[f"{value:.9g}" for value in row]',
            'codes = [[f"{value:.7g}" for value in row]',
            "two digits of a float32 are lost",
        ),
    ),
    *of(
        "features/finetune.py",
        ("tests/features/test_gain.py", "tests/features/test_finetune.py"),
        (
            "fine-tuning: gain",
            "return statistics.fmean(self.scratch) - statistics.fmean(self.pretrained)",
            "return statistics.fmean(self.pretrained) - statistics.fmean(self.scratch)",
            "a gain is shown as a loss",
        ),
        (
            "fine-tuning: copy",
            'encoder = copy.deepcopy(model) if name == "pretrained" else fresh(seed)',
            'encoder = model if name == "pretrained" else fresh(seed)',
            "the run's own model is trained, seed after seed",
        ),
    ),
)
