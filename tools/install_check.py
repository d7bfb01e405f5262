"""Install a wheel into a bare virtual environment and do the first errands there, without the
repository: what a stranger does. Says what was installed, how large it is and how long it took.

    python -m hatchling build -d dist
    python tools/install_check.py --wheel dist/genarium-0.2.0-py3-none-any.whl
    python tools/install_check.py --wheel dist/... --extras features,hub,onnx --demo --json out.json
    python tools/install_check.py --wheel dist/... --find-links wheels/     # without a network

With the extra `hub` a run is pushed to and loaded from a hub on this machine (tools/local_hub.py).
With the extra `onnx` it is written as an ONNX file, which the script of docs/export.md samples from
where torch cannot be imported.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BESIDE = {"pip", "setuptools"}  # of every virtual environment
TRAIN = "train vae --data digits --steps 60 --net conv --out vae --quiet --device cpu"
ERRANDS = (
    "--version",
    "environment",
    "models",
    TRAIN,
    "sample vae --out samples.png --device cpu",
    "evaluate vae -n 200 --out scores.json --device cpu --quiet",
    "train dcgan --data digits --steps 20 --width 8 --out dcgan --quiet --device cpu",
    "compare vae dcgan -n 200 --out report.html --device cpu --quiet",
    "zoo list",
    "sample zoo:vae-digits --out zoo.png --device cpu",
    # one that is not in the package
    f"zoo fetch vae-fashion --from {shlex.quote(str(ROOT / 'zoo'))} --quiet",
    "sample zoo:vae-fashion --out fetched.png --device cpu",
)
OF_EXTRA = {
    "features": ("probe vae --labels 200 --device cpu", "map vae -n 200 --device cpu"),
    "hub": ("push vae someone/vae-digits --scores scores.json",),
    "onnx": ("export vae --onnx model.onnx", "export vae --onnx small.onnx --int8"),
}
NAME = "hf://someone/vae-digits@"
SCRIPT = re.compile(r"<!-- runnable: draw.py -->\n```python\n(.*?)```", re.DOTALL)
"""The script of docs/export.md that samples from an ONNX file with NumPy and ONNX Runtime alone."""
WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = None  # whoever imports it now fails
sys.argv = ["draw.py", "model.onnx"]
runpy.run_path("draw.py")
"""


class Place:
    """A virtual environment and an empty folder to work in."""

    def __init__(self, home: Path):
        self.home, self.work = home, home / "work"
        venv.create(home / "venv", with_pip=True)
        self.bin = home / "venv" / "bin"
        self.work.mkdir()
        # nothing of the caller's: neither its packages nor its caches
        names = ("PATH", "LANG", "TMPDIR", "OMP_NUM_THREADS", "SSL_CERT_FILE")
        self.env = {k: v for k, v in os.environ.items() if k in names or k.startswith("PIP_")}
        self.env |= {"HOME": str(home), "HF_HOME": str(home / "hf")}

    def run(self, *command: str, **env: str) -> tuple[str, float]:
        """What a command prints, and its seconds. Exits with what it said where it fails."""
        begun = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.work,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout, time.monotonic() - begun

    def genarium(self, words: str, **env: str) -> tuple[str, float]:
        return self.run(str(self.bin / "genarium"), *shlex.split(words), **env)

    def installed(self) -> dict[str, float]:
        """Megabytes of each package, by what its list of files names."""
        text, _ = self.run(str(self.bin / "python"), "-c", SIZES)
        return {k: v / 1e6 for k, v in json.loads(text).items() if k.lower() not in BESIDE}


SIZES = """
import json
from importlib.metadata import distributions
sizes = {}
for d in distributions():
    paths = [d.locate_file(f) for f in d.files or ()]
    sizes[d.metadata["Name"]] = sum(p.stat().st_size for p in paths if p.is_file())
print(json.dumps(sizes))
"""


def install(place: Place, wheel: Path, extras: str, options: Sequence[str]) -> float:
    """Seconds of `pip install`."""
    what = f"{wheel.resolve()}[{extras}]" if extras else str(wheel.resolve())
    command = ("-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check")
    return place.run(str(place.bin / "python"), *command, *options, what)[1]


def errands(place: Place, extras: Sequence[str], demo: bool) -> dict[str, float]:
    """Seconds of each command."""
    done = {}
    for words in (*ERRANDS, *(("demo",) if demo else ())):
        _, done[words.replace(f"{ROOT}/", "")] = place.genarium(words)
    for extra in extras:
        if extra != "hub":
            for words in OF_EXTRA.get(extra, ()):
                _, done[words] = place.genarium(words)
    if "onnx" in extras:
        done["draw.py model.onnx"] = drawn(place)
    if "hub" in extras:
        sys.path.insert(0, str(ROOT / "tools"))
        from local_hub import LocalHub

        with LocalHub(place.home / "hub") as hub:
            env = hub.environment("someone")
            for words in OF_EXTRA["hub"]:
                said, done[words] = place.genarium(words, **env)
            (commit,) = re.findall(rf"{NAME}([0-9a-f]{{40}})", said)[:1]
            words = f"sample {NAME}{commit} --out again.png --device cpu"
            _, done[words.replace(commit, "COMMIT")] = place.genarium(words, **env)
        one, other = (place.work / name for name in ("samples.png", "again.png"))
        if one.read_bytes() != other.read_bytes():
            sys.exit("samples of the run from the hub are not those of the run")
    return done


def drawn(place: Place) -> float:
    """Seconds of sampling from the ONNX file, without torch."""
    script = SCRIPT.search((ROOT / "docs" / "export.md").read_text(encoding="utf-8"))
    assert script is not None
    (place.work / "draw.py").write_text(script[1], encoding="utf-8")
    said, seconds = place.run(str(place.bin / "python"), "-c", WITHOUT_TORCH)
    if not said.startswith("(16, 1, 28, 28) uint8 "):
        sys.exit(f"draw.py: {said}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel to install")
    parser.add_argument("--extras", default="", metavar="A,B", help="extras to install with it")
    parser.add_argument("--find-links", metavar="DIR", help="take wheels from here, no network")
    parser.add_argument(
        "--index", metavar="URL", help="a further index, as that of PyTorch for CPUs"
    )
    parser.add_argument("--constraints", metavar="FILE", help="versions, as constraints.txt")
    parser.add_argument("--only-install", action="store_true", help="no errands")
    parser.add_argument("--demo", action="store_true", help="the demo too: some minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    options = ["--no-index", "--find-links", args.find_links] if args.find_links else []
    options += ["--extra-index-url", args.index] if args.index else []
    options += ["-c", str(Path(args.constraints).resolve())] if args.constraints else []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        seconds = install(place, args.wheel, args.extras, options)
        sizes = place.installed()
        extras = [name for name in args.extras.split(",") if name]
        result: dict[str, Any] = {
            "wheel": args.wheel.name,
            "extras": extras,
            "wheel MB": round(args.wheel.stat().st_size / 1e6, 2),
            "packages": len(sizes),
            "megabytes": round(sum(sizes.values())),
            "without torch": round(sum(v for k, v in sizes.items() if k != "torch")),
            "seconds": round(seconds, 1),
            "largest": dict(
                sorted(((k, round(v, 1)) for k, v in sizes.items()), key=lambda x: -x[1])[:12]
            ),
        }
        if not args.only_install:
            result["errands"] = {
                k: round(v, 1) for k, v in errands(place, extras, args.demo).items()
            }
    print(json.dumps(result, indent=1))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
