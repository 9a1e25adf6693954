"""Frames with their times, and how many of them a model takes."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, SourceError
from pipeline.video import timed
from pipeline.video.audit import audit
from pipeline.video.pyav_frames import Findings, frames
from pipeline.video.timed import TimedFrame, every, rate, thinned, timed_frames
from tests.helpers.videos import scene, write_video


def times(path: Path) -> list[float]:
    return [frame.seconds for frame in timed_frames(path, path.name)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"g": "12", "bf": "3"}),
        ("a.mkv", "libx264", {"g": "12", "bf": "3"}),
        ("a.ts", "libx264", {"g": "12"}),
        ("a.avi", "mpeg4", {}),
        ("h264.avi", "libx264", {}),
        ("a.h264", "libx264", {}),
        ("a.mpg", "mpeg2video", {}),
        ("a.webm", "libvpx-vp9", {}),
    ],
)
def test_frames_are_those_of_preprocess_with_even_times(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write_video(tmp_path / name, scene(30), codec=codec, options=options)
    found = list(timed_frames(path, name))
    expected = list(frames(path, name, Findings()))
    assert len(found) == len(expected) >= 29
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert np.array_equal(one.picture, other)
        assert (one.number, one.is_corrupt) == (number, False)
        # AVI has no times of its own: H.264 with B-frames in it comes out of order by up to four frames.
        assert one.seconds == pytest.approx(number / 25, abs=0.17 if name == "h264.avi" else 0.0011)
    assert found[0].seconds == 0


@pytest.mark.parametrize("rate_of_file", [12, 25, 30])
def test_times_begin_at_the_first_frame_and_are_those_of_the_file(tmp_path: Path, rate_of_file: int) -> None:
    stamps = list(np.cumsum([700, 40, 40, 1500, 1, 40, 300]))
    path = write_video(tmp_path / "a.mkv", scene(7), rate=rate_of_file, times=stamps)
    assert times(path) == pytest.approx([(stamp - 700) / 1000 for stamp in stamps])


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(-20, 20), min_size=1, max_size=30))
def test_times_always_go_on_and_return_to_those_of_the_file(stamps: list[int | None]) -> None:
    """Whatever timestamps a file has, in units of half a frame."""
    picture = np.zeros((2, 2, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timed, "rate", lambda path, name: Fraction(25))
        patch.setattr(
            timed,
            "stamped",
            lambda path, name, findings: ((s if s is None else Fraction(s, 50), picture) for s in stamps),
        )
        found = [frame.seconds for frame in timed_frames(Path("x"), "x")]
    assert found[0] == 0
    assert all(one < other for one, other in itertools.pairwise(found))
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(stamps):
        behind = [latest - known[0] for latest in itertools.accumulate(known, max)]
        assert all(seconds * 50 >= least - 1e-9 for seconds, least in zip(found, behind, strict=True))
        if all(one < other for one, other in itertools.pairwise(known)):
            assert [seconds * 50 for seconds in found] == pytest.approx([s - known[0] for s in known])


def test_damage_is_marked_where_it_is(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", scene(40, size=(120, 160)), options={"g": "10", "bf": "0"})
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + 6000
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(data)
    findings = Findings()
    found = list(timed_frames(path, "a.mp4", findings))
    marked = [frame.number for frame in found if frame.is_corrupt]
    assert findings.damaged + findings.lost > 0
    assert marked
    assert marked[0] == findings.first
    assert len(marked) <= findings.damaged + findings.lost


def test_nothing_is_printed_of_a_damaged_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_video(tmp_path / "a.mp4", scene(10))
    path.write_bytes(path.read_bytes()[:600])  # FFmpeg: moov atom not found
    for use in (lambda: list(timed_frames(path, "a.mp4")), lambda: rate(path, "a.mp4")):
        with pytest.raises(SourceError):
            use()
    assert caplog.records == []  # which Python prints on standard error, where nobody takes them


def test_what_is_no_video_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("hello")
    for use in (
        lambda: list(timed_frames(tmp_path / "a.mp4", "a.mp4")),
        lambda: rate(tmp_path / "a.mp4", "a.mp4"),
    ):
        with pytest.raises(SourceError, match=r"^a\.mp4: found 5 bytes that are no video file"):
            use()


@pytest.mark.parametrize("name", ["a.flv", "a.mkv"])
def test_times_that_contradict_the_header_tell_the_rate(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, scene(30), times=range(0, 3000, 100))
    assert rate(path, name) == 10


def test_an_elementary_stream_has_no_rate_but_the_one_it_is_given(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", scene(10), rate=10)
    assert rate(path, path.name) is None
    assert [frame.seconds for frame in timed_frames(path, path.name, given=4)] == [n / 4 for n in range(10)]
    assert [frame.seconds for frame in timed_frames(path, path.name)] == [n / 25 for n in range(10)]


def test_the_rate_is_that_of_the_header(tmp_path: Path) -> None:
    for number in (10, 25, 60):
        path = write_video(tmp_path / f"{number}.mp4", scene(5), rate=number)
        assert rate(path, path.name) == number


RATES = st.fractions(1, 240, max_denominator=1001)


@settings(deadline=None)
@given(RATES, RATES)
def test_no_divisor_is_nearer_than_the_one_that_is_chosen(of_file: Fraction, of_model: Fraction) -> None:
    def off(stride: int) -> Fraction:
        return abs(of_file / stride - of_model) / of_model

    nearest = min(off(stride) for stride in range(1, 300))
    try:
        stride = every(of_file, of_model, "a.mp4")
    except ConfigError as error:
        assert nearest > Fraction(1, 10)
        assert f"{float(of_file):g} frames/s" in str(error)
        assert f"{float(of_model):g} frames/s" in str(error)
        assert "\n" not in str(error)
    else:
        assert off(stride) == nearest <= Fraction(1, 10)


@pytest.mark.parametrize(
    ("of_file", "of_model", "stride"),
    [(25, 25, 1), (50, 25, 2), (29.97, 10, 3), (30000 / 1001, 30, 1), (25, 24, 1), (100, 8, 13), (9, 10, 1)],
)
def test_strides(of_file: float, of_model: float, stride: int) -> None:
    assert every(of_file, of_model, "a.mp4") == stride


@pytest.mark.parametrize(("of_file", "of_model"), [(25, 20), (8, 10), (15, 10)])
def test_a_rate_that_does_not_fit_names_both(of_file: float, of_model: float) -> None:
    with pytest.raises(
        ConfigError, match=rf"^a\.mp4: found {of_file} frames/s.*the {of_model} frames/s that"
    ):
        every(of_file, of_model, "a.mp4")


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=30), st.integers(1, 7))
def test_thinning_keeps_every_nth_and_forgets_no_damage(corrupt: list[bool], stride: int) -> None:
    picture = np.zeros((1, 1, 3), np.uint8)
    given_frames = [
        TimedFrame(number=number, seconds=float(number), picture=picture, is_corrupt=is_corrupt)
        for number, is_corrupt in enumerate(corrupt)
    ]
    kept = list(thinned(given_frames, stride))
    assert [frame.number for frame in kept] == list(range(0, len(corrupt), stride))
    for frame in kept:
        assert frame.is_corrupt == any(corrupt[max(0, frame.number - stride + 1) : frame.number + 1])


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.flv"])
@pytest.mark.parametrize("missing", [None, 130])
def test_a_file_has_one_rate_whether_it_is_read_through_or_not(
    name: str, missing: int | None, tmp_path: Path
) -> None:
    times = [100 * number for number in range(150) if number != missing]
    path = write_video(tmp_path / name, scene(len(times)), times=times)
    found = audit(path, name, lambda *_: None)
    assert (found.rate, found.even) == (10.0, missing is None)
    assert rate(path, name) == 10


def test_a_last_frame_that_lasts_long_does_not_slow_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.height, stream.width = scene(1)[0].shape[:2]
        stream.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for number, picture in enumerate(scene(50)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = 100 * number, Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        packets[-1].duration = 5000
        container.mux(packets)
    assert rate(path, path.name) == 10
    found = audit(path, path.name, lambda *_: None)
    assert (found.rate, round(found.rate_header or 0)) == (10.0, 5)
