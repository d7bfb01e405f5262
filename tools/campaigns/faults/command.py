"""Flags, numbers of samples, settings of a run."""

from __future__ import annotations

from faults.fault import of

FAULTS = (
    *of(
        "cli/parser.py",
        ("tests/cli/test_flags_by_hand.py",),
        (
            "flag: least",
            'if value < least:\n            raise UserError(f"{flag} {text}: give a number of at '
            'least {least}")',
            'if value <= least:\n            raise UserError(f"{flag} {text}: give a number of at '
            'least {least}")',
            "the least number itself is refused",
        ),
        (
            "flag: finite",
            "if not math.isfinite(value):",
            "if math.isnan(value):",
            "an infinite number passes",
        ),
        (
            "flag: bound",
            "if value < least or value <= above:",
            "if value < least or value < above:",
            "a number that has to be above the bound may be on it",
        ),
    ),
    *of(
        "runs/groups.py",
        ("tests/cli/test_latent_verbs.py",),
        (
            "groups: last",
            "{start}-{start + count - 1}",
            "{start}-{start + count}",
            "a sample more than there are",
        ),
        (
            "groups: deviation",
            "return codes.mean(0), codes.std(0, correction=0)",
            "return codes.mean(0), codes.var(0, correction=0)",
            "walks in variances, not in deviations",
        ),
    ),
    *of(
        "api/arithmetic.py",
        ("tests/cli/test_latent_verbs.py",),
        (
            "arithmetic: signs",
            'if s == sign] for sign in "+-"))',
            'if s == sign] for sign in "-+"))',
            "what is to be added is taken away",
        ),
    ),
    *of(
        "api/score.py",
        ("tests/cli/test_likelihood_verbs.py",),
        (
            "score: bits",
            "(-self.images[0].numel() * math.log(2))",
            "(-self.images[0].numel() * math.log(10))",
            "decimal digits, not bits",
        ),
        (
            "score: order",
            "for i in self.nats.argsort(stable=True)]",
            "for i in self.nats.argsort(stable=True, descending=True)]",
            "the likeliest first",
        ),
    ),
    *of(
        "runs/configuration.py",
        ("tests/cli/test_flags_by_hand.py",),
        (
            "config: steps",
            "if all(training[name] is None for name in BUDGET):",
            'if training["steps"] is None:',
            "the recipe's steps beside --epochs or --minutes",
        ),
    ),
)
