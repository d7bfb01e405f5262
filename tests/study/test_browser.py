"""The page as a participant meets it, in headless Chromium."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from genarium.cli import main
from genarium.study import manifest as manifests
from genarium.study.store import Row, Store
from tests.study.browser import browser
from tests.study.conftest import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

Serve = Callable[..., Served]
OPEN = "#real[aria-disabled=false]:visible"
ANYTHING = f"{OPEN}, #next:visible, #ready:visible, #end:visible, #problem:visible"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh profile; its pages may not raise errors or load anything from elsewhere."""
    context = chromium.new_context(viewport={"width": 1000, "height": 760})
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on(
        "request",
        lambda r: (
            None
            if r.url.startswith(("http://127.0.0.1:", "blob:", "data:"))
            else wrong.append(r.url)
        ),
    )
    context.set_default_timeout(200_000)
    yield context
    context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def shared(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """A study and its server for tests that need no more than a participant of their own."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("shared") / "study"))
    with served(folder) as server:
        yield folder, server


def rows(study: Path, link: str) -> list[Row]:
    """What is stored of the participant with this link."""
    store = Store(study / "answers.sqlite", manifests.read(study).id)
    result = store.of(link.rpartition("/")[2])
    store.close()
    return result


def answered(study: Path, link: str) -> int:
    return sum(row.given is not None for row in rows(study, link))


def until(true: Callable[[], bool]) -> None:
    """Waits for what the page shows; in here, since its policy lets nothing be evaluated there."""
    end = time.monotonic() + 200
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def start(page: Page, server: Served) -> str:
    """From the start screen to the first practice picture, by keyboard; gives the own link."""
    page.goto(server.url)
    page.wait_for_selector("#start:visible")
    page.focus("#start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ready:visible")
    link = page.url
    assert "/p/" in link
    assert page.inner_text("#link") == link
    page.keyboard.press("Space")
    page.wait_for_selector(OPEN)
    return link


def step(page: Page, key: str) -> bool:
    """One press of whatever is asked for; gives whether a picture was judged."""
    page.wait_for_selector(ANYTHING)
    if page.is_visible("#check") and page.is_visible(OPEN):
        page.keyboard.press("j" if "real" in page.inner_text("#check-text") else "f")
        judged = False
    elif page.is_visible(OPEN):
        judged = page.inner_text("#stage-name") == "Pictures"
        page.keyboard.press(key)
    else:
        page.keyboard.press("Space")
        return False
    # acknowledged: the mark of the answer has gone from view, with the next trial or with all
    until(lambda: not page.is_visible(".given"))
    return judged


def judge(page: Page, pictures: int, keys: str = "fj") -> None:
    """Judge so many pictures after practice, by keys in turn."""
    done = 0
    while done < pictures:
        done += step(page, keys[done % len(keys)])


def test_forty_pictures_by_keyboard_closed_resumed_and_reported(
    study: Path, serve: Serve, context: BrowserContext, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(study)
    page = context.new_page()
    link = start(page, server)
    judge(page, 17)
    page.close()

    page = context.new_page()
    page.goto(server.url)
    page.click("#again")  # the start screen knows that somebody stopped here
    page.wait_for_selector("#ready:visible")
    assert page.url == link
    assert page.inner_text("#rest-title") == "Welcome back"
    judge(page, 22)
    page.close()

    page = context.new_page()  # the last one by the link alone
    page.goto(link)
    judge(page, 1)
    while not page.is_visible("#end"):
        step(page, "f")
    assert "Thank you" in page.inner_text("#end")
    page.reload()
    page.wait_for_selector("#end:visible")

    result = rows(study, link)
    assert len(result) == 46
    assert all(row.given for row in result)
    test = [row for row in result if row.trial.kind == "test"]
    assert len(test) == 40
    assert all(row.right for row in result if row.trial.kind == "check")
    assert all(row.given and 0 < row.given.response_ms < 60_000 for row in result)
    assert main(["study", "report", str(study)]) == 0
    assert "HYPE" in capsys.readouterr().out
    with (study / "answers.csv").open() as file:
        said = [row["answer"] for row in csv.DictReader(file) if row["kind"] == "test"]
    keys = ("fj" * 9)[:17] + ("fj" * 11)[:22] + "f"
    assert said == [{"f": "fake", "j": "real"}[key] for key in keys]


def test_double_keys_clicks_and_refresh_count_once(
    study: Path, serve: Serve, context: BrowserContext
) -> None:
    server = serve(study)
    page = context.new_page()
    link = start(page, server)
    page.evaluate("""() => {
        for (let i = 0; i < 5; i++) document.querySelector('#fake').click();
        for (const key of 'jfj') document.dispatchEvent(new KeyboardEvent('keydown', {key}));
    }""")
    page.wait_for_selector("#next:visible")
    assert answered(study, link) == 1
    assert rows(study, link)[0].given is not None
    assert rows(study, link)[0].given.answer == "fake"  # type: ignore[union-attr]
    page.reload()
    page.wait_for_selector("#ready:visible")
    assert answered(study, link) == 1
    page.go_back()
    page.goto(link)
    page.wait_for_selector("#ready:visible")
    page.keyboard.press("Space")
    page.wait_for_selector(OPEN)
    assert page.inner_text("#count") == "2 of 4"

    other = context.new_page()  # the same participant in a second window
    other.goto(link)
    other.wait_for_selector("#ready:visible")
    other.keyboard.press("Space")
    other.wait_for_selector(OPEN)
    other.keyboard.press("j")
    other.wait_for_selector("#next:visible")
    page.keyboard.press("f")  # too late for the second picture
    until(lambda: page.inner_text("#count") == "3 of 4")
    page.wait_for_selector(OPEN)
    assert answered(study, link) == 2
    assert rows(study, link)[1].given.answer == "real"  # type: ignore[union-attr]


def test_practice_tells_the_truth_and_the_study_does_not(
    shared: tuple[Path, Served], context: BrowserContext
) -> None:
    study, server = shared
    page = context.new_page()
    link = start(page, server)
    truth = [row.trial.wanted for row in rows(study, link)]
    for wanted in truth[:4]:
        page.wait_for_selector(OPEN)
        page.keyboard.press("j")
        page.wait_for_selector("#next:visible")
        message = page.inner_text("#question")
        assert message == ("Right: it is real." if wanted == "real" else "No: a model made it.")
        page.keyboard.press("Space")
    page.wait_for_selector("#ready:visible")
    page.keyboard.press("Space")
    page.wait_for_selector(OPEN)
    page.keyboard.press("j")
    until(lambda: page.inner_text("#count").startswith("2 of"))
    assert not page.is_visible("#next")
    assert page.inner_text("#question") in ("Real or fake?", "Answer as the card says")


def test_an_answer_waits_until_the_server_is_back(
    study: Path, serve: Serve, context: BrowserContext
) -> None:
    server = serve(study)
    page = context.new_page()
    link = start(page, server)
    server.process.kill()
    server.process.wait()
    page.keyboard.press("j")
    until(lambda: "not stored" in page.inner_text("#status"))
    assert not page.is_visible("#next")
    again = serve(study, "--port", str(server.port))
    assert again.port == server.port
    page.wait_for_selector("#next:visible")
    assert answered(study, link) == 1


def test_timed_pictures_stand_as_long_as_planned_and_are_masked(
    timed: Path, serve: Serve, context: BrowserContext
) -> None:
    server = serve(timed)
    page = context.new_page()
    page.add_init_script("""
        window.drawn = [];
        const draw = CanvasRenderingContext2D.prototype.drawImage;
        CanvasRenderingContext2D.prototype.drawImage = function (...rest) {
            window.drawn.push(performance.now());
            return draw.apply(this, rest);
        };
    """)
    link = start(page, server)
    planned = 500
    picture, mask = page.evaluate("window.drawn")
    assert planned - 60 < mask - picture < planned + 200, "picture, then mask, each drawn once"
    for _ in range(5):
        step(page, "j")
    for row in rows(timed, link):
        if row.given and row.trial.picture:
            assert row.given.exposure_ms is not None
            assert row.given.shown_ms is not None
            # a loaded machine may drop frames and show longer, never clearly shorter
            assert row.given.shown_ms > row.given.exposure_ms - 17
    assert answered(timed, link) >= 2
    # a key during the picture is no answer
    while not page.is_visible("#fixation"):
        step(page, "j") if page.is_visible(ANYTHING) else page.wait_for_timeout(5)
    before = answered(timed, link)
    page.keyboard.press("f")
    assert answered(timed, link) == before


def test_it_works_by_touch_on_a_phone(shared: tuple[Path, Served], chromium: Browser) -> None:
    study, server = shared
    phone = chromium.new_context(
        viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True
    )
    page = phone.new_page()
    page.goto(server.url)
    page.tap("#start")
    page.tap("#ready")
    page.wait_for_selector(OPEN)
    boxes = {name: page.locator(f"#{name}").bounding_box() for name in ("fake", "real", "canvas")}
    for box in boxes.values():
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 640, "all of it is seen without scrolling"
    assert boxes["real"]["height"] >= 44  # type: ignore[index]
    assert boxes["canvas"]["width"] % 16 == 0, "whole steps of enlargement"  # type: ignore[index]
    page.tap("#real")
    page.wait_for_selector("#next:visible")
    page.tap("#next")
    page.wait_for_selector(OPEN)
    assert answered(study, page.url) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    phone.close()


def test_a_link_of_nobody_says_so(shared: tuple[Path, Served], context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{shared[1].url}/p/nobody")
    page.wait_for_selector("#problem:visible")
    assert "belongs to no participant" in page.inner_text("#problem")


def test_names_and_focus_for_those_who_do_not_see_the_page(
    shared: tuple[Path, Served], context: BrowserContext
) -> None:
    page = context.new_page()
    start(page, shared[1])
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.get_by_role("button", name="Fake").get_attribute("aria-keyshortcuts")
    assert page.get_by_role("progressbar").get_attribute("aria-label") == "Progress"
    assert page.get_by_role("img").get_attribute("aria-label") == "The picture to judge"
    page.keyboard.press("j")
    page.wait_for_selector("#next:visible")
    assert page.evaluate("document.activeElement.id") == "question", "feedback is read out"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "next"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
