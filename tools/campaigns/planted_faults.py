"""Planted faults: does the test suite see a wrong sign, factor, axis, index or boundary?

    python tools/campaigns/planted_faults.py                  # all of them: 15 minutes of one core
    python tools/campaigns/planted_faults.py --every 3        # a third of them
    python tools/campaigns/planted_faults.py --only kid kl    # those whose name or file says so
    python tools/campaigns/planted_faults.py --list           # the table, checked and printed

Each fault of `faults/*.py` is an old text that occurs once in a file of the package, and a new one.
For each, src/genarium is copied to a temporary folder, the fault is planted there, and the tests
that ought to see it are run on the copy, up to the first that fails. First the same tests are run
without any fault, for a test that always fails would catch everything.

Exit status 0 if at least 95 % are caught (76 of 80), 1 if fewer are, 2 if the table is out of date.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import os
import py_compile
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("src") / "genarium"
WANTED = 0.95
CPU_SECONDS, MORE_MEMORY = 300, 8 << 30  # of one run: a fault may make something endless
FAILED, PASSED = 1, 0  # exit statuses of pytest

# Imported once; every run of the tests is a fork that has them already.
HEAVY = (
    "torch",
    "numpy",
    "scipy.special",
    "scipy.sparse.csgraph",
    "sklearn.cluster",
    "sklearn.linear_model",
    "sklearn.mixture",
    "accelerate",
    "pydantic",
    "PIL.Image",
    "safetensors.torch",
    "hypothesis",
    "pytest",
)
PYTEST = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:anyio"]


def problems(faults: Sequence[Fault]) -> list[str]:
    """What is out of date in the table: old texts that are not there once, missing test files."""
    results = []
    for fault in faults:
        path = ROOT / PACKAGE / fault.file
        times = path.read_text(encoding="utf-8").count(fault.old) if path.is_file() else 0
        if times != 1:
            results.append(f"{fault.name}: its old text occurs {times} times in {fault.file}")
        if fault.old == fault.new:
            results.append(f"{fault.name}: old and new text are the same")
        for test in fault.tests:
            if not (ROOT / test.split("::")[0]).is_file():
                results.append(f"{fault.name}: there is no {test}")
    names = [fault.name for fault in faults]
    results += [
        f"{name}: the name occurs twice" for name in {n for n in names if names.count(n) > 1}
    ]
    return results


@contextmanager
def compiled(folder: Path) -> Iterator[Path]:
    """A copy of src whose byte code is checked by content, so that a planted line is seen."""
    base = folder / "base"
    shutil.copytree(ROOT / "src", base, ignore=shutil.ignore_patterns("__pycache__"))
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(base, quiet=2, invalidation_mode=mode)
    yield base


def start(source: Path, tests: Sequence[str], output: Path) -> int:
    """Run the tests on the package under `source` in a child; its process number."""
    child = os.fork()
    if child:
        return child
    status = 3
    try:
        with output.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        most = _address_space() + MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        os.chdir(ROOT)
        os.environ["PYTHONPATH"] = str(source)
        sys.path.insert(0, str(source))
        package = importlib.import_module("genarium")
        assert str(package.__file__).startswith(str(source)), package.__file__
        pytest = importlib.import_module("pytest")
        status = int(pytest.main([*PYTEST, *tests]))
    finally:
        sys.stdout.flush()
        os._exit(status)


def _address_space() -> int:
    """Bytes that this process has mapped, where the system tells (Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 24 << 30
    return pages * resource.getpagesize()


def finish(child: int, output: Path) -> tuple[int, str]:
    """Wait for a child: pytest's status and the line that says why."""
    _, status = os.waitpid(child, 0)
    text = output.read_text(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    if code == -signal.SIGXCPU:
        return FAILED, f"still running after {CPU_SECONDS} s of computing"
    return code, failed.group(1) if failed else " ".join(text.split())[-160:]


def plant(base: Path, folder: Path, fault: Fault) -> Path:
    """A copy of the package with the fault in it."""
    source = folder / "planted"
    shutil.copytree(base, source)
    path = source / "genarium" / fault.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    return source


def without_faults(base: Path, folder: Path, faults: Sequence[Fault]) -> str | None:
    """None if the tests pass on the package as it is, else the first one that does not."""
    tests = sorted({test for fault in faults for test in fault.tests})
    files = {test for test in tests if "::" not in test}
    tests = [test for test in tests if "::" not in test or test.split("::")[0] not in files]
    output = folder / "output"
    code, why = finish(start(base, tests, output), output)
    return None if code == PASSED else why


def chosen(faults: Sequence[Fault], words: Sequence[str]) -> list[Fault]:
    """The faults with one of these words in their name or file; all without words."""
    return [f for f in faults if not words or any(w in f.name or w in f.file for w in words)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="of name or file")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th of them")
    parser.add_argument("--list", action="store_true", help="check and print the table")
    parser.add_argument("--no-baseline", action="store_true", help="do not run the tests unplanted")
    args = parser.parse_args()
    faults = chosen(FAULTS, args.only)[:: args.every]
    wrong = problems(faults)
    for line in wrong:
        print(line)
    if args.list:
        for fault in faults:
            print(f"{fault.file}  {fault.name}: {fault.breaks}")
        print(f"{len(faults)} faults in {len({fault.file for fault in faults})} files")
    if wrong or args.list:
        return 2 if wrong else 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    for name in HEAVY:
        importlib.import_module(name)
    began, missed, unclear = time.monotonic(), [], []
    with (
        tempfile.TemporaryDirectory(prefix="planted-") as place,
        compiled(Path(place)) as base,
    ):
        if not args.no_baseline:
            failing = without_faults(base, Path(place), faults)
            if failing is not None:
                print(f"without any fault a test fails: {failing}")
                return 2
        for fault in faults:
            folder = Path(tempfile.mkdtemp(dir=place))
            source, output = plant(base, folder, fault), folder / "output"
            at = time.monotonic()
            code, why = finish(start(source, fault.tests, output), output)
            shutil.rmtree(folder)
            word = {FAILED: "caught", PASSED: "NOT CAUGHT"}.get(code, f"unclear ({code})")
            if code == PASSED:
                missed.append(fault)
                why = fault.breaks
            elif code != FAILED:
                unclear.append(fault)
            print(f"{word:10}  {fault.name}  ({time.monotonic() - at:.0f} s: {why})", flush=True)
    caught = len(faults) - len(missed) - len(unclear)
    print(f"{caught} of {len(faults)} caught in {time.monotonic() - began:.0f} s")
    for fault in missed:
        print(f"not caught: {fault.file}: {fault.breaks}")
    if unclear:
        print(f"unclear, mend the table: {', '.join(fault.name for fault in unclear)}")
        return 2
    return 0 if caught >= WANTED * len(faults) else 1


if __name__ == "__main__":
    sys.exit(main())
