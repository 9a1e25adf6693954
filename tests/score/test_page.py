"""The page of a scored video: what it says, that it runs nothing, and that a browser shows it."""

import dataclasses
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.events.event import Event, Files
from pipeline.score.curve import Curve, Height
from pipeline.score.page import Shown, Standard, render
from pipeline.score.record import Result, Took
from pipeline.scoring.drifting import Drift
from shards.storage import Storage
from tests.helpers.browser import SCREENSHOTS, chromium, opened
from tests.helpers.events import event, peak

PROMISE = "With 90 % confidence there is at most one alarm per hour."
STANDARD = Standard(
    promise=PROMISE,
    alarms_per_hour=1.0,
    least_hours=0.005,
    limits={None: 2.1},
    hours=6.3,
)
RESULT = Result(
    frames=18_000,
    seconds=3600.0,
    took=Took(total=720.0, scoring=600.0, waiting=20.0, decoding=200.0),
    is_calibrated=True,
    notes=(),
    seen=None,
    drift=None,
)
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='x", "&lt;b&gt;"]


class Read(HTMLParser):
    """What a page is made of, as a browser would read it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str, kind: str | None = None) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name, and of a class."""
        found = [attributes for name, attributes in self.tags if name == tag]
        return [a for a in found if kind is None or kind in (a.get("class") or "").split()]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def an_hour(*, gap: bool = False) -> Curve:
    """Usual, but for ten minutes that are rarer and rarer."""
    curve = Curve()
    for second in range(0, 3600, 2):
        if gap and 600 <= second < 1200:
            continue
        ago = second - 1800
        hours = min(6.3, 0.005 * 4 ** (ago / 60)) if 0 < ago < 600 else 0.005
        curve.push(second, Height(hours, second / 1000, hours == 6.3), restart=gap and second == 1200)
    return curve


def two(**changes: Any) -> list[Event]:
    """Events, of which the first is known to be rare and the second is rarer than anybody can tell."""
    known = peak(seconds=1900.0, evidence=8.0, rarity_hours=3.2, censored=False)
    first = event(190, peak=known, files=Files(clip="clips/a.mp4", thumbnail="thumbs/a.jpg"))
    return [dataclasses.replace(first, **changes), event(210, files=Files(thumbnail="thumbs/b.jpg"))]


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    (tmp_path / "thumbs").mkdir()
    for name in "ab":
        (tmp_path / "thumbs" / f"{name}.jpg").write_bytes(b"\xff\xd8 a picture")
    return Storage(str(tmp_path))


def shown(events: Sequence[Event] = (), **changes: Any) -> Shown:
    given: dict[str, Any] = {
        "name": "yard",
        "source": "/videos/yard.mp4",
        "result": RESULT,
        "events": events,
        "curve": an_hour(),
        "standard": STANDARD,
        "overlay": "overlay.mp4",
    }
    return Shown(**{**given, **changes})


def read(folder: Storage, events: Sequence[Event] = (), **changes: Any) -> Read:
    return Read(render(shown(events, **changes), folder))


def test_the_page_says_what_was_found_how_rare_and_what_is_promised(folder: Storage) -> None:
    page = read(folder, two())
    assert "2events" in page.text
    assert "at most 1 expected per hour of normal video" in page.text
    assert "> 6.3 hrarity of the strongestat 0:35:02, middle left" in page.text
    assert "1:00:00of video18,000 frames scored" in page.text
    assert "25frames per second5 \N{MULTIPLICATION SIGN} real time" in page.text
    assert "0:31:404.5 s long · once in 3.2 h · middle left · clip" in page.text
    assert "once in more than 6.3 h" in page.text
    assert PROMISE in page.text


@pytest.mark.parametrize(("verdict", "kind"), [("ok", "muted"), ("watch", "note"), ("recalibrate", "note")])
def test_the_page_says_whether_the_camera_sees_what_it_was_calibrated_on(
    folder: Storage, verdict: Any, kind: str
) -> None:
    words = f"{verdict}: the last hour of <b>video</b>"
    drift = Drift(verdict=verdict, seen_hours=2.0, alarms=3, excess=1.0, shares=None, words=words)
    page = read(folder, result=dataclasses.replace(RESULT, drift=drift))
    assert f"Drift since the calibration: {words}." in page.text
    assert page.all("p", kind)[-1]["class"] == kind
    silent = dataclasses.replace(RESULT, drift=dataclasses.replace(drift, verdict=None, words=""))
    assert "Drift" not in read(folder, result=silent).text


def test_pictures_clips_and_overlay_are_there_to_look_at(folder: Storage) -> None:
    page = read(folder, two())
    assert [image["alt"] for image in page.all("img")] == [
        "the strongest frame, at 0:31:40",
        "the strongest frame, at 0:35:02",
    ]
    events = two()
    links = [link["href"] for link in page.all("a")]
    assert links == [f"#{events[0].id}", f"#{events[1].id}", "overlay.mp4", "clips/a.mp4"]
    assert {card["id"] for card in page.all("article")} == {one.id for one in events}


