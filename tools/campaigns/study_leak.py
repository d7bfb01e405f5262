"""Can anything but the pixels of a study's pictures tell real ones from generated ones?

    python tools/campaigns/study_leak.py --base FOLDER        a minute or two

Trains a small VAE on the digits, makes a study of its samples and real digits, serves it with the
real command, and fetches every picture many times in random order. For each thing that a
participant's browser or network can see (length, headers, time, name, place in the page's order)
it prints the AUC of real against generated, the chance that a generated picture has more of it
than a real one: .5 tells nothing. The AUC of the length that the same picture would have as a
compressed PNG stands beside them: what the pixels themselves give away, and old files did.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

GENARIUM = [sys.executable, "-m", "genarium"]
PARTICIPANTS = 15
LIMIT = 0.05
"""How far from .5 an AUC may lie."""


def auc(real: Sequence[float], fake: Sequence[float]) -> float:
    """P(fake > real) + P(fake = real)/2, by ranks (the Mann-Whitney U)."""
    import numpy as np

    a, b = np.sort(np.asarray(real, float)), np.asarray(fake, float)
    below, upto = np.searchsorted(a, b, "left"), np.searchsorted(a, b, "right")
    return float((below + upto).mean() / 2 / len(a))


@contextmanager
def served(study: Path) -> Iterator[int]:
    """The port of a real server of the study."""
    process = subprocess.Popen(
        [*GENARIUM, "study", "serve", str(study), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            match = re.search(r"participants: http://.*:(\d+)/", line)
            if match:
                yield int(match.group(1))
                return
        raise RuntimeError("the server did not start")
    finally:
        process.terminate()
        process.wait()


def make(base: Path, n: int, steps: int) -> Path:
    """A study of a VAE's digits and real ones."""
    run, study = base / "vae", base / "study"
    base.mkdir(parents=True, exist_ok=True)
    if not (run / "run.json").exists():
        budget = ["--steps", str(steps), "--latent", "8", "--quiet"]
        subprocess.run([*GENARIUM, "train", "vae", *budget, "--out", str(run)], check=True)
    if not study.exists():
        counts = ["-n", str(n), "--practice", "0", "--checks", "0", "--show", "20"]
        subprocess.run(
            [*GENARIUM, "study", "create", str(run), *counts, "--out", str(study)], check=True
        )
    return study


def features(study: Path, truth: dict[str, str], repeats: int) -> dict[str, dict[str, float]]:
    """What each picture looks like from outside: feature -> name -> value."""
    import numpy as np
    from PIL import Image

    names, draw = list(truth), random.Random(1)
    results: dict[str, dict[str, float]] = {}
    first: dict[str, list[float]] = {name: [] for name in names}
    whole: dict[str, list[float]] = {name: [] for name in names}
    with served(study) as port:
        link = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(repeats):
            draw.shuffle(names)
            for name in names:
                begun = time.perf_counter()
                link.request("GET", f"/pictures/{name}")
                reply = link.getresponse()
                first[name].append(time.perf_counter() - begun)
                body = reply.read()
                whole[name].append(time.perf_counter() - begun)
                head = sorted((k, v) for k, v in reply.getheaders() if k.lower() != "date")
                results.setdefault("length", {})[name] = len(body)
                results.setdefault("headers", {})[name] = hash(json.dumps(head))
                image = Image.open(io.BytesIO(body))
                small = io.BytesIO()
                image.save(small, "PNG", optimize=True)
                results.setdefault("(compressed)", {})[name] = small.tell()
        results["time to the first byte"] = {n: float(np.median(t)) for n, t in first.items()}
        results["time of the whole"] = {n: float(np.median(t)) for n, t in whole.items()}
        results["shortest time"] = {n: min(t) for n, t in whole.items()}
        results["place in the page's order"] = places(link, truth)
    results["name"] = {name: int(name.split(".")[0], 16) for name in truth}
    files = sorted((study / "pictures").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    results["file on the disk: age"] = {p.name: k for k, p in enumerate(files) if p.name in truth}
    results["file on the disk: length"] = {
        p.name: p.stat().st_size for p in files if p.name in truth
    }
    return results


def places(link: http.client.HTTPConnection, truth: dict[str, str]) -> dict[str, float]:
    """Where the pictures stand among those that participants are shown, on average."""

    def ask(method: str, path: str, body: object = None) -> dict:
        text = None if body is None else json.dumps(body)
        link.request(method, path, text, {"content-type": "application/json"} if text else {})
        return json.loads(link.getresponse().read())

    seen: dict[str, list[int]] = {}
    for _ in range(PARTICIPANTS):
        token = ask("POST", "/api/participants", {})["token"]
        state = ask("GET", f"/api/participants/{token}")
        while state["trial"]:
            seen.setdefault(state["trial"]["picture"], []).append(state["position"])
            body = {"position": state["position"], "answer": "real", "response_ms": 1.0}
            state = ask("POST", f"/api/participants/{token}/answers", body)
    return {name: sum(where) / len(where) for name, where in seen.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--base", type=Path, default=Path("campaign"), help="where files go")
    parser.add_argument("-n", type=int, default=400, help="pictures of each kind (default: 400)")
    parser.add_argument("--repeats", type=int, default=3, help="times each is fetched")
    parser.add_argument("--steps", type=int, default=400, help="of the VAE's training")
    args = parser.parse_args()
    study = make(args.base.resolve(), args.n, args.steps)
    stored = json.loads((study / "study.json").read_text())
    truth = {picture["name"]: picture["truth"] for picture in stored["pictures"]}
    wrong = 0
    for feature, values in features(study, truth, args.repeats).items():
        real, fake = ([v for n, v in values.items() if truth[n] == t] for t in ("real", "fake"))
        area, allowed = auc(real, fake), feature.startswith("(")
        different = len(set(values.values()))
        wrong += not allowed and abs(area - 0.5) > LIMIT
        print(f"{feature:<28} AUC {area:.3f}   {different} different of {len(values)}")
    print("nothing tells them apart" if not wrong else f"{wrong} features tell them apart")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
