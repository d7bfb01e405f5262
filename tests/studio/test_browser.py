"""The page in headless Chromium: moved, drawn on, linked to, on a phone, without a server.

Pages may not evaluate texts (their policy forbids it), so the tests wait by asking again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.studio.conftest import Page, serve
from tests.study.browser import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route
    from playwright.sync_api import Page as Tab

PIXELS = """(which) => {
  const canvas = document.querySelector(which);
  if (!canvas || !canvas.width) return '';
  return canvas.toDataURL();
}"""
BIG = ".tools .pair figure canvas"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens pages; at the end none of them has written an error to its console."""
    errors: list[str] = []
    contexts = []

    def opened(address: str, **how: Any) -> Tab:
        context = chromium.new_context(**how)
        contexts.append(context)
        made = context.new_page()
        made.set_default_timeout(120_000)
        made.on("pageerror", lambda error: errors.append(str(error)))
        made.on(
            "console",
            lambda said: errors.append(said.text) if said.type in ("error", "warning") else None,
        )
        made.goto(address)
        return made

    yield opened
    for context in contexts:
        context.close()
    # what a browser itself says of a status that the page shows in words
    assert [e for e in errors if "Failed to load resource" not in e] == []


def until(holds: Callable[[], Any]) -> Any:
    end = time.monotonic() + 120
    while not (result := holds()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return result


def address(made: Tab) -> str:
    """Where the page is now, asked of the page: `Tab.url` stands still between two calls to it."""
    return str(made.evaluate("location.href"))


def settled(made: Tab, which: str = BIG) -> str:
    """The pixels of a canvas, once they have stopped to change."""
    before = ""
    while True:
        now = until(lambda: made.evaluate(PIXELS, which))
        if now == before:
            return str(now)
        before = now
        made.wait_for_timeout(400)


def test_a_code_is_moved_by_keyboard_and_its_link_restores_it(
    page: Page, tab: Callable[..., Tab]
) -> None:
    made = tab(f"{page.url}#run=vae&n=9&seed=2")
    made.wait_for_selector(".cell")
    assert made.locator(".cell").count() == 9
    made.click(".cell >> nth=4")
    until(lambda: "sample 4" in made.inner_text(".tools figcaption"))
    before = settled(made)
    slider = made.get_by_role("slider", name="z0")
    slider.focus()
    for _ in range(30):
        made.keyboard.press("ArrowRight")
    until(lambda: "1 number moved" in made.inner_text(".tools figcaption"))
    after = settled(made)
    assert after != before
    until(lambda: "set=0:" in address(made))
    assert {"run=vae", "pick=4", "seed=2"} <= {*address(made).partition("#")[2].split("&")}
    other = tab(address(made))  # a second tab, which knows nothing but the link
    until(lambda: "1 number moved" in (other.text_content(".tools figcaption") or ""))
    assert settled(other) == after
    assert other.get_by_role("slider", name="z0").input_value() == slider.input_value()
    other.get_by_role("button", name="Reset number 0").click()
    until(lambda: settled(other) == before)
    nameless = made.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=img]')].filter((e) =>
          e.offsetParent && !(e.labels && e.labels.length) && !e.getAttribute('aria-label')
          && !e.textContent.trim()).map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_many_moves_send_few_requests_and_end_at_the_last(
    page: Page, tab: Callable[..., Tab]
) -> None:
    made = tab(f"{page.url}#run=vae&n=4")
    made.wait_for_selector(".slider input")
    settled(made)
    stats = made.evaluate(
        """async () => {
          const range = document.querySelector('.slider input');
          const before = { ...window.studio.stats };
          for (let i = 0; i <= 200; i++) {
            range.value = -3 + 0.03 * i;
            range.dispatchEvent(new Event('input', { bubbles: true }));
            if (i % 20 === 0) await new Promise((r) => setTimeout(r, 1));
          }
          return { asked: window.studio.stats.asked - before.asked,
                   d: range.dataset.d };
        }"""
    )
    assert stats["asked"] == 201
    dragged = settled(made)
    sent = made.evaluate("window.studio.stats.sent")
    assert sent < 60, "of 201 moves most are skipped"
    exact = tab(f"{page.url}#run=vae&n=4&set={stats['d']}:3")
    until(lambda: "moved" in (exact.text_content(".tools figcaption") or ""))
    assert settled(exact) == dragged


