"""The status page in a browser: what changes without being asked for, and what works without JavaScript."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.events.event import Files
from pipeline.watch.web import routes, streams
from tests.helpers.browser import SCREENSHOTS, chromium
from tests.helpers.events import peak
from tests.helpers.servers import held_port
from tests.helpers.statuspage import TOKEN, FakeCamera, fake, jpeg, live_event, page_of, points

_PIXEL = """picture => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].join();
}"""
_COLOURS = f"""([picture, count]) => new Promise(done => {{
  const colour = {_PIXEL}, seen = new Set();
  const look = () => {{
    seen.add(colour(picture));
    seen.size >= count ? done(seen.size) : setTimeout(look, 50);
  }};
  look();
}})"""
"""Waits until a picture has had so many colours."""
_PLACE = """() => {
  const { x, y, width, height } = document.querySelector("#yard-snooze button").getBoundingClientRect();
  return [x, y, width, height];
}"""
"""Finds a button and measures it at once: each message of the page puts another one in its place."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


class Tab:
    """A page, and what the browser complains about."""

    def __init__(self, browser: Any, url: str, *, width: int = 1100, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # A live picture never ends to load.
        self.page.goto(url, wait_until="domcontentloaded")

    def __enter__(self) -> "Tab":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def yard(folder: Path) -> FakeCamera:
    """A camera with an alarm, an event with a picture, and strips."""
    now = datetime.now(UTC)
    (folder / "thumbs").mkdir(parents=True)
    (folder / "thumbs" / "a.jpg").write_bytes(jpeg(7))
    goes_on = live_event(9, type="new", start=now, peak=peak(time=now), files=Files(thumbnail="thumbs/a.jpg"))
    return fake(
        folder,
        alarm=True,
        rarity_hours=6.3,
        censored=True,
        profile="night",
        notes=("no calibration of profile night: its frames are held against the strictest, that of day",),
        drift="ok: as in the calibration",
        events=[
            goes_on,
            live_event(1, files=Files(thumbnail="thumbs/a.jpg"), label="real"),
            live_event(2, kind="camera_down", peak=None, threshold=None),
        ],
        minutes=points(2, 300, now, 1),
        day=points(300, 288, now, 2),
    )


def test_the_live_picture_changes(browser: Any, tmp_path: Path) -> None:
    with page_of({"yard": fake(tmp_path)}) as server, Tab(browser, server.url) as tab:
        picture = tab.page.query_selector("img[data-kind=live]")
        assert tab.page.evaluate(_COLOURS, [picture, 4]) == 4
        assert tab.complaints == []


def test_still_pictures_of_many_cameras_are_renewed(browser: Any, tmp_path: Path) -> None:
    cameras = {f"yard{number}": fake(tmp_path / str(number)) for number in range(6)}
    with page_of(cameras) as server, Tab(browser, server.url) as tab:
        pictures = tab.page.query_selector_all("img[data-kind=picture]")
        assert len(pictures) == 6
        assert tab.page.evaluate(_COLOURS, [pictures[5], 2]) == 2
        tab.page.click("#yard5-now .word")  # the page is not waiting for anything
        assert tab.complaints == []


@pytest.mark.parametrize("script", [True, False])
def test_nothing_moves_when_the_picture_comes(browser: Any, tmp_path: Path, script: bool) -> None:
    camera = fake(tmp_path)
    camera.is_seen = False
    with page_of({"yard": camera}) as server, Tab(browser, server.url, java_script_enabled=script) as tab:
        before = tab.page.evaluate(_PLACE)
        assert all(before)
        camera.is_seen = True
        tab.page.wait_for_timeout(1000)
        assert tab.page.evaluate(_PLACE) == before


def test_an_alarm_is_shown_within_a_second(browser: Any, tmp_path: Path) -> None:
    camera = fake(tmp_path)
    with page_of({"yard": camera}) as server, Tab(browser, server.url) as tab:
        tab.page.wait_for_selector("#yard-now .word.good")
        for _ in range(3):
            camera.shown = replace(camera.shown, alarm=True)
            tab.page.wait_for_selector("#yard-now .word.alarm")
            tab.page.wait_for_selector("#yard-place .place")
            camera.shown = replace(camera.shown, alarm=False)
            tab.page.wait_for_selector("#yard-now .word.alarm", state="detached")
        # What a page may be late by design, whatever the machine is busy with.
        assert streams.TICK_SECONDS + routes._FRESH < 1.0
        assert tab.complaints == []


def test_an_event_appears_and_takes_a_label_without_leaving_the_page(browser: Any, tmp_path: Path) -> None:
    camera = fake(tmp_path)
    with page_of({"yard": camera}) as server, Tab(browser, server.url) as tab:
        tab.page.wait_for_selector("text=None so far.")
        camera.happened = [live_event()]
        tab.page.wait_for_selector(".card")
        tab.page.evaluate("window.before = true")
        tab.page.focus("text=normal")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("button[aria-pressed=true] >> text=normal")
        assert camera.happened[0].label == "normal"
        assert tab.page.evaluate("window.before && document.activeElement.textContent") == "normal"
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("button[aria-pressed=true]", state="detached")
        assert camera.happened[0].label is None
        assert tab.complaints == []


@pytest.mark.parametrize("script", [True, False])
def test_a_camera_is_snoozed_and_woken(browser: Any, tmp_path: Path, script: bool) -> None:
    camera = fake(tmp_path)
    with (
        page_of({"yard": camera}) as server,
        Tab(browser, server.url, java_script_enabled=script) as tab,
    ):
        tab.page.click("text=8 h", no_wait_after=True)
        tab.page.wait_for_selector(".word >> text=/snoozed until/")
        until = camera.shown.snoozed_until
        assert until is not None
        assert 7.9 < (until - datetime.now(UTC)).total_seconds() / 3600 <= 8
        tab.page.click("text=tell again", no_wait_after=True)
        tab.page.wait_for_selector("text=tell again", state="detached")
        assert camera.shown.snoozed_until is None


def test_all_is_listed_without_javascript(browser: Any, tmp_path: Path) -> None:
    cameras = {"yard": yard(tmp_path / "yard"), "gate": fake(tmp_path / "gate", state="down")}
    with (
        page_of(cameras) as server,
        Tab(browser, server.url, java_script_enabled=False) as tab,
    ):
        tab.page.wait_for_selector(".card.open")
        assert tab.page.locator(".camera h3").all_inner_texts() == ["yard", "gate"]
        assert tab.page.locator("#events .card").count() == 3
        assert tab.page.locator("figure").count() == 2
        tab.page.click("#gate-now .word >> text=down")
        tab.page.click("a >> text=yard", no_wait_after=True)
        tab.page.wait_for_selector("#yard-snooze button")
        tab.page.wait_for_selector("#yard-day figure")


def test_a_page_that_lost_its_watch_says_so_and_comes_back(browser: Any, tmp_path: Path) -> None:
    with held_port() as port:
        with page_of({"yard": fake(tmp_path)}, port=port) as server:
            tab = Tab(browser, server.url)
            tab.page.wait_for_selector("#lost", state="hidden")
        tab.page.wait_for_selector("#lost", state="visible")
        with page_of({"yard": fake(tmp_path, reason="again")}, port=port):
            tab.page.wait_for_selector("text=again")
            tab.page.wait_for_selector("#lost", state="hidden")
            picture = tab.page.query_selector("img[data-kind=live]")
            assert tab.page.evaluate(_COLOURS, [picture, 3]) == 3
            tab.context.close()


def test_whoever_does_not_look_takes_no_connection(browser: Any, tmp_path: Path) -> None:
    camera = fake(tmp_path)
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with page_of({"yard": camera}) as server, Tab(browser, server.url) as tab:
        picture = tab.page.query_selector("img[data-kind=live]")
        tab.page.evaluate(_COLOURS, [picture, 2])
        tab.page.evaluate(hide, True)
        before = (-1, -1)
        while before != (camera.looks, camera.pictures):
            before = camera.looks, camera.pictures
            tab.page.wait_for_timeout(1500)
        tab.page.evaluate(hide, False)
        assert tab.page.evaluate(_COLOURS, [picture, 3]) == 3
        assert tab.complaints == []


def test_the_token_is_asked_for_once(browser: Any, tmp_path: Path) -> None:
    with page_of({"yard": fake(tmp_path)}, TOKEN) as server, Tab(browser, server.url) as tab:
        tab.page.fill("input[type=password]", "wrong")
        tab.page.click("button", no_wait_after=True)
        tab.page.wait_for_selector("text=This is not the token.")
        tab.page.fill("input[type=password]", TOKEN)
        tab.page.click("button", no_wait_after=True)
        tab.page.wait_for_selector("#yard-now")
        picture = tab.page.query_selector("img[data-kind=live]")
        assert tab.page.evaluate(_COLOURS, [picture, 2]) == 2
        assert TOKEN not in tab.page.content()


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_the_pages_fit_their_windows(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    lane = fake(
        tmp_path / "lane",
        limit_hours=None,
        least_hours=None,
        missing="no calibration, so no alarm is raised; make one: python cli.py calibrate runs/yard",
    )
    black = live_event(3, type="new", kind="black", peak=None, threshold=None)
    gate = fake(tmp_path / "gate", state="down", reason="connection refused", events=[black])
    cameras = {"yard": yard(tmp_path / "yard"), "gate": gate, "lane": lane}
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with page_of(cameras) as server:
        for name, path in (("all", ""), ("one", "cameras/yard")):
            with Tab(browser, server.url + path, width=width, color_scheme=scheme) as tab:
                tab.page.wait_for_selector("#yard-place .place")
                tab.page.evaluate(_COLOURS, [tab.page.query_selector("img"), 2])
                assert tab.page.evaluate("document.documentElement.scrollWidth") == width
                tab.page.screenshot(path=SCREENSHOTS / f"watch-{name}-{width}-{scheme}.png", full_page=True)
                assert tab.complaints == []
