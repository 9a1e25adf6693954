"""Scoring video without labels: alarms where something is abnormal, and files that a kill cannot tear."""

import dataclasses
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from mnad.evidence import causal_mean
from pipeline.errors import BusyError, CalibrationError, ConfigError, SourceError
from pipeline.events.event import to_json
from pipeline.events.log import read_events
from pipeline.processes.locking import sole
from pipeline.runs.calibration import load_calibration
from pipeline.runs.trainedon import Depth, trained_on
from pipeline.score import video
from pipeline.score.config import ScoreConfig
from pipeline.score.run import score as score_videos
from pipeline.score.summary import Summary
from pipeline.scoring import telling
from pipeline.scoring.rows import SCHEMA
from pipeline.scoring.runtime import network_asked
from shards.storage import Storage
from tests.helpers.calibrated import with_rate
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.videos import scene, tinted, write_images, write_video
from tests.helpers.yard import (
    ABNORMAL,
    ALARMS_PER_HOUR,
    FRAMES,
    RATE,
    SIZE,
    World,
    abnormal_video,
    normal_video,
)


@pytest.fixture(scope="module")
def scored(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("scored") / "out"
    return out, world.score(out)


def lines(folder: Path) -> list[str]:
    return (folder / "events.jsonl").read_text().splitlines()


def test_an_alarm_is_raised_where_something_is_abnormal(scored: tuple[Path, Summary]) -> None:
    out, summary = scored
    assert [event.kind for event in summary.events] == ["anomaly", "anomaly"]
    for event, (start, end) in zip(summary.events, ABNORMAL, strict=True):
        assert start / RATE <= event.start_seconds <= end / RATE
        assert event.type == "end"
        assert event.peak is not None
        assert start <= event.peak.frame < end
        assert event.threshold is not None
        assert event.threshold.alarms_per_hour == ALARMS_PER_HOUR
        assert event.files.thumbnail == f"thumbs/{event.id}.jpg"
        assert (out / "cam" / event.files.thumbnail).read_bytes().startswith(b"\xff\xd8")
    assert [json.loads(line)["type"] for line in lines(out / "cam")] == ["new", "end"] * 2
    current = json.loads((out / "cam" / "events.json").read_text())["events"]
    assert current == [event.record() for event in summary.events]


def test_the_table_has_a_row_for_each_scored_frame(scored: tuple[Path, Summary]) -> None:
    out, summary = scored
    table = pq.read_table(out / "cam" / "scores" / "scores.parquet")
    assert table.schema.remove_metadata() == SCHEMA
    assert table["frame"].to_pylist() == list(range(4, FRAMES))
    np.testing.assert_allclose(table["seconds"].to_numpy(), np.arange(4, FRAMES) / RATE)
    for event in summary.events:
        assert event.peak is not None
        of = [row for row in table.to_pylist() if row["event"] == event.id]
        assert all(row["alarm"] for row in of)
        assert of[0]["seconds"] == event.start_seconds
        strongest = max(of, key=lambda row: (row["evidence"], -row["frame"]))
        assert strongest["frame"] == event.peak.frame
        assert strongest["rarity_hours"] == event.peak.rarity_hours
        assert (strongest["x"], strongest["y"], strongest["w"], strongest["h"]) == event.peak.box
        assert strongest["p"] == 0
    assert sum(row["alarm"] for row in table.to_pylist()) == sum(
        row["event"] is not None for row in table.to_pylist()
    )


def test_clips_and_overlay_show_what_they_are_to_show(scored: tuple[Path, Summary]) -> None:
    out, summary = scored
    with av.open(str(out / "cam" / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES - 4
    for event in summary.events:
        assert event.files.clip is not None
        with av.open(str(out / "cam" / event.files.clip)) as container:
            shown = sum(1 for _ in container.decode(video=0)) / RATE
        assert event.end_seconds is not None
        assert shown >= min(event.end_seconds + 5, FRAMES / RATE) - max(event.start_seconds - 5, 0) - 1


def test_the_last_line_says_what_a_person_wants_to_know(scored: tuple[Path, Summary]) -> None:
    out, summary = scored
    line = summary.line()
    assert line.startswith("2 events in 0:01:00 (at most 150 expected per hour) · strongest 0:00:")
    assert "× real time" in line  # noqa: RUF001
    assert line.endswith(f" · {out / 'cam' / 'report.html'}")


def test_the_page_shows_the_events_and_nothing_that_runs(scored: tuple[Path, Summary]) -> None:
    out, summary = scored
    page = (out / "cam" / "report.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == len(summary.events)
    for event in summary.events:
        assert f'href="{event.files.clip}"' in page
    assert "with 90 % confidence there are at most 150 alarms per hour" in page
    assert "<script" not in page
    assert page.count("<rect") == len(summary.events)


def test_what_tells_drift_is_recorded_and_too_little_video_tells_nothing(
    world: World, scored: tuple[Path, Summary], tmp_path: Path
) -> None:
    out, summary = scored
    result = json.loads((out / "cam" / "score.json").read_text())["result"]
    assert result["seen"]["hours"] == pytest.approx(57 / 3600, abs=2 / 3600)
    assert result["seen"]["alarms"] == len(ABNORMAL)
    assert result["drift"]["verdict"] is None
    assert summary.drift is not None
    assert (summary.drift.alarms, summary.drift.words) == (len(ABNORMAL), "")
    zones = tmp_path / "zones.toml"
    zones.write_text("[zones.yard]\npolygon = [[0, 0], [1, 0], [1, 1]]\ngain = -3\n")
    assert world.score(tmp_path / "out", zones=str(zones), overlay=False, clips=False).drift is None


def test_scored_again_nothing_is_done(world: World, scored: tuple[Path, Summary]) -> None:
    out, summary = scored
    before = {path: path.stat().st_mtime_ns for path in (out / "cam").rglob("*")}
    again = world.score(out)
    assert [video.was_done for video in again.videos] == [True]
    assert again.events == summary.events
    assert {path: path.stat().st_mtime_ns for path in (out / "cam").rglob("*")} == before


@pytest.mark.parametrize("batch", [1, 7])
def test_no_batch_size_changes_an_event(
    world: World, scored: tuple[Path, Summary], tmp_path: Path, batch: int
) -> None:
    summary = world.score(tmp_path / "out", batch_size=batch, overlay=False, clips=False)
    for one, other in zip(summary.events, scored[1].events, strict=True):
        assert one.peak is not None
        assert other.peak is not None
        assert (one.id, one.start_seconds, one.end_seconds, one.peak.frame) == (
            (other.id, other.start_seconds, other.end_seconds, other.peak.frame)
        )
        assert abs(one.peak.evidence - other.peak.evidence) < 1e-3


class Killed(BaseException):
    """Stands for SIGKILL: no handler of this program takes it."""


@pytest.mark.parametrize("rows", [1, 16, 60, 116])
def test_a_run_that_was_killed_gives_the_same_events_when_run_again(
    world: World,
    scored: tuple[Path, Summary],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    out, count = tmp_path / "out", 0
    real = telling.row_of

    def row(*arguments: object) -> object:
        nonlocal count
        count += 1
        if count == rows:
            raise Killed
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(video, "row_of", row)
        with pytest.raises(Killed):
            world.score(out)
    assert not (out / "cam" / "scores" / "scores.parquet").exists()
    with (out / "cam" / "events.jsonl").open("a") as log:
        log.write('{"half a li')
    summary = world.score(out)
    assert [to_json(event) for event in summary.events] == [to_json(event) for event in scored[1].events]
    assert lines(out / "cam") == lines(scored[0] / "cam")
    assert read_events(Storage(str(out / "cam"))) == list(scored[1].events)


def test_by_chroma_frames_are_held_against_the_calibration_of_their_kind(
    world: World, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.run, run)
    home, record = Storage(str(run)), load_calibration(Storage(str(world.run)))
    (run / "calibration.json").unlink()
    for profile in ("colour", "infrared"):
        dataclasses.replace(record, profile=profile).save(home)
    frames = abnormal_video()
    frames[:60] = normal_video()[:60]  # an event of both halves would be of the first
    video = tinted(frames, is_gray=True)
    video[60:] = tinted(frames[60:], is_gray=False)
    path = write_video(tmp_path / "cam.mp4", video, rate=RATE)
    switching = World(run=run, video=path)
    summary = switching.score(tmp_path / "out", profile="chroma", overlay=False, clips=False)
    table = pq.read_table(tmp_path / "out" / "cam" / "scores" / "scores.parquet").to_pydict()
    assert table["frame"] == [*range(4, 60), *range(64, FRAMES)]
    assert table["profile"] == ["infrared"] * 56 + ["colour"] * 56
    assert [frame for frame, gap in zip(table["frame"], table["gap"], strict=True) if gap] == [64]
    assert table["rarity_hours"][56:58] == [None, None]
    assert {event.threshold.profile for event in summary.events if event.threshold} == {"colour"}
    assert summary.drift is None
    kept = {path.name for path in (tmp_path / "out" / "cam").glob("calibration*.json")}
    assert kept == {"calibration-colour.json", "calibration-infrared.json"}
    with pytest.raises(CalibrationError, match="found calibrations of colour and infrared alone"):
        switching.score(tmp_path / "out")
    named = switching.score(tmp_path / "out", profile="infrared", overlay=False, clips=False)
    assert {event.threshold.profile for event in named.events if event.threshold} == {"infrared"}
    assert {path.name for path in (tmp_path / "out" / "cam").glob("calibration*.json")} == {
        "calibration-infrared.json"
    }


def test_other_options_replace_what_is_there(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = world.score(out, overlay=False)
    own = [out / "cam" / name for name in ("clips/mine.mp4", "thumbs/mine.jpg")]
    for path in own:
        path.write_bytes(b"x")
    second = world.score(out, overlay=False, clips=False, format="csv", alarms_per_hour=300.0)
    assert not {event.id for event in first.events} & {event.id for event in second.events}
    assert not (out / "cam" / "scores" / "scores.parquet").exists()
    table = pyarrow.csv.read_csv(out / "cam" / "scores" / "scores.csv")
    assert table.column_names == SCHEMA.names
    assert len(table) == FRAMES - 4
    assert all(path.exists() for path in own)
    assert {path.stem for path in (out / "cam" / "thumbs").iterdir()} == {
        "mine",
        *(e.id for e in second.events),
    }
    assert [path.name for path in (out / "cam" / "clips").iterdir()] == ["mine.mp4"]


def test_without_a_calibration_there_are_scores_and_no_alarm(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.run / "checkpoints", tmp_path / "run" / "checkpoints")
    bare = World(run=tmp_path / "run", video=world.video)
    summary = bare.score(tmp_path / "out", overlay=False)
    assert summary.missing == (
        f"no calibration, so no alarm is raised; make one: python cli.py calibrate {tmp_path / 'run'}"
    )
    assert summary.line().startswith("116 frames scored in 0:01:00, no alarm without a calibration · ")
    assert not (tmp_path / "out" / "cam" / "events.jsonl").exists()
    table = pq.read_table(tmp_path / "out" / "cam" / "scores" / "scores.parquet")
    assert table["rarity_hours"].null_count == table["event"].null_count == len(table)
    assert not any(table["alarm"].to_pylist())
    assert np.isfinite(table["evidence"].to_numpy()).all()


def test_more_than_the_calibration_carries_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationError, match=r"calibration\.json: 1 alarms?/h at 90 % needs .* of normal video"
    ):
        world.score(tmp_path / "out", alarms_per_hour=1.0)


@pytest.fixture(scope="module")
def refused(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run whose calibration does not carry what it was made for."""
    run = tmp_path_factory.mktemp("refused") / "run"
    shutil.copytree(world.run, run)
    record = load_calibration(Storage(str(run)))
    dataclasses.replace(record, alarms_per_hour=1.0).save(Storage(str(run)))
    return World(run=run, video=world.video)


def test_a_calibration_that_promises_nothing_gives_rarity_and_no_alarm(
    refused: World, scored: tuple[Path, Summary], tmp_path: Path
) -> None:
    summary = refused.score(tmp_path / "out")
    assert not summary.events
    assert summary.missing is not None
    assert summary.missing.startswith("no promise, so no alarm is raised: 1 alarm/h at 90 % needs 2.4 h of ")
    assert summary.missing.endswith(f"more: python cli.py calibrate {refused.run} VIDEO... --add")
    assert "\n" not in summary.missing
    assert summary.line().startswith("116 frames scored in 0:01:00, no alarm without a promise · ")
    folder = tmp_path / "out" / "cam"
    assert not (folder / "events.jsonl").exists()
    assert (folder / "overlay.mp4").exists()
    assert "not calibrated long enough" in (folder / "report.html").read_text()
    found = pq.read_table(folder / "scores" / "scores.parquet").to_pydict()
    expected = pq.read_table(scored[0] / "cam" / "scores" / "scores.parquet").to_pydict()
    for name in ("evidence", "rarity_hours", "p"):
        assert found[name] == expected[name]
    assert any(hours is not None for hours in found["rarity_hours"])
    assert not any(found["alarm"])


def test_a_rate_or_confidence_asked_for_now_must_be_carried(refused: World, tmp_path: Path) -> None:
    for options, words in (
        ({"alarms_per_hour": 2.0}, r"2 alarms/h at 90 % needs 1\.2 h"),
        ({"confidence": 0.99}, r"1 alarm/h at 99 % needs"),
        ({"confidence": "mean"}, r"1 alarm/h on average needs 1\.0 h"),
    ):
        with pytest.raises(CalibrationError, match=words):
            refused.score(tmp_path / "out", **options)
    summary = refused.score(
        tmp_path / "out", alarms_per_hour=70.0, confidence="mean", overlay=False, clips=False
    )
    assert summary.alarms_per_hour == 70
    assert {event.threshold.confidence for event in summary.events if event.threshold is not None} == {None}
    with pytest.raises(ConfigError, match=r"--confidence: found 0\.2, expected 0\.5 to 0\.999, or mean"):
        refused.score(tmp_path / "out", confidence=0.2)


def test_another_score_than_the_calibrations_is_refused_by_name(world: World, tmp_path: Path) -> None:
    for score in ("psnr", "paper"):
        with pytest.raises(
            CalibrationError, match=f"found a calibration of score local, expected one of score {score}"
        ):
            world.score(tmp_path / "out", score=score)
    assert world.score(tmp_path / "out", score="local", overlay=False, clips=False).events


def test_without_a_calibration_the_score_can_be_chosen(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.run / "checkpoints", tmp_path / "run" / "checkpoints")
    bare = World(run=tmp_path / "run", video=world.video)
    bare.score(tmp_path / "out", score="psnr", overlay=False)
    table = pq.read_table(tmp_path / "out" / "cam" / "scores" / "scores.parquet").to_pydict()
    means, _ = causal_mean(np.array(table["seconds"]), -np.array(table["psnr"])[:, None])
    np.testing.assert_allclose(table["evidence"], means[:, 0])
    with pytest.raises(CalibrationError, match=r"calibration\.json: not found.*--score paper first"):
        bare.score(tmp_path / "out", score="paper")


def test_a_calibration_of_another_precision_or_memory_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="found a calibration of precision fp32"):
        world.score(tmp_path / "out", precision="bf16")
    with pytest.raises(CalibrationError, match="found a calibration of memory frozen"):
        world.score(tmp_path / "out", memory="video")


def test_the_runtime_is_the_calibration_s_and_another_is_refused(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.run, run)
    record = json.loads((run / "calibration.json").read_text())
    record["belongs"]["runtime"] = "openvino"
    (run / "calibration.json").write_text(json.dumps(record))
    home = Storage(str(run))
    assert [network_asked(given, None, home) for given in (None, "auto", "onnx")] == [
        ("openvino", "fp32"),
        ("openvino", "fp32"),
        ("onnx", None),
    ]
    assert network_asked(None, "int8", home) == ("openvino", "int8")
    with pytest.raises(
        CalibrationError, match="calibration of runtime openvino, expected one of runtime torch"
    ):
        World(run=run, video=world.video).score(tmp_path / "out", runtime="torch")
    dataclasses.replace(load_calibration(home), profile="night").save(home)
    (run / "calibration.json").unlink()
    for profile in (None, "night", "day"):
        assert network_asked(None, None, home, profile) == ("openvino", "fp32")
    (run / "calibration-night.json").unlink()
    for given in (None, "auto", "onnx"):
        assert network_asked(given, None, home) == (given, None)


def test_a_calibration_of_another_checkpoint_is_refused(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = run / "checkpoints" / "model-00000003.safetensors"
    with_rate(make_checkpoint(file, size=SIZE, seed=1), file, RATE)
    shutil.copy(world.run / "calibration.json", run)
    with pytest.raises(CalibrationError, match="found a calibration of the checkpoint with SHA-256"):
        World(run=run, video=world.video).score(tmp_path / "out")


def test_video_of_another_rate_is_refused_unless_any_will_do(world: World, tmp_path: Path) -> None:
    fast = write_video(tmp_path / "fast.mp4", scene(40, size=(48, 72)), rate=3)
    with pytest.raises(ConfigError, match=r"found 3 frames/s.*expected the 2 frames/s"):
        world.score(tmp_path / "out", fast)
    with pytest.raises(ConfigError, match=r"found 3 frames/s, of which --every 3 leaves 1,"):
        world.score(tmp_path / "out", fast, every=3)
    summary = world.score(tmp_path / "out", fast, any_rate=True, overlay=False)
    (scored,) = summary.videos
    assert not scored.result.is_calibrated
    assert "are not those of the checkpoint" in scored.result.notes[0]
    assert "no alarm without a calibration at its rate" in summary.line()


def test_a_rate_that_is_right_in_the_mean_alone_is_told(world: World, tmp_path: Path) -> None:
    steps = np.repeat([500, 250, 750], [84, 18, 18])
    uneven = write_video(
        tmp_path / "uneven.mp4", abnormal_video(), times=[0, *np.cumsum(steps).tolist()][:FRAMES]
    )
    late = np.full(FRAMES, 500)
    late[::30] = 900  # single frames that come late
    jerky = write_video(tmp_path / "jerky.mp4", abnormal_video(), times=np.cumsum(late).tolist())
    summary = world.score(tmp_path / "out", uneven, jerky, overlay=False, clips=False)
    notes = {video.name: video.result.notes for video in summary.videos}
    (told,) = (note for note in notes["uneven"] if "in the mean alone" in note)
    assert 25 <= int(told.split()[1]) <= 35  # 18 of 60 s, in stretches of ten frames
    assert "2 per second" in told
    assert not notes["jerky"]


def test_every_second_frame_of_twice_the_rate_is_scored(world: World, tmp_path: Path) -> None:
    fast = write_video(tmp_path / "fast.mp4", np.repeat(abnormal_video(), 2, axis=0), rate=2 * RATE)
    world.score(tmp_path / "out", fast, overlay=False)
    table = pq.read_table(tmp_path / "out" / "fast" / "scores" / "scores.parquet").to_pydict()
    assert table["frame"] == list(range(8, 2 * FRAMES, 2))
    alarms = {frame for frame, alarm in zip(table["frame"], table["alarm"], strict=True) if alarm}
    assert all(alarms & set(range(2 * start, 2 * end)) for start, end in ABNORMAL)


def test_a_folder_of_images_needs_a_rate_for_alarms(world: World, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "yard", abnormal_video())
    summary = world.score(tmp_path / "out", folder, overlay=False)
    assert not summary.events
    assert "its rate is not known" in summary.videos[0].result.notes[0]
    summary = world.score(tmp_path / "out", folder, rate=float(RATE), overlay=False)
    assert len(summary.events) == len(ABNORMAL)
    assert all(event.files.clip is None for event in summary.events)


def test_images_that_cannot_be_decoded_are_a_gap_and_sizes_may_differ(world: World, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "yard", abnormal_video())
    (folder / "040.png").write_bytes(b"")
    (folder / "041.png").write_bytes((folder / "042.png").read_bytes()[:50])
    picture = abnormal_video()[80]
    write_images(folder, [np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)], first=80)
    summary = world.score(tmp_path / "out", folder, rate=float(RATE))
    (scored,) = summary.videos
    (note,) = scored.result.notes
    assert note.startswith("0 damaged frames and 2 lost images, the first at frame 40 (")
    assert "040.png: found 0 bytes that are no image" in note
    table = pq.read_table(tmp_path / "out" / "yard" / "scores" / "scores.parquet").to_pydict()
    assert table["frame"] == [*range(4, 40), *range(47, FRAMES)]
    assert [frame for frame, gap in zip(table["frame"], table["gap"], strict=True) if gap] == [47]
    assert len(summary.events) == len(ABNORMAL)


def test_a_video_that_cannot_be_read_ends_the_run_or_is_left_out(world: World, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    short = write_video(tmp_path / "short.mp4", scene(3, size=(48, 72)), rate=RATE)
    with pytest.raises(SourceError, match="no video file"):
        world.score(tmp_path / "out", bad, short)
    summary = world.score(tmp_path / "out", bad, short, on_error="skip")
    assert [name for name, _ in summary.skipped] == ["bad"]
    assert [video.name for video in summary.videos] == ["short"]
    assert summary.videos[0].result.notes == ("fewer than 5 frames in a row, so none has a score",)


def test_a_file_that_is_cut_is_scored_as_far_as_it_goes(world: World, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "cut.ts", abnormal_video(), rate=RATE).read_bytes()
    (tmp_path / "cut.ts").write_bytes(whole[: len(whole) // 2])
    summary = world.score(tmp_path / "out", tmp_path / "cut.ts", overlay=False)
    assert 4 < summary.videos[0].result.frames < FRAMES - 4
    assert len(summary.events) == 1


def test_a_container_that_ends_too_soon_is_told(world: World, tmp_path: Path) -> None:
    cut = write_video(tmp_path / "cut.mkv", scene(60, size=(48, 72)), rate=RATE)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 3])
    summary = world.score(tmp_path / "out", cut, overlay=False)
    *_, note = notes = summary.videos[0].result.notes
    assert note == "the file is damaged (File ended prematurely); what could be read of it was scored"
    assert note in (tmp_path / "out" / "cut" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "cut" / "score.json").read_text())["result"]["notes"] == [*notes]


def test_results_beside_the_video_are_not_scored(world: World, tmp_path: Path) -> None:
    shutil.copy(world.video, tmp_path / "cam.mp4")
    first = world.score(tmp_path / "scored", tmp_path)
    assert (tmp_path / "scored" / "cam" / "overlay.mp4").exists()
    again = world.score(tmp_path / "scored", tmp_path)
    assert [video.name for video in again.videos] == [video.name for video in first.videos] == ["cam"]
    assert again.notes == (f"{tmp_path}: left out what score or watch wrote: scored",)


def test_videos_that_are_gone_are_left_out_where_that_is_asked_for(world: World, tmp_path: Path) -> None:
    video_there = Path(shutil.copy(world.video, tmp_path / "there.mp4"))
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    with pytest.raises(SourceError, match=r"gone\.mp4: not found; give a video that is there"):
        world.score(tmp_path / "out", tmp_path / "gone.mp4", overlay=False)
    options = {"overlay": False, "clips": False, "on_error": "skip"}
    summary = world.score(tmp_path / "out", tmp_path, video_there, **options)
    assert [name for name, _ in summary.skipped] == ["gone", "loop"]
    assert [video.name for video in summary.videos] == ["there"]


def test_names_that_are_no_names_of_folders_or_look_like_protocols_are_scored(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = write_video(tmp_path / "short.mp4", scene(6, size=(48, 72)), rate=RATE)
    given = [Path("12:30:05.mp4"), Path("config.toml.mp4"), Path("\u5834" * 60, "\u6240" * 60 + ".mp4")]
    monkeypatch.chdir(tmp_path)
    given[2].parent.mkdir()
    for path in given:
        shutil.copy(short, path)
    summary = world.score(tmp_path / "out", *given[:2], Path(), overlay=False)
    names = [video.name for video in summary.videos]
    assert names[:2] == ["12_30_05", "config.toml_"]
    assert len(names) == 4
    assert all((tmp_path / "out" / name / "report.html").is_file() for name in names)


def test_the_command_that_is_missing_is_of_what_is_scored(world: World, tmp_path: Path) -> None:
    run = tmp_path / "my run"
    shutil.copytree(world.run / "checkpoints", run / "checkpoints")
    bare = World(run=run, video=world.video)
    summary = bare.score(tmp_path / "out", overlay=False, score="psnr", memory="video", profile="chroma")
    assert summary.missing is not None
    assert summary.missing.endswith(
        f"python cli.py calibrate '{run}' --score psnr --memory video --profile chroma"
    )


def test_a_file_that_grows_meanwhile_is_no_result(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = Path(shutil.copy(world.video, tmp_path / "growing.mp4"))
    real = video._scored

    def grown(*arguments: object) -> object:
        result = real(*arguments)  # type: ignore[arg-type]
        growing.write_bytes(growing.read_bytes() + b"\0" * 8)
        return result

    monkeypatch.setattr(video, "_scored", grown)
    with pytest.raises(SourceError, match="changed while it was scored"):
        world.score(tmp_path / "out", growing, overlay=False, clips=False)
    assert sorted(path.name for path in (tmp_path / "out" / "growing").rglob("*") if path.is_file()) == [
        "config.toml"
    ]
    monkeypatch.undo()
    assert world.score(tmp_path / "out", growing, overlay=False, clips=False).videos[0].was_done is False


def test_two_scores_into_one_folder_are_refused(world: World, tmp_path: Path) -> None:
    with sole("scoring", Storage(str(tmp_path / "out"))), pytest.raises(BusyError, match="another scoring"):
        world.score(tmp_path / "out")


def test_no_other_folder_is_written_to(world: World, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match=r"no config\.toml of score"):
        world.score(tmp_path / "out")


def test_results_of_another_video_are_not_replaced(world: World, tmp_path: Path) -> None:
    short = write_video(tmp_path / "a" / "cam.mp4", scene(20, size=(48, 72)), rate=RATE)
    other = write_video(tmp_path / "b" / "cam.mp4", scene(20, size=(48, 72)), rate=RATE)
    world.score(tmp_path / "out", short, overlay=False)
    with pytest.raises(
        ConfigError, match=r"found the results of .*a/cam\.mp4, expected those of .*b/cam\.mp4"
    ):
        world.score(tmp_path / "out", other, overlay=False)
    both = world.score(tmp_path / "both", short, other, overlay=False)
    assert len({scored.name for scored in both.videos}) == 2


def test_zones_name_events_and_silence_places(world: World, tmp_path: Path) -> None:
    zones = tmp_path / "zones.toml"
    zones.write_text("[zones.yard]\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n")
    summary = world.score(tmp_path / "out", zones=str(zones), overlay=False, clips=False)
    assert [event.peak.zone for event in summary.events if event.peak is not None] == ["yard"] * len(ABNORMAL)
    assert "yard" in summary.line()
    zones.write_text("[zones.yard]\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\ngain = -60\n")
    assert not world.score(tmp_path / "out", zones=str(zones), overlay=False, clips=False).events


def test_a_mask_that_the_calibration_does_not_have_is_refused(world: World, tmp_path: Path) -> None:
    keep = np.full((16, 24, 3), 255, np.uint8)
    keep[:, :12] = 0
    write_images(tmp_path, [keep], pattern="mask.png")
    with pytest.raises(CalibrationError, match="found a calibration of no mask, expected one of the mask"):
        world.score(tmp_path / "out", mask=str(tmp_path / "mask.png"))


def test_images_of_16_bits_are_seen_as_the_model_saw_them(tmp_path: Path) -> None:
    low, high = 20_000, 21_000
    file = tmp_path / "run" / "checkpoints" / "model-00000003.safetensors"
    checkpoint = make_checkpoint(file, size=(16, 16))

    def given(depth: Depth | None) -> None:
        data = trained_on(10.0, (), depth)
        file.write_bytes(dataclasses.replace(checkpoint, origin={"data": data}).to_bytes())

    values = np.random.default_rng(0).integers(low - 9, high + 9, (7, 16, 16), np.uint16)
    mapped = np.floor((np.clip(values, low, high).astype(float) - low) * 255 / (high - low) + 0.5)
    for name, images in (("deep", values), ("plain", mapped.astype(np.uint8))):
        write_images(tmp_path / name, [*images])

    def errors() -> list[list[float]]:
        names = ("deep", "plain")
        score_videos(
            ScoreConfig(
                videos=tuple(str(tmp_path / name) for name in names),
                checkpoint=str(tmp_path / "run"),
                out=str(tmp_path / "out"),
                device="cpu",
                rate=10.0,
                format="parquet",
            )
        )
        tables = (tmp_path / "out" / name / "scores" / "scores.parquet" for name in names)
        return [pq.read_table(table)["psnr"].to_pylist() for table in tables]

    given((low, high))
    deep, plain = errors()
    assert deep == plain
    given("several")
    with pytest.raises(SourceError, match=r"000\.png: found 16 bits per channel, expected 8, for the model"):
        errors()