def test_walk_sum_drawing_and_completion(page: Page, tab: Callable[..., Tab]) -> None:
    made = tab(f"{page.url}#run=vae&n=9&tool=walk")
    made.wait_for_selector(".strip canvas")
    made.click(".cell >> nth=2")
    made.click(".cell >> nth=7")
    until(lambda: "from 2 to 7" in made.inner_text(".tools"))
    assert {made.locator(f".cell[data-mark={m}]").get_attribute("data-ref") for m in "AB"} == {
        "2",
        "7",
    }
    with made.expect_download() as saved:
        made.get_by_role("button", name="Save GIF").click()
    assert Path(saved.value.path()).read_bytes()[:6] == b"GIF89a"

    made.get_by_role("tab", name="A − B + C").click()
    for slot, sample in (("A", 1), ("B", 5), ("C", 3)):
        line = made.get_by_role("button", name=f"{slot}:")
        line.click()
        until(lambda line=line: line.get_attribute("aria-pressed") == "true")
        made.click(f".cell >> nth={sample}")
        until(lambda line=line: "samples" in (line.get_attribute("aria-label") or ""))
    until(lambda: "sum of the means" in made.inner_text(".tools"))
    assert "plus=1&minus=5&third=3" in until(
        lambda: now if "third=3" in (now := address(made)) else ""
    )

    made.get_by_role("button", name="Pictures").click()
    box = until(lambda: made.locator("canvas[aria-label='Draw here']").bounding_box())
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 4
    made.mouse.move(x, y)
    made.mouse.down()
    made.mouse.move(x, y + box["height"] / 3, steps=4)
    made.mouse.up()
    until(lambda: "mean squared error" in made.inner_text("#pictures"))
    until(lambda: "at least" in made.inner_text("#pictures"))
    seen = settled(made, "canvas[aria-label='the picture as the model sees it']")
    blank = made.evaluate("document.createElement('canvas').toDataURL()")
    assert seen != blank
    assert "a vae cannot complete images" in made.inner_text("#pictures")
    made.set_input_files("#file", files=[{"name": "no.png", "mimeType": "", "buffer": b"hello"}])
    made.wait_for_selector(".problem")
    assert len(made.inner_text(".problem").splitlines()) == 1

    made.select_option("#run", "pixelcnn")
    made.wait_for_selector("canvas[aria-label='Erase here']")
    made.get_by_role("button", name="Take").click()
    until(lambda: "nats" in made.inner_text("#pictures"))
    box = until(lambda: made.locator("canvas[aria-label='Erase here']").bounding_box())
    made.mouse.move(box["x"] + 10, box["y"] + box["height"] - 20)
    made.mouse.down()
    made.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] - 20, steps=3)
    made.mouse.up()
    until(lambda: made.locator("canvas[aria-label='completion 4']").count())


def test_a_file_takes_the_place_of_a_drawing_that_is_on_its_way(
    page: Page, tab: Callable[..., Tab]
) -> None:
    made = tab(f"{page.url}#run=vae&view=pictures")
    held: list[Route] = []
    made.route("**/api/pictures?name=drawing.png", lambda route: held.append(route))
    box = until(lambda: made.locator("canvas[aria-label='Draw here']").bounding_box())
    made.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(lambda: made.evaluate("true") and held)
    made.set_input_files("#file", files=[{"name": "no.png", "mimeType": "", "buffer": b"hello"}])
    made.wait_for_selector(".problem")
    with made.expect_response("**/api/pictures?name=drawing.png"):
        held[0].continue_()
    made.wait_for_timeout(600)
    assert made.locator(".problem").count() == 1
    assert hashlib.sha256(b"hello").hexdigest()[:16] in address(made)


def test_it_fits_a_phone_and_works_by_touch(page: Page, tab: Callable[..., Tab]) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    made = tab(f"{page.url}#run=vae&n=9", **phone)
    made.wait_for_selector(".slider input")
    made.tap(".cell >> nth=3")
    until(lambda: "sample 3" in made.inner_text(".tools figcaption"))
    for view, there in (
        ("Explore", ".cell"), ("Pictures", ".paper"), ("Watch", ".gridbox img"),
        ("Train", "details .form"),
    ):  # fmt: skip
        made.get_by_role("button", name=view, exact=True).tap()
        made.wait_for_selector(there)
        assert made.evaluate("document.documentElement.scrollWidth") <= 390, view


def test_a_lost_server_is_said_and_found_again(home: Path, tab: Callable[..., Tab]) -> None:
    first = serve([home], home)
    page = next(first)
    made = tab(f"{page.url}#run=vae&n=4&view=watch")
    made.wait_for_selector("svg.chart")
    made.get_by_role("button", name="Explore").click()
    made.wait_for_selector(".slider input")
    settled(made)
    with pytest.raises(StopIteration):
        next(first)
    made.fill("#seed", "5")
    made.keyboard.press("Tab")
    until(lambda: made.is_visible("#lost"))
    again = serve([home], home, page.port)
    assert next(again).port == page.port
    until(lambda: not made.is_visible("#lost"))
    until(lambda: "4 samples" in made.inner_text(".stage"))
    assert "seed=5" in until(lambda: now if "seed" in (now := address(made)) else "")
    with pytest.raises(StopIteration):
        next(again)
