"""Random use of the studio: clicks, drags, keys, uploads, reloads, two tabs, a phone.

    python tools/campaigns/studio_monkey.py RUN [RUN ...] [--minutes 5] [--seed 0] [--url URL]

Opens the studio on the runs (or the one at --url) in headless Chromium and does at random what
people do, and some of what they should not. A fault is an error in a page's console or in its code,
a reply of status 500, a page that is wider than its window, or a request that leaves the machine.
Prints what was done and every fault; exit status 1 if there are any.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from studio_latency import started  # noqa: E402

from tests.study.browser import browser  # noqa: E402

FILES = [
    {"name": "empty.png", "mimeType": "image/png", "buffer": b""},
    {"name": "text.png", "mimeType": "image/png", "buffer": b"no picture" * 99},
    {"name": "../../etc/passwd", "mimeType": "", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(200)},
    {"name": "a\u00e4\u6f22 .gif", "mimeType": "image/gif", "buffer": b"GIF89a" + bytes(40)},
]
HASHES = [
    "#", "#run=nothing", "#view=zz&run=", "#set=99999:1", "#pick=zz&set=0:nan", "#n=0&seed=-4",
    "#tool=walk&from=9999&to=picture:gone.png", "#tool=sum&plus=1,,x&minus=99999", "#n=100000",
    "#view=watch&runs=a|b|c", "#view=pictures&picture=test:99999", "#step=12345", "#class=zz",
    "#s.temperature=zz", "#with=nothing", "#%E0%A4%A", "#view=train&recipe=zz&data=zz",
]  # fmt: skip
KEYS = ["Tab", "Enter", "Space", "ArrowRight", "ArrowLeft", "ArrowDown", "Escape", "Home", "End"]


class Monkey:
    """Does things to a page. draw: what decides which."""

    def __init__(self, url: str, draw: random.Random, picture: bytes):
        self.url, self.draw = url, draw
        self.files = [*FILES, {"name": "p.png", "mimeType": "image/png", "buffer": picture}]
        self.done: Counter[str] = Counter()

    def act(self, page: Any) -> None:
        deeds = {
            self.click: 10, self.slide: 8, self.choose: 5, self.type: 3, self.press: 4,
            self.stroke: 4, self.drag: 3, self.upload: 2, self.reload: 1, self.go: 1, self.back: 1,
        }  # fmt: skip
        deed = self.draw.choices([*deeds], [*deeds.values()])[0]
        self.done[deed.__name__] += 1
        deed(page)

    def some(self, page: Any, which: str) -> Any:
        found = page.query_selector_all(which)
        found = [each for each in found if each.is_visible()]
        return self.draw.choice(found) if found else None

    def click(self, page: Any) -> None:
        found = self.some(page, "button:not([type=submit]), summary, input[type=checkbox]")
        if found and "Stop" not in (found.text_content() or ""):
            found.click(timeout=2000, force=True)

    def slide(self, page: Any) -> None:
        found = self.some(page, "input[type=range]")
        if found:
            for _ in range(self.draw.randrange(1, 12)):
                found.evaluate(
                    "(e, x) => { e.value = +e.min + x * (e.max - e.min);"
                    " e.dispatchEvent(new Event('input', { bubbles: true })); }",
                    self.draw.random(),
                )

    def choose(self, page: Any) -> None:
        found = self.some(page, "select")
        if found:
            count = found.evaluate("(e) => e.options.length")
            if count:
                found.evaluate(
                    "(e, i) => { if (e.options[i].disabled) return; e.selectedIndex = i;"
                    " e.dispatchEvent(new Event('change', { bubbles: true })); }",
                    self.draw.randrange(count),
                )

    def type(self, page: Any) -> None:
        found = self.some(page, "main input[type=number], main input[type=text]")
        if found:
            words = ["0", "5", "-1", "99999999", "1e9", "", "3.5", "*,1", "zz", "'\"<b>", "\u6f22"]
            text = self.draw.choice(words)
            found.evaluate(
                "(e, x) => { e.value = x; e.dispatchEvent(new Event('input', { bubbles: true }));"
                " e.dispatchEvent(new Event('change', { bubbles: true })); }",
                text,
            )

    def press(self, page: Any) -> None:
        for _ in range(self.draw.randrange(1, 6)):
            page.keyboard.press(self.draw.choice(KEYS))

    def stroke(self, page: Any) -> None:
        found = self.some(page, "canvas.paper")
        box = found and found.bounding_box()
        if box:
            at = lambda: (  # noqa: E731
                box["x"] + self.draw.random() * box["width"],
                box["y"] + self.draw.random() * box["height"],
            )
            page.mouse.move(*at())
            page.mouse.down()
            for _ in range(self.draw.randrange(1, 5)):
                page.mouse.move(*at(), steps=3)
            page.mouse.up()

    def drag(self, page: Any) -> None:
        cell, slot = self.some(page, ".cell"), self.some(page, ".slot")
        if cell and slot:
            cell.evaluate(
                "(e, to) => { const data = new DataTransfer(); data.setData('text/plain',"
                " e.dataset.ref); to.dispatchEvent(new DragEvent('drop', { dataTransfer: data,"
                " bubbles: true, cancelable: true })); }",
                slot,
            )

    def upload(self, page: Any) -> None:
        found = page.query_selector("#file")
        if found:
            found.set_input_files(files=[self.draw.choice(self.files)])

    def reload(self, page: Any) -> None:
        page.reload()

    def back(self, page: Any) -> None:
        page.evaluate("history.back()")
        page.wait_for_timeout(200)
        if not page.url.startswith(self.url):
            page.goto(self.url)

    def go(self, page: Any) -> None:
        page.evaluate("(to) => { location.hash = to; }", self.draw.choice(HASHES))


def picture() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.effect_noise((70, 50), 80).save(file, "PNG")
    return file.getvalue()


def use(url: str, minutes: float, seed: int) -> tuple[Counter[str], list[str]]:
    """Random use for so long: what was done, and the faults."""
    from playwright.sync_api import Error, TimeoutError

    draw, faults = random.Random(seed), []
    monkey = Monkey(url, draw, picture())

    def watch(page: Any, name: str) -> None:
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(f"{name}: {error} at {page.url}"))
        page.on("console", lambda said: said_so(said, name, page.url))
        page.on("response", lambda reply: replied(reply, name))
        page.on("request", lambda asked: left(asked, name))

    def said_so(said: Any, name: str, at: str) -> None:
        if said.type == "error" and "Failed to load resource" not in said.text:
            faults.append(f"{name}: console: {said.text} at {at}")

    def replied(reply: Any, name: str) -> None:
        if reply.status >= 500:
            faults.append(f"{name}: {reply.status} of {reply.url} {reply.request.post_data}")

    def left(asked: Any, name: str) -> None:
        if not asked.url.startswith((url, "blob:", "data:")):
            faults.append(f"{name}: asked for {asked.url}")

    with browser() as chromium:
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
        sizes = {"desk": {}, "tab 2": {}, "phone": phone}
        pages = {}
        for name, how in sizes.items():
            pages[name] = chromium.new_context(**how).new_page()
            watch(pages[name], name)
            pages[name].goto(url)
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            name = draw.choice([*pages])
            page = pages[name]
            try:
                monkey.act(page)
                page.wait_for_timeout(draw.choice([0, 0, 20, 200, 800]))
                if draw.random() < 0.1:
                    wide, has = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                    if wide > has:
                        faults.append(f"{name}: {wide} wide in {has} at {page.url}")
            except (Error, TimeoutError) as error:
                # what it wanted to touch was gone, or covered, by then
                if not any(w in str(error) for w in GONE):
                    faults.append(f"{name}: {str(error)[:300]}")
    return monkey.done, faults


GONE = (
    "not attached", "Timeout", "outside of the viewport", "navigat", "context was destroyed",
    "not visible", "intercepts", "Element is not", "JSHandle is disposed",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url")
    args = parser.parse_args()
    process, url = (None, args.url) if args.url else started(args.runs)
    try:
        done, faults = use(url, args.minutes, args.seed)
    finally:
        if process is not None:
            process.terminate()
            process.wait(60)
    print(f"{done.total()} deeds: {dict(done.most_common())}")
    for fault in dict.fromkeys(faults):
        print(f"FAULT {faults.count(fault)} times: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
