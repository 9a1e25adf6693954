"""The Python interface gives what the command gives, and the examples of its page run."""

import contextlib
import dataclasses
import gc
import io
import re
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.api import Detector, Moment, TimedFrame, read_scores, read_video
from pipeline.errors import CalibrationError, ConfigError, SourceError
from pipeline.runs.calibration import load_calibration
from pipeline.score.summary import Summary
from pipeline.scoring.rows import SCHEMA
from shards.storage import Storage
from tests.helpers.calibrated import with_rate
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.commands import ROOT
from tests.helpers.objectstore import SECRETS, object_store
from tests.helpers.shards import smooth_frames
from tests.helpers.videos import write_images, write_video
from tests.helpers.yard import (
    ALARMS_PER_HOUR,
    FRAMES,
    RATE,
    SIZE,
    World,
    abnormal_video,
    make_world,
    normal_video,
)

NUMBERS = ("seconds", "psnr", "feature_distance", "point_score", "local_error", "evidence")
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def detector(world: World) -> Detector:
    return Detector.load(world.run, device="cpu")


@pytest.fixture(scope="module")
def command(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """What the command writes."""
    out = tmp_path_factory.mktemp("command") / "scored"
    return out, world.score(out, overlay=False)


def assert_as_the_command(found: list[Moment], command: tuple[Path, Summary]) -> None:
    out, summary = command
    table = pq.read_table(out / "cam" / "scores" / "scores.parquet").to_pylist()
    ids = [event.id for event in summary.events]
    assert len(ids) == 2
    for name in ("frame", "alarm", "gap"):
        assert [getattr(one, name) for one in found] == [row[name] for row in table], name
    events = [None if one.event is None else ids[one.event] for one in found]
    assert events == [row["event"] for row in table]
    for name in NUMBERS:
        values = [getattr(one, name) for one in found]
        np.testing.assert_allclose(values, [row[name] for row in table], atol=TOLERANCE, err_msg=name)
    assert [one.rarity_hours is None for one in found] == [row["rarity_hours"] is None for row in table]
    tops = [event.peak for event in summary.events if event.peak is not None]
    at = {one.frame: one for one in found}
    for top in tops:
        told = at[top.frame]
        assert told.censored == top.censored
        assert told.rarity_hours == pytest.approx(top.rarity_hours)
        assert told.box == pytest.approx(top.box)


def test_a_stream_gives_what_the_command_writes(
    world: World, detector: Detector, command: tuple[Path, Summary]
) -> None:
    assert_as_the_command(list(detector.stream(read_video(world.video))), command)


def test_frames_that_are_pushed_give_what_the_command_writes(
    world: World, detector: Detector, command: tuple[Path, Summary]
) -> None:
    session, other = detector.session(), detector.session()
    found = []
    for frame in read_video(world.video):
        found.append(session.push(frame.picture, frame.seconds))
        other.push(255 - frame.picture, frame.seconds)
    filling = detector.window - 1
    assert found[:filling] == [None] * filling
    assert_as_the_command([moment for moment in found if moment is not None], command)
    assert session.drift == command[1].drift
    assert session.drift is not None


def test_windows_begin_anew_behind_a_gap(world: World, detector: Detector) -> None:
    frames = [frame for frame in read_video(world.video) if not 50 <= frame.number < 55]
    session = detector.session()
    pushed = [session.push(frame.picture, frame.seconds) for frame in frames]
    assert [index for index, one in enumerate(pushed) if one is None] == [*range(4), *range(50, 54)]
    streamed = list(detector.stream(frames))
    found = [one for one in pushed if one is not None]
    assert [one.seconds for one in found if one.gap] == [59 / RATE]
    assert [(one.seconds, one.gap, one.event) for one in found] == [
        (one.seconds, one.gap, one.event) for one in streamed
    ]
    expected = [one.evidence for one in streamed]
    np.testing.assert_allclose([one.evidence for one in found], expected, atol=TOLERANCE)


def test_smoothing_begins_anew_behind_a_damaged_frame(detector: Detector) -> None:
    frames = [
        TimedFrame(number=number, seconds=number / 25, picture=picture, is_corrupt=number == 100)
        for number, picture in enumerate(abnormal_video())
    ]
    found = {moment.frame: moment for moment in detector.stream(frames)}
    assert found.keys() == {*range(4, 100), *range(105, FRAMES)}
    assert [number for number, moment in found.items() if moment.gap] == [105]
    assert found[99].rarity_hours is not None
    assert found[105].rarity_hours is None


@pytest.mark.parametrize("batch", [2, 7])
def test_any_batch_gives_what_the_command_writes(
    world: World, detector: Detector, command: tuple[Path, Summary], batch: int
) -> None:
    tool = dataclasses.replace(detector._job.tool, batch=batch)
    other = Detector(dataclasses.replace(detector._job, tool=tool))
    assert_as_the_command(list(other.stream(read_video(world.video))), command)


def test_of_a_faster_video_as_many_frames_are_scored_as_by_the_command(
    world: World, detector: Detector, tmp_path: Path
) -> None:
    frames = np.repeat(abnormal_video(), 2, axis=0)
    video = write_video(tmp_path / "cam.mp4", frames, rate=2 * RATE)
    summary = world.score(tmp_path / "out", video, overlay=False, clips=False)
    found = list(detector.stream(read_video(video)))
    assert [one.frame for one in found] == list(range(8, 2 * FRAMES, 2))
    assert_as_the_command(found, (tmp_path / "out", summary))


def test_score_writes_what_the_command_writes(
    world: World, detector: Detector, command: tuple[Path, Summary], tmp_path: Path
) -> None:
    out, summary = command
    result = detector.score(world.video, out=tmp_path / "api")
    assert [dataclasses.replace(event, model=summary.events[0].model) for event in result.events] == list(
        summary.events
    )
    expected = pq.read_table(out / "cam" / "scores" / "scores.parquet")
    assert result.table().equals(expected.cast(SCHEMA))
    assert result.folders == (str(tmp_path / "api" / "cam"),)
    assert result.drift == summary.drift
    assert read_scores(tmp_path / "api").equals(result.table())
    assert read_scores(tmp_path / "api" / "cam").equals(result.table())


@pytest.mark.slow
def test_a_run_in_a_bucket_is_opened_and_no_secret_is_shown(
    world: World, command: tuple[Path, Summary], tmp_path: Path
) -> None:
    with object_store(tmp_path / "store") as store:
        home = Storage(store.location("runs/yard"))
        for path in world.run.rglob("*.*"):
            home.write(path.relative_to(world.run).as_posix(), path.read_bytes())
        detector = Detector.load(store.location("runs/yard"), device="cpu")
        with pytest.raises(CalibrationError, match="of normal video") as told:
            detector.at(alarms_per_hour=0.5)
        at = detector.at(alarms_per_hour=ALARMS_PER_HOUR)
    assert_as_the_command(list(at.stream(read_video(world.video))), command)
    assert not [secret for secret in SECRETS if secret in f"{told.value} {at!r} {read_video(world.video)!r}"]


def test_another_rate_is_another_detector(world: World, detector: Detector, tmp_path: Path) -> None:
    strict = detector.at(alarms_per_hour=10 * ALARMS_PER_HOUR)
    result = strict.score(world.video, out=tmp_path / "out")
    assert {event.threshold and event.threshold.alarms_per_hour for event in result.events} == {
        10 * ALARMS_PER_HOUR
    }
    assert sum(m.alarm for m in strict.stream(read_video(world.video))) == sum(
        row["alarm"] for row in result.table().to_pylist()
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        strict._job = detector._job  # type: ignore[misc]


def test_a_rate_that_the_hours_do_not_carry_says_how_many_would(detector: Detector) -> None:
    with pytest.raises(
        CalibrationError, match=r"0\.5 alarms/h at 90 % needs [\d.]+ h of normal video"
    ) as told:
        detector.at(alarms_per_hour=0.5)
    assert "found 5" in str(told.value)
    with pytest.raises(ConfigError, match="alarms-per-hour"):
        detector.at(alarms_per_hour=0)


def test_confidence_is_chosen_with_the_rate(detector: Detector) -> None:
    with pytest.raises(CalibrationError, match="alarms/h at 99 % needs"):
        detector.at(confidence=0.99)
    at = detector.at(confidence="mean").at(alarms_per_hour=70)
    with pytest.raises(CalibrationError, match="70 alarms/h at 90 % needs"):
        detector.at(alarms_per_hour=70)
    assert at.missing is None
    with pytest.raises(ConfigError, match="confidence"):
        detector.at(confidence=1.5)


def test_a_calibration_that_promises_nothing_is_told_and_gives_rarity(
    world: World, detector: Detector, tmp_path: Path
) -> None:
    shutil.copytree(world.run, tmp_path / "run")
    home = Storage(str(tmp_path / "run"))
    dataclasses.replace(load_calibration(home), alarms_per_hour=1.0).save(home)
    bare = Detector.load(tmp_path / "run", device="cpu")
    assert bare.missing is not None
    assert bare.missing.startswith("no promise, so no alarm is raised: 1 alarm/h at 90 % needs 2.4 h of ")
    found, expected = (list(one.stream(read_video(world.video))) for one in (bare, detector))
    assert [moment.rarity_hours for moment in found] == [moment.rarity_hours for moment in expected]
    assert any(moment.alarm for moment in expected)
    assert not any(moment.alarm for moment in found)


def test_without_a_calibration_there_is_evidence_and_no_alarm(world: World, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with_rate(make_checkpoint(file, size=SIZE), file, RATE)
    bare = Detector.load(file, device="cpu")
    with pytest.raises(CalibrationError, match="run calibrate RUN first"):
        bare.at(alarms_per_hour=1)
    found = list(bare.stream(read_video(world.video)))
    assert [moment.frame for moment in found] == list(range(4, FRAMES))
    assert all(m.rarity_hours is None and not m.alarm and m.event is None for m in found)
    assert bare.missing is not None
    assert bare.missing.endswith(f"make one: python cli.py calibrate {file}")
    assert not bare.score(world.video, out=tmp_path / "out").events


def test_samples_are_the_evidence_of_the_scored_frames(world: World, detector: Detector) -> None:
    pictures = np.stack([frame.picture for frame in read_video(world.video)])
    expected = [moment.evidence for moment in detector.stream(read_video(world.video))]
    np.testing.assert_allclose(detector.score_samples(pictures), expected, atol=TOLERANCE)
    assert detector.score_samples(pictures[:3]).shape == (0,)


def test_a_stream_holds_the_frames_of_a_batch_alone(detector: Detector) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def camera() -> Iterator[TimedFrame]:
        for number in range(150):
            picture = smooth_frames(1, SIZE, seed=number)[0].copy()
            alive.append(weakref.ref(picture))
            yield TimedFrame(number=number, seconds=number / RATE, picture=picture, is_corrupt=False)

    gc.disable()
    try:
        kept = []
        for moment in detector.stream(camera()):
            kept.append(moment)
            most = max(most, sum(ref() is not None for ref in alive))
    finally:
        gc.enable()
    assert len(kept) == 146
    assert most <= 32 + 32 + 1  # a batch, the one that fills up, and the frame in hand


def test_nothing_is_drawn_before_it_is_asked_for(detector: Detector) -> None:
    def never() -> Iterator[TimedFrame]:
        raise AssertionError("drawn")
        yield

    detector.stream(never())


def test_what_is_no_frame_is_refused(detector: Detector) -> None:
    session = detector.session()
    picture = abnormal_video()[0]
    session.push(picture, 0.0)
    for wrong in (picture.astype(np.float32), picture[:, :, :1], picture[None], picture[:0]):
        with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\) BGR"):
            session.push(wrong, 1.0)
        with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\) BGR"):
            list(detector.stream(wrong[None]))
    with pytest.raises(ValueError, match="found a frame str, expected uint8"):
        session.push("a.mp4", 1.0)  # type: ignore[arg-type]
    for path in ("v/long.mp4", Path("v/long.mp4")):
        with pytest.raises(ValueError, match=r"found the path v/long\.mp4, expected frames; give read_video"):
            list(detector.stream(path))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="found a frame int, expected a TimedFrame"):
        list(detector.stream([3]))  # type: ignore[list-item]
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected a later one"):
            session.push(picture, seconds)


