"""How long it takes from a slider to the picture, measured in the browser.

    python tools/campaigns/studio_latency.py RUN [RUN ...] [--moves 60] [--url http://127.0.0.1:8766/]

For each run: headless Chromium opens the studio, moves a slider and waits for its picture each time
(latency), then moves one as fast as it can (a hand that drags): requests that were sent, moves
whose picture was skipped. Milliseconds from the slider's event to the drawn picture, and to
the next frame that the browser paints. Without --url the studio is started on the runs. --raw also
measures the two ways in which a picture could be sent.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.study.browser import browser

MOVE = """async ([moves, wait]) => {
  const range = document.querySelector('.slider input[type=range]');
  const before = window.studio.latency.length;
  const sent = window.studio.stats.sent;
  for (let i = 0; i < moves; i++) {
    range.value = 3 * Math.sin(i * 0.7);
    const count = window.studio.latency.length;
    range.dispatchEvent(new Event('input', { bubbles: true }));
    if (wait) {
      while (window.studio.latency.length === count) await new Promise((r) => setTimeout(r, 1));
    } else await new Promise((r) => setTimeout(r, 8));
  }
  await new Promise((r) => setTimeout(r, wait ? 0 : 1500));
  return { rows: window.studio.latency.slice(before), sent: window.studio.stats.sent - sent };
}"""

READY = "!!document.querySelector('.tools').innerText.match(/numbers, |takes about|cannot/)"


def started(runs: list[str]) -> tuple[subprocess.Popen[str], str]:
    """The studio on these runs, and its address."""
    command = [sys.executable, "-m", "genarium", "studio", *runs, "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    for line in process.stdout:
        match = re.search(r"studio: (http://\S+)", line)
        if match:
            return process, match.group(1)
    raise SystemExit("the studio did not start")


def quantiles(values: list[float]) -> str:
    values = sorted(values)
    worst = values[min(len(values) - 1, int(0.95 * len(values)))]
    return f"{statistics.median(values):6.1f} {worst:6.1f}"


def measure(url: str, runs: list[str], moves: int) -> list[dict[str, Any]]:
    rows = []
    with browser() as chromium:
        for run in runs:
            name = Path(run).resolve().name
            page = chromium.new_page()
            page.goto(f"{url}#run={name}&tool=code")
            page.wait_for_selector(".slider input", timeout=120_000)
            while not page.evaluate(READY):  # the page's policy forbids to wait for a function
                time.sleep(0.3)
            shape = page.evaluate("window.studio.app.model.shape.join('x')")
            size = page.evaluate("window.studio.app.model.code.size")
            page.evaluate(MOVE, [5, True])  # warm
            slow = page.evaluate(MOVE, [moves, True])
            fast = page.evaluate(MOVE, [moves, False])
            rows.append({"run": name, "shape": shape, "numbers": size, "slow": slow, "fast": fast})
            drawn = quantiles([row["drawn"] for row in slow["rows"]])
            painted = quantiles([row["painted"] for row in slow["rows"]])
            dragged = quantiles([row["drawn"] for row in fast["rows"]])
            print(
                f"{name:24} {shape:8} {size:5} numbers  drawn {drawn}  painted {painted}  "
                f"dragged {dragged}, {fast['sent']} of {moves} moves sent",
                flush=True,
            )
            page.close()
    return rows


def ways() -> None:
    """PNG against raw bytes, for pictures of 28 and 64 pixels: milliseconds to encode one."""
    import torch

    from genarium.drawing.images import png_bytes
    from genarium.studio.packets import packet

    for shape in ((1, 28, 28), (3, 64, 64), (3, 256, 256)):
        image = torch.randint(0, 256, (1, *shape), dtype=torch.uint8)
        for name, encode in (
            ("PNG", lambda i=image: png_bytes(i[0])),
            ("raw", lambda i=image: packet(i)),
        ):
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < 0.5:
                size, count = len(encode()), count + 1
            each = 1000 * (time.perf_counter() - start) / count
            print(f"{shape}: {name} {each:7.3f} ms, {size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--url")
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    print("medians and 95 % quantiles in ms")
    if args.raw:
        ways()
    process, url = (None, args.url) if args.url else started(args.runs)
    try:
        rows = measure(url, args.runs, args.moves)
    finally:
        if process is not None:
            process.terminate()
            process.wait(60)
    if args.json:
        Path(args.json).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
