"""What every experiment is made of: a claim, its criteria, the command line, the results' files.

    python experiments/NAME.py              measure over the seeds, write results/NAME.json and .png
    python experiments/NAME.py --quick      only see that it runs: seconds, numbers without meaning
    python experiments/_claim.py table      write the table of README.md from the JSON files

A criterion stands in an experiment's source before its first run: bounds for numbers that are
measured once a seed. It is "supported" where the bounds hold for every seed, "not supported"
where they hold for none, and "cannot tell" in between.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import math
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE / "README.md"
MARKS = ("<!-- table: begin -->", "<!-- table: end -->")
VERDICTS = ("supported", "not supported", "cannot tell")


@dataclass(frozen=True)
class Bound:
    """What a measured number must be: `at_least` or `at_most` this (or both).

    each: for every seed by itself; else for the mean over the seeds. unit: for the table.
    """

    number: str
    at_least: float | None = None
    at_most: float | None = None
    each: bool = True
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Whether `value` is within; a number that is not finite is not."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return math.isfinite(value) and low <= value <= high

    def words(self) -> str:
        """The bound as the table has it."""
        ends = [f"≥ {self.at_least:g}"] if self.at_least is not None else []
        ends += [f"≤ {self.at_most:g}"] if self.at_most is not None else []
        return " and ".join(ends) + ("" if self.each else " on average")


@dataclass(frozen=True)
class Criterion:
    """One statement of a claim and the bounds that decide it, all of which must hold."""

    statement: str
    bounds: tuple[Bound, ...]

    def verdict(self, seeds: Sequence[Mapping[str, float]]) -> str:
        """One of `VERDICTS`, from the numbers of each seed."""
        means = {b.number: statistics.fmean(s[b.number] for s in seeds) for b in self.bounds}
        held = [
            all(b.holds(s[b.number] if b.each else means[b.number]) for b in self.bounds)
            for s in seeds
        ]
        return VERDICTS[0] if all(held) else VERDICTS[2] if any(held) else VERDICTS[1]


@dataclass
class Measured:
    """What one seed gave. numbers: for the verdict. curves: lists that the picture shows, kept in
    the JSON too. images: uint8 tensors for the picture, not kept."""

    numbers: dict[str, float]
    curves: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A claim of the theory as an experiment.

    name: the file's. title: a few words. paper: where it is made. criteria: what is claimed.
    setup: a sentence or two, what is trained on what. measure: (seed, settings) -> Measured.
    draw: (figure, measured by seed, settings) -> None, axes with units. settings: a dataclass of
    the sizes. quick: the same so small that `measure` takes seconds. size: inches of the picture.
    seeds: measured where none are named.
    """

    name: str
    title: str
    paper: str
    setup: str
    criteria: tuple[Criterion, ...]
    measure: Callable[[int, Any], Measured]
    draw: Callable[[Any, dict[int, Measured], Any], None]
    settings: Any
    quick: Any
    size: tuple[float, float] = (9.0, 4.0)
    seeds: tuple[int, ...] = (0, 1, 2)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The experiment's command."""
        options = _options(self, arguments)
        settings = self.quick if options.quick else self.settings
        out = options.out or (RESULTS if not options.quick else None)
        import torch

        from genarium.training import allocator

        torch.set_num_threads(options.threads or torch.get_num_threads())
        allocator.keep_memory()  # faster, the same numbers
        import _kept  # it imports torch

        _kept.folder, _kept.earlier = options.keep, 0.0
        start, cpu, measured = time.monotonic(), time.process_time(), {}
        code = inspect.getsource(self.measure)
        for seed in options.seeds:
            measured[seed] = self._measured(seed, settings, code)
            line = ", ".join(f"{k} {_number(v)}" for k, v in measured[seed].numbers.items())
            print(f"seed {seed} ({time.monotonic() - start:.0f} s): {line}", flush=True)
        # of the processors, not of the clock: what else the machine did then does not count
        seconds = time.process_time() - cpu + _kept.earlier
        record = self._record(measured, settings, options.quick, seconds)
        print(report(record))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            self._picture(out / f"{self.name}.png", measured, settings)
            text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
            # lists of numbers on one line: the file is for reading too
            text = re.sub(r"\[[^\[\]{}]*\]", lambda m: re.sub(r"\s+", " ", m[0]), text)
            (out / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")
            print(f"wrote {self.name}.json and {self.name}.png to {out}")

    def _measured(self, seed: int, settings: Any, code: str) -> Measured:
        """What `measure` gives, or gave before with `--keep`."""
        import _kept

        def make() -> tuple[dict[str, Any], dict[str, Any]]:
            result = self.measure(seed, settings)
            return {"numbers": result.numbers, "curves": result.curves}, result.images

        follows_from = {"settings": asdict(settings), "seed": seed, "code": code}
        values, images = _kept.once(_kept.place(self.name, follows_from), make)
        return Measured(values["numbers"], values["curves"], images)

    def _record(
        self, measured: dict[int, Measured], settings: Any, quick: bool, seconds: float
    ) -> dict[str, Any]:
        import torch

        seeds = [m.numbers for m in measured.values()]
        return {
            "name": self.name,
            "title": self.title,
            "paper": self.paper,
            "setup": self.setup,
            "criteria": [
                {
                    "statement": c.statement,
                    "verdict": c.verdict(seeds),
                    "bounds": [{**asdict(b), "words": b.words()} for b in c.bounds],
                }
                for c in self.criteria
            ],
            "numbers": {
                key: {
                    "mean": _finite(statistics.fmean(s[key] for s in seeds)),
                    "sd": _spread([s[key] for s in seeds]),
                    "seeds": [_finite(s[key]) for s in seeds],
                }
                for key in seeds[0]
            },
            "seeds": list(measured),
            "curves": {str(seed): _rounded(m.curves) for seed, m in measured.items()},
            "settings": asdict(settings),
            "quick": quick,
            "cpu_seconds": round(seconds, 1),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cpu": _cpu(),
            "threads": torch.get_num_threads(),
        }

    def _picture(self, path: Path, measured: dict[int, Measured], settings: Any) -> None:
        import matplotlib

        matplotlib.use("agg")
        from matplotlib.figure import Figure
        from PIL import Image

        with matplotlib.rc_context(
            {
                "font.size": 9,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "legend.frameon": False,
            }
        ):
            figure = Figure(figsize=self.size, layout="constrained")
            self.draw(figure, measured, settings)
            buffer = io.BytesIO()
            # without matplotlib's version, so that the same numbers give the same bytes
            figure.savefig(buffer, dpi=100, metadata={"Software": None})
        small = Image.open(buffer).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        small.save(path, optimize=True)  # a palette: a third of the bytes


def _options(claim: Claim, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="\n".join(f"{c.statement}" for c in claim.criteria)
    )
    parser.add_argument(
        "--seeds",
        type=lambda text: [int(part) for part in text.split(",")],
        default=None,
        help=f"separated by commas; default {','.join(map(str, claim.seeds))} (--quick: the first)",
    )
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument(
        "--out", type=Path, help="folder of the JSON and PNG; default experiments/results"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder where seeds and trainings are kept: the same command, given again, goes on "
        "where it was stopped, and experiments share what they train alike",
    )
    parser.add_argument("--threads", type=int, default=0, help="default: torch's own choice")
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or list(claim.seeds[: 1 if options.quick else None])
    if options.quick and options.out and options.out.resolve() == RESULTS.resolve():
        parser.error("--quick: its numbers mean nothing, --out must be another folder than results")
    return options


# ---------------------------------------------------------------------------------------- text


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _spread(values: Sequence[float]) -> float | None:
    """The standard deviation; None of one value, or where one is not finite."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    return _finite(statistics.stdev(values))


def _rounded(values: Any) -> Any:
    """Floats to 5 digits in nested lists and dicts; what is not finite becomes None."""
    if isinstance(values, dict):
        return {str(k): _rounded(v) for k, v in values.items()}
    if isinstance(values, (list, tuple)):
        return [_rounded(v) for v in values]
    if isinstance(values, float):
        return float(f"{values:.5g}") if math.isfinite(values) else None
    return values


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "not finite"
    if value == 0 or 0.01 <= abs(value) < 1e5:
        digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{min(digits, 3)}f}"
    return f"{value:.1e}"


def _measured(record: Mapping[str, Any], bound: Mapping[str, Any]) -> str:
    """The number of a bound with its spread, as text and table have it."""
    result = record["numbers"][bound["number"]]
    spread = "" if result["sd"] is None else f" ± {_number(result['sd'])}"
    unit = f" {bound['unit']}" if bound["unit"] else ""
    return f"{_number(result['mean'])}{spread}{unit}"


def _cpu() -> str:
    try:
        match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        match = None
    return match[1].strip() if match else platform.machine()


def report(record: Mapping[str, Any]) -> str:
    """Numbers and verdicts of a result as text."""
    count = len(record["seeds"])
    lines = [f"{record['title']} ({record['paper']})", record["setup"]]
    lines += [f"mean ± standard deviation over {count} seed{'s' * (count > 1)}:"]
    for key in record["numbers"]:
        lines.append(f"  {key} = {_measured(record, {'number': key, 'unit': ''})}")
    for criterion in record["criteria"]:
        needed = "; ".join(f"{b['number']} {b['words']}" for b in criterion["bounds"])
        lines.append(f"{criterion['verdict'].upper()}: {criterion['statement']} [{needed}]")
    if record["quick"]:
        lines.append("a --quick run: these numbers mean nothing")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_")


def table(results: Path = RESULTS) -> str:
    """The table of all results, a row a criterion, as Markdown."""
    rows = [
        "| claim | number, mean ± sd | needed | verdict | picture | command | CPU minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in sorted(results.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        name, first = record["name"], True
        for criterion in record["criteria"]:
            bounds = criterion["bounds"]
            numbers = "<br>".join(_cell(f"{b['number']}: {_measured(record, b)}") for b in bounds)
            cells = [
                _cell(criterion["statement"]),
                numbers,
                "<br>".join(b["words"] for b in bounds),
                f"**{criterion['verdict']}**",
                f"[picture](results/{name}.png)" if first else "",
                f"`python experiments/{name}.py`" if first else "",
                f"{record['cpu_seconds'] / 60:.1f}, {_threads(record)}" if first else "",
            ]
            rows.append("| " + " | ".join(cells) + " |")
            first = False
    return "\n".join(rows)


def _threads(record: Mapping[str, Any]) -> str:
    return f"{record['threads']} thread{'s' * (record['threads'] > 1)}"


def with_table(text: str, results: Path = RESULTS) -> str:
    """The README's `text` with the table between its marks made anew."""
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{table(results)}\n{MARKS[1]}{after}"


if __name__ == "__main__":
    if sys.argv[1:] != ["table"]:
        sys.exit("usage: python experiments/_claim.py table")
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