def test_a_folder_of_images_needs_a_rate_for_alarms(detector: Detector, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "cam", abnormal_video())
    timed = list(detector.stream(read_video(folder, rate=RATE)))
    assert timed[-1].seconds == (FRAMES - 1) / RATE
    assert {moment.event for moment in timed} == {None, 0, 1}
    assert not any(moment.alarm for moment in detector.stream(read_video(folder)))


def test_several_videos_are_not_one(world: World, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(world.video, tmp_path / name)
    with pytest.raises(SourceError, match="found 2 videos, expected one"):
        read_video(tmp_path)


def test_tables_of_csv_are_those_of_parquet_and_damage_is_told(
    world: World, command: tuple[Path, Summary], tmp_path: Path
) -> None:
    world.score(tmp_path / "csv", overlay=False, clips=False, format="csv")
    table, expected = read_scores(tmp_path / "csv"), read_scores(command[0])
    assert table.schema == expected.schema == SCHEMA
    for name in ("frame", "alarm", "gap", "rarity_hours", "p", "time", "profile"):
        assert table[name].to_pylist() == expected[name].to_pylist(), name
    file = tmp_path / "csv" / "cam" / "scores" / "scores.csv"
    file.write_text("video,frame\ncam,0\n")
    with pytest.raises(SourceError, match=r"scores\.csv: not a table of scores"):
        read_scores(tmp_path / "csv")
    file.with_suffix(".parquet").write_bytes(b"PAR1" + bytes(40))
    with pytest.raises(SourceError, match=r"scores\.parquet: not a table of scores"):
        read_scores(tmp_path / "csv")
    with pytest.raises(SourceError, match="score it first"):
        read_scores(tmp_path / "nothing")


def test_the_examples_of_the_page_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(world.run, tmp_path / "runs" / "yard")
    shutil.copy(world.video, tmp_path / "today.mp4")
    write_video(tmp_path / "yesterday.mp4", normal_video(), rate=RATE)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.M | re.S)
    assert len(blocks) >= 5
    names: dict[str, object] = {}
    printed = []
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block, "docs/python.md", "exec"), names)  # our own page
        printed.append(out.getvalue())
    assert "alarm at 0:00:" in printed[1]
    # The calibration is of video like yesterday's, whose strongest frame may just reach its threshold or not.
    assert printed[2].count("\ntoday ") == 2


def test_videos_that_were_skipped_or_stopped_have_no_rows(world: World, tmp_path: Path) -> None:
    detector = Detector.load(world.run, device="cpu")
    detector = Detector(
        dataclasses.replace(
            detector._job, config=dataclasses.replace(detector._job.config, on_error="skip", overlay=False)
        )
    )
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "0.png").write_bytes(b"no image")
    none = detector.score(tmp_path / "bad", out=tmp_path / "none")
    assert (none.folders, none.table().num_rows, none.table().schema) == ((), 0, SCHEMA)
    with pytest.raises(SourceError, match="found no video that was scored to its end"):
        read_scores(tmp_path / "none")
    both = detector.score(world.video, tmp_path / "bad", out=tmp_path / "both")
    assert (tmp_path / "both" / "bad" / "scores").is_dir()
    assert read_scores(tmp_path / "both").equals(both.table())
    assert set(both.table()["video"].to_pylist()) == {"cam"}