def test_the_curve_has_its_alarms_its_limit_and_names_of_rarities(folder: Storage) -> None:
    page = read(folder, two())
    assert len(page.all("rect", "alarm")) == 2
    assert len(page.all("line", "limit")) == len(page.all("span", "limit")) == 1
    assert len(page.all("path", "curve")) == 1
    assert len(page.all("div", "beyond")) == 1
    for words in (
        "usual",
        "1 min",
        "10 min",
        "2.1 h",
        "6.3 h",
        "level of an alarm: once in 2.1 h",
        "0:40:00",
    ):
        assert words in page.words
    assert "rarer than 6.3 h of calibration can tell; the higher, the stronger" in page.words


def test_a_limit_beyond_all_that_can_be_told_is_said_to_be(folder: Storage) -> None:
    page = read(folder, standard=dataclasses.replace(STANDARD, limits={None: 6.3}))
    assert "level of an alarm: once in more than 6.3 h" in page.words
    assert page.words.count("6.3 h") == 1


def test_a_gap_is_left_open_and_told(folder: Storage) -> None:
    page = read(folder, curve=an_hour(gap=True))
    assert len(page.all("path", "curve")) == 2
    assert len(page.all("rect", "unseen")) == 1
    assert "1gap10 min without a score" in page.text
    assert "no score" in page.words


def test_without_a_calibration_the_page_says_so_and_shows_decibels(folder: Storage) -> None:
    curve = Curve()
    for second in range(60):
        curve.push(second, Height(0.0, -20.25 + second / 10, False))
    page = read(folder, standard=None, curve=curve)
    assert "Not calibrated, so no alarm could be raised." in page.text
    assert {"\N{MINUS SIGN}20.2 dB", "\N{MINUS SIGN}14.3 dB"} <= set(page.words)
    assert "Local error over time" in page.words
    assert not page.all("line", "limit")
    assert "rare" not in page.text.replace("how rare each moment is", "")


def test_a_video_without_a_score_has_a_page(folder: Storage) -> None:
    notes = ("fewer than 5 frames in a row, so none has a score",)
    result = dataclasses.replace(
        RESULT,
        frames=0,
        seconds=0.0,
        took=Took(total=0.0, scoring=0.0, waiting=0.0, decoding=0.0),
        notes=notes,
    )
    page = read(folder, result=result, curve=Curve(), overlay=None)
    assert notes[0] in page.text
    assert not page.all("svg")


def test_what_became_of_an_event_is_told(folder: Storage) -> None:
    page = read(folder, two(type="update", end_seconds=None))
    assert "once in 3.2 h · middle left · goes on" in page.text


def test_of_many_events_the_strongest_have_pictures_and_all_are_listed(folder: Storage) -> None:
    files = Files(thumbnail="thumbs/a.jpg")
    many = [event(number, peak=peak(evidence=float(number % 173)), files=files) for number in range(150)]
    page = read(folder, many)
    assert len(page.all("img")) == 100
    assert len(page.all("article")) == 150


@pytest.mark.parametrize("words", HOSTILE)
def test_no_name_becomes_a_part_of_the_page(folder: Storage, words: str) -> None:
    zoned = peak(zone=words)
    events = two(peak=zoned, files=Files(clip="clips/a.mp4", thumbnail="thumbs/a.jpg"))
    plain = read(folder, two(peak=peak(zone="yard")))
    result = dataclasses.replace(RESULT, notes=(words,))
    given = {"name": words, "source": f"/videos/{words}", "overlay": f"{words}.mp4", "result": result}
    page = read(folder, events, **given, standard=dataclasses.replace(STANDARD, promise=words))
    noted = [*plain.tags, ("p", {"class": "note"})]
    assert sorted(name for name, _ in page.tags) == sorted(name for name, _ in noted)
    assert {key for _, a in page.tags for key in a} == {key for _, a in plain.tags for key in a}
    assert page.text.count(words) >= 5


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.floats(1e-3, 6.3), st.floats(-10, 1e3)), max_size=30), st.data()
)
def test_any_curve_stays_within_its_plot(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    curve, seconds = Curve(), 0.0
    for step, hours, evidence in steps:
        seconds += step
        curve.push(seconds, Height(hours, evidence, hours == 6.3), restart=data.draw(st.booleans()))
    result = dataclasses.replace(RESULT, seconds=seconds)
    page = read(Storage(str(tmp_path_factory.getbasetemp())), curve=curve, result=result)
    for line in page.all("path", "curve"):
        for pair in (line["d"] or "")[1:].split("L"):
            x, y = map(float, pair.split())
            assert 0 <= x <= 1002
            assert 0 <= y <= 100


def test_nothing_on_the_page_runs_or_is_fetched(folder: Storage) -> None:
    page = read(folder, two())
    (policy,) = (meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not page.all("script")
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert "http" not in "".join(page.words)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (375, "dark")])
def test_the_page_renders_at_any_width_and_scheme(
    browser: Any, folder: Storage, tmp_path: Path, width: int, scheme: str
) -> None:
    long = "a_long_name_" * 20
    page = render(shown(two(), name=long, source=f"/videos/{long}.mp4", curve=an_hour(gap=True)), folder)
    (tmp_path / "report.html").write_text(page)
    tab, complaints = opened(browser, tmp_path / "report.html", width=width, scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    mark = tab.locator(".mark").first.bounding_box()
    assert mark is not None
    assert mark["x"] >= 0
    assert mark["height"] >= 10  # words do not shrink with the plot
    tab.locator(".plot a").first.click()
    assert tab.locator("article:target h3").inner_text() == "0:31:40"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=SCREENSHOTS / f"scored-{width}-{scheme}.png", full_page=True)
    assert complaints == []
