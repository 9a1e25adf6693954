"""Calibrating a run: on what train kept aside, or on files; what it sees is what scoring sees."""

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnad.evidence import SETTLING, CausalMean
from mnad.rates import Refusal, Threshold
from pipeline.calibrate import run as stage
from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.material import overlapping
from pipeline.calibrate.run import Summary, calibrate
from pipeline.calibrate.traces import trace
from pipeline.calibrate.words import lines
from pipeline.errors import BusyError, CalibrationError, CheckpointError, ConfigError, SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.processes.locking import sole
from pipeline.runs.calibration import RECORD, Trace, load_calibration
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.trainedon import trained_on
from pipeline.scoring.calibrating import UNASKED
from pipeline.scoring.choices import Score
from pipeline.scoring.instrument import instrument
from pipeline.scoring.keeping import FOLDER, Keeper
from pipeline.scoring.signals import signals_of
from pipeline.video.timed import timed_frames
from shards.holdout import HeldOut
from shards.identity import split_identity
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers.calibrations import BELONGS, noise
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.commands import command
from tests.helpers.commands import run as run_command
from tests.helpers.mutation import mutated_bytes
from tests.helpers.videos import scene, tinted, write_images, write_video

SIZE = (16, 24)
FRAMES = 80
WINDOW = 5
HELD_OUT = (
    HeldOut(video="02", start=0, end=FRAMES),
    HeldOut(video="03", start=30, end=FRAMES, gap=10),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source`, its shard set `shards`, and `run`, which was trained on it but for `HELD_OUT`."""
    root = tmp_path_factory.mktemp("made")
    for number in (1, 2, 3):
        frames = scene(FRAMES, size=(48, 72), seed=number)
        write_video(root / f"source/training/videos/{number:02d}.mp4", frames)
    preprocess(PreprocessConfig(source=str(root / "source"), shards=str(root / "shards"), size=SIZE))
    trained(root / "run", root / "shards", HELD_OUT)
    return root


def trained(run: Path, shards: Path, held_out: tuple[HeldOut, ...], rate: float | None = 25.0) -> None:
    """A run as train leaves it."""
    manifest = load_manifest(Storage(str(shards)))
    file = run / "checkpoints/model-00000003.safetensors"
    for path in (file, run / "config.toml"):
        path.unlink(missing_ok=True)  # it may be a link
    origin = {"data": {"training": split_identity(manifest, "training"), **trained_on(rate, held_out)}}
    checkpoint = make_checkpoint(file, size=SIZE)
    file.write_bytes(dataclasses.replace(checkpoint, origin=origin).to_bytes())
    (run / "config.toml").write_text(f'[train]\nshards = "{shards}"\nrun = "{run}"\n')


@pytest.fixture
def run(made: Path, tmp_path: Path) -> str:
    """A run of one's own."""
    return str(shutil.copytree(made / "run", tmp_path / "run", copy_function=os.link))  # 60 MB each


def calibrated(run: str, *videos: Path, **options: Any) -> Summary:
    (summary,) = calibrate_all(run, *videos, **options)
    return summary


def calibrate_all(run: str, *videos: Path, **options: Any) -> list[Summary]:
    return calibrate(CalibrateConfig(run=run, videos=tuple(map(str, videos)), device="cpu", **options))


def file(made: Path, number: int) -> Path:
    return made / f"source/training/videos/{number:02d}.mp4"


def settled(frames: int, rate: float = 25.0) -> float:
    """Hours in which an alarm can come from a recording of so many frames."""
    scored = frames - (WINDOW - 1)
    return (scored - 1 - int(np.ceil(SETTLING * rate - 1e-9)) + 1) / rate / 3600


def test_what_train_kept_aside_is_taken_unasked(run: str) -> None:
    summary = calibrated(run)
    record = load_calibration(Storage(run))
    assert record == summary.record
    assert [each.name for each in record.recordings] == ["training/02", "training/03 30:80"]
    expected = settled(80) + settled(50)
    assert record.calibration.hours == pytest.approx(expected, abs=3 / 25 / 3600)
    assert sum(each.hours for each in record.recordings) == pytest.approx(record.calibration.hours)
    assert not record.optimistic
    assert isinstance(summary.answer, Refusal)
    assert list(lines(summary))[1].startswith(
        "no promise: 1 alarm/h at 90 % needs 2.4 h of normal video like this; found "
    )
    assert summary.file == f"{run}/{RECORD}"


def test_a_file_gives_what_its_frames_in_the_set_give(made: Path, run: str) -> None:
    trained(Path(run), made / "shards", HELD_OUT[:1])
    kept = calibrated(run).record
    given = calibrated(run, file(made, 2)).record
    np.testing.assert_allclose(given.mean, kept.mean, atol=1e-3)
    np.testing.assert_allclose(given.quantiles, kept.quantiles, atol=1e-2)
    assert given.calibration.hours == pytest.approx(kept.calibration.hours, rel=1e-3)
    assert given.recordings[0].identity == kept.recordings[0].identity


@pytest.mark.parametrize("score", ["local", "psnr", "paper"])
def test_the_calibration_sees_what_scoring_sees(made: Path, run: str, score: Score) -> None:
    record = calibrated(run, file(made, 2), score=score, batch_size=7).record
    tool = instrument(
        load_checkpoint(run), torch.device("cpu"), memory="frozen", precision="fp32", batch_size=1
    )
    mean, signals = CausalMean(), signals_of(record)
    seen = []
    for moment in tool.moments(timed_frames(file(made, 2), "02.mp4")):
        smooth, is_settled = mean.push(moment.seconds, signals.of(moment))
        if is_settled:
            seen.append(float(record.standard.evidence(smooth)[0]))
    np.testing.assert_allclose(
        record.quantiles, np.quantile(seen, np.linspace(0, 1, len(record.quantiles))), atol=1e-2
    )
    assert len(record.mean) == (len(record.boxes) if score == "local" else 1)
    assert (len(record.weights) == 2) == (score == "paper")


def test_the_paper_score_is_the_weighted_z_of_both(made: Path, run: str) -> None:
    record = calibrated(run, file(made, 2), score="paper").record
    tool = instrument(
        load_checkpoint(run), torch.device("cpu"), memory="frozen", precision="fp32", batch_size=8
    )
    found = list(tool.moments(timed_frames(file(made, 2), "02.mp4")))
    raw = np.array([[-moment.psnr, moment.feature_distance] for moment in found])
    mean, smooth = CausalMean(), []
    for moment, values in zip(found, raw, strict=True):
        means, is_settled = mean.push(moment.seconds, values)
        if is_settled:
            smooth.append(means)
    z = (np.array(smooth) - np.mean(smooth, axis=0)) / np.std(smooth, axis=0)
    expected = 0.6 * z[:, 0] + 0.4 * z[:, 1]
    ranks = np.quantile(expected, np.linspace(0, 1, len(record.quantiles))) / expected.std()
    np.testing.assert_allclose(record.quantiles, ranks, atol=1e-2)


def test_hours_add_up_and_none_counts_twice(made: Path, run: str) -> None:
    first = calibrated(run, file(made, 2), alarms_per_hour=2000.0).record
    write_video(made / "new/04.mp4", scene(FRAMES, size=(48, 72), seed=4))
    summary = calibrated(run, made / "new", add=True, alarms_per_hour=2000.0)
    record = summary.record
    assert len(record.recordings) == 2
    assert record.calibration.hours == pytest.approx(2 * first.calibration.hours, rel=1e-3)
    assert (record.mean, record.deviation) == (first.mean, first.deviation)
    before = Path(run, RECORD).read_bytes()
    write_video(made / "five/05.mp4", scene(FRAMES, size=(48, 72), seed=5))
    copy = shutil.copy(made / "five/05.mp4", made / "copy.mp4")
    for again in ([file(made, 2)], [made / "new"], [made / "five", copy]):
        with pytest.raises(CalibrationError, match=r"found the frames of .* again, expected others"):
            calibrated(run, *again, add=True)
    assert Path(run, RECORD).read_bytes() == before
    with pytest.raises(CalibrationError, match=r"^training/02: found the frames of .*02\.mp4 again"):
        calibrated(run, add=True)


def test_profiles_are_calibrated_apart(made: Path, run: str, tmp_path: Path) -> None:
    frames = tinted(scene(2 * FRAMES, size=(48, 72), seed=12), is_gray=True)
    frames[:FRAMES] = tinted(scene(FRAMES, size=(48, 72), seed=12), is_gray=False)
    turning = write_video(tmp_path / "12.mp4", frames)
    plain = calibrated(run, file(made, 2)).record
    colour, infrared = calibrate_all(run, turning, profile="chroma")
    for summary, name in ((colour, "colour"), (infrared, "infrared")):
        assert summary.file == f"{run}/calibration-{name}.json"
        assert load_calibration(Storage(run), f"calibration-{name}.json") == summary.record
        assert summary.record.profile == name
        assert summary.record.calibration.hours == pytest.approx(settled(FRAMES), abs=3 / 25 / 3600)
        assert next(iter(lines(summary))).startswith(f"{name}: ")
    assert colour.record.mean != infrared.record.mean
    assert load_calibration(Storage(run)) == plain
    night = calibrated(run, file(made, 2), profile="night").record
    assert (night.profile, night.mean) == ("night", plain.mean)
    (only,) = calibrate_all(run, write_video(tmp_path / "13.mp4", frames[FRAMES:]), profile="chroma")
    assert only.record.profile == "infrared"
    assert "none of the video is colour" in only.notes
    with pytest.raises(ConfigError, match=r"--profile: found 'a/b', expected a name of small letters"):
        calibrated(run, profile="a/b")


def test_another_rate_is_answered_without_scoring(made: Path, run: str) -> None:
    first = calibrated(run, file(made, 2)).record
    write_video(made / "seven/07.mp4", scene(FRAMES, size=(48, 72), seed=7))
    both = calibrated(run, made / "seven", add=True).record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "trace", None)
        summary = calibrated(run, file(made, 2), alarms_per_hour=4000.0, confidence="mean")
        assert summary.record == dataclasses.replace(both, alarms_per_hour=4000.0, confidence=None)
        assert load_calibration(Storage(run)) == summary.record
        assert summary.notes == (
            "the video is in the calibration that is there, beside 1 other recording, which answers; remove "
            "calibration.json to begin anew",
        )
    other = calibrated(run, made / "seven", score="psnr").record
    assert (other.belongs.score, len(other.recordings)) == ("psnr", 1)
    Path(run, RECORD).write_text("{")
    assert calibrated(run, file(made, 2)).record == first


def test_what_was_asked_before_stays_unless_it_is_asked_anew(made: Path, run: str) -> None:
    def asked(*videos: Path, **options: Any) -> tuple[float, float | None]:
        record = calibrated(run, *videos, **options).record
        assert load_calibration(Storage(run)) == record
        return record.alarms_per_hour, record.confidence

    write_video(made / "nine/09.mp4", scene(FRAMES, size=(48, 72), seed=9))
    write_video(made / "ten/10.mp4", scene(FRAMES, size=(48, 72), seed=10))
    assert asked(file(made, 2)) == (1.0, 0.9)
    assert asked(file(made, 2), alarms_per_hour=2000.0, confidence="mean") == (2000.0, None)
    assert asked(file(made, 2)) == (2000.0, None)
    assert asked(made / "nine", add=True) == (2000.0, None)
    assert asked(made / "ten", add=True, confidence=0.95) == (2000.0, 0.95)
    assert asked(made / "ten", score="psnr") == (1.0, 0.9)


def test_the_command_for_more_leaves_out_what_calibrate_takes_unasked() -> None:
    config = CalibrateConfig(run="run")
    assert {name: getattr(config, name) for name in UNASKED} == UNASKED


def test_results_among_normal_video_do_not_count_and_cut_files_are_told(
    made: Path, run: str, tmp_path: Path
) -> None:
    cam = tmp_path / "cam"
    write_video(cam / "a.mkv", scene(FRAMES, size=(48, 72), seed=21))
    write_video(cam / "scored/a/overlay.mp4", scene(FRAMES, size=(48, 72), seed=22))
    (cam / "scored/config.toml").write_text('[score]\nvideos = ["."]\nout = "scored"\ndevice = "auto"\n')
    whole = (cam / "a.mkv").read_bytes()
    (cam / "a.mkv").write_bytes(whole[: len(whole) * 3 // 4])
    summary = calibrated(run, cam)
    assert [each.name for each in summary.record.recordings] == [str(cam / "a.mkv")]
    assert f"{cam}: left out what score or watch wrote: scored" in summary.notes
    assert (
        f"of damaged files what could be read counts: {cam}/a.mkv (File ended prematurely)" in summary.notes
    )


def test_a_set_that_is_not_where_the_run_says_asks_for_shards(made: Path, run: str) -> None:
    Path(run, "config.toml").unlink()
    Path(run, "config.toml").write_text('[train]\nshards = "data"\n')
    with pytest.raises(CalibrationError, match=r"^data/manifest\.json: not found, .*; give it with --shards"):
        calibrated(run)
    assert "--shards" in calibrated(run, file(made, 2)).notes[0]


def test_hours_that_are_replaced_are_told(made: Path, run: str) -> None:
    calibrated(run, file(made, 2))
    write_video(made / "eight/08.mp4", scene(FRAMES, size=(48, 72), seed=8))
    summary = calibrated(run, made / "eight")
    assert len(summary.record.recordings) == 1
    assert summary.notes[-1].startswith("in place of the calibration that was there, 2.1 seconds of other")


def test_parts_of_one_video_overlap_where_they_share_frames() -> None:
    assert overlapping("ab", "ab")
    assert overlapping("ab", "ab 30:80")
    assert overlapping("ab 30:80", "ab 79:90")
    assert not overlapping("ab 30:80", "ab 80:90")
    assert not overlapping("ab 30:80", "cd 30:80")
    assert overlapping("ab@25", "ab@24 30:80")
    assert not overlapping("ab@25 10:30", "ab@24 30:80")


def test_another_way_to_score_is_not_added(made: Path, run: str) -> None:
    write_images(made / "mask", [np.full((8, 12, 3), 255, np.uint8)], pattern="{}.png")
    calibrated(run, file(made, 2))
    for options, words in (
        ({"mask": str(made / "mask/0.png")}, "calibration of no mask, expected one of the mask"),
        ({"score": "psnr"}, "calibration of score local, expected one of score psnr"),
        ({"memory": "video"}, "calibration of memory frozen, expected one of memory video"),
        ({"precision": "bf16"}, "calibration of precision fp32, expected one of precision bf16"),
    ):
        with pytest.raises(CalibrationError, match=words):
            calibrated(run, file(made, 3), add=True, **options)
    make_checkpoint(Path(run, "checkpoints/model-00000004.safetensors"), size=SIZE, seed=1)
    with pytest.raises(CalibrationError, match="found no frame rate, expected that of the video"):
        calibrated(run, file(made, 3), add=True)


def test_a_mask_hides_what_is_black(made: Path, run: str) -> None:
    levels = np.full((48, 72, 3), 255, np.uint8)
    levels[:, :36] = 0
    write_images(made / "half", [levels], pattern="{}.png")
    masked = calibrated(run, file(made, 2), mask=str(made / "half/0.png")).record
    plain = calibrated(run, file(made, 2)).record
    assert masked.belongs.mask is not None
    assert plain.belongs.mask is None
    assert all(one <= other + 1e-6 for one, other in zip(masked.mean, plain.mean, strict=True))
    assert masked.mean != plain.mean


def test_training_video_is_refused_or_called_optimistic(made: Path, run: str) -> None:
    with pytest.raises(
        CalibrationError, match=r"01\.mp4: found training video 01, which the model was trained"
    ):
        calibrated(run, file(made, 2), file(made, 1))
    with pytest.raises(CalibrationError, match=r"found training video 03"):  # of which only a part was kept
        calibrated(run, file(made, 3))
    assert not Path(run, RECORD).exists()
    summary = calibrated(run, on_training_video=True, alarms_per_hour=5000.0)
    assert [each.name for each in summary.record.recordings] == ["training/01", "training/03 0:20"]
    assert summary.record.optimistic
    words = list(lines(summary))
    assert words[0].endswith("recordings, optimistic: the model was trained on it")
    assert words[-1].startswith("Optimistic, for the model was trained on this video: ")
    added = calibrated(run, file(made, 2), add=True).record
    assert added.optimistic
    assert calibrated(run, file(made, 1), on_training_video=True).record.optimistic


def test_folders_of_images_are_known_as_what_the_model_was_trained_on(tmp_path: Path) -> None:
    for number in (1, 2):
        write_images(tmp_path / f"source/training/{number}", scene(40, size=(48, 72), seed=number))
    preprocess(
        PreprocessConfig(
            source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=SIZE, rate=25.0
        )
    )
    run, one, two = str(tmp_path / "run"), *(tmp_path / f"source/training/{number}" for number in (1, 2))
    trained(Path(run), tmp_path / "shards", (HeldOut(video="2", start=0, end=40),))
    with pytest.raises(CalibrationError, match=r"training/1: found training video 1, which the model was"):
        calibrated(run, one, rate=25.0)
    calibrated(run)
    with pytest.raises(CalibrationError, match="training/2"):
        calibrated(run, two, rate=25.0, add=True)
    moved = two.rename(tmp_path / "elsewhere")
    with pytest.raises(CalibrationError, match="elsewhere"):
        calibrated(run, moved, rate=25.0, add=True)


def test_without_anything_kept_aside_it_says_what_to_do(made: Path, run: str) -> None:
    trained(Path(run), made / "shards", ())
    with pytest.raises(CalibrationError) as caught:
        calibrated(run)
    message = str(caught.value)
    for words in ("found nothing that train kept aside", "--hold-out 0.2", "--on-training-video"):
        assert words in message


def test_a_set_that_is_gone_or_another_is_named(made: Path, run: str, tmp_path: Path) -> None:
    trained(Path(run), made / "shards", HELD_OUT)
    Path(run, "config.toml").unlink()
    Path(run, "config.toml").write_text(f'[train]\nshards = "{tmp_path / "gone"}"\n')
    with pytest.raises(Exception, match=r"gone"):
        calibrated(run)
    assert calibrated(run, shards=str(made / "shards")).record.recordings
    summary = calibrated(run, file(made, 1))
    assert "could not be looked up" in summary.notes[0]
    write_video(tmp_path / "source/training/videos/01.mp4", scene(20, size=(48, 72)))
    preprocess(PreprocessConfig(source=str(tmp_path / "source"), shards=str(tmp_path / "other"), size=SIZE))
    with pytest.raises(CalibrationError, match=r"found another training split than .* was trained on"):
        calibrated(run, shards=str(tmp_path / "other"))


def test_rates_must_fit(made: Path, run: str, tmp_path: Path) -> None:
    frames = scene(120, size=(48, 72), seed=9)
    slow = write_video(tmp_path / "slow.mp4", frames, rate=10)
    with pytest.raises(ConfigError, match=r"found 10 frames/s, expected the 25 frames/s"):
        calibrated(run, slow)
    fast = write_video(tmp_path / "fast.mp4", frames, rate=50)
    found = calibrated(run, fast).record.calibration.hours
    assert found == pytest.approx(settled(60), abs=3 / 25 / 3600)
    images = write_images(tmp_path / "images", frames[:60])
    with pytest.raises(ConfigError, match=r"images: found a folder of images, which has no frame rate"):
        calibrated(run, images)
    assert calibrated(run, images, rate=25.0).record.calibration.hours == pytest.approx(found, rel=0.05)
    other = calibrated(run, images, rate=24.0)  # is no answer for the same images at another rate
    assert other.record.calibration.hours == pytest.approx(found * 25 / 24, rel=0.05)
    with pytest.raises(CalibrationError, match=r"found the frames of .*images again"):
        calibrated(run, images, rate=25.0, add=True)
    trained(Path(run), made / "shards", HELD_OUT, rate=0.5)
    with pytest.raises(CalibrationError, match=r"found 0\.5 frames/s, expected at least 1"):
        calibrated(run)


def test_video_that_is_too_short_or_still_is_refused(run: str, tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", scene(20, size=(48, 72)))
    with pytest.raises(CalibrationError, match=r"found 0 scored frames of normal video, expected at least 2"):
        calibrated(run, tmp_path / "short.mp4")
    with pytest.raises(SourceError, match="not found"):
        calibrated(run, tmp_path / "gone.mp4")
    write_images(tmp_path / "still", [np.full((48, 72, 3), 90, np.uint8)] * 60)
    with pytest.raises(CalibrationError, match="whose local errors do not differ"):
        calibrated(run, tmp_path / "still", rate=25.0)


def test_damage_is_left_out_and_told(made: Path, run: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", scene(120, size=(120, 160)), options={"g": "60", "bf": "0"})
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + 6000
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(data)
    summary = calibrated(run, path)
    assert any(note.startswith("left out ") for note in summary.notes)
    assert 0 < summary.record.calibration.hours < settled(120)


def test_one_that_is_killed_goes_on_and_gives_the_same(made: Path, run: str, tmp_path: Path) -> None:
    write_video(tmp_path / "more/06.mp4", scene(FRAMES, size=(48, 72), seed=6))
    expected = calibrated(run, file(made, 2), tmp_path / "more").record
    Path(run, RECORD).unlink()
    scored: list[str] = []

    def dying(*arguments: Any) -> dict[str | None, Trace]:
        scored.append(arguments[2].name)
        if len(scored) == 2:
            raise KeyboardInterrupt
        return trace(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "trace", dying)
        with pytest.raises(KeyboardInterrupt):
            calibrated(run, file(made, 2), tmp_path / "more")
        assert not Path(run, RECORD).exists()
        (kept,) = Path(run, FOLDER).iterdir()
        with pytest.raises(KeyboardInterrupt):  # another score is another work
            scored.pop()
            calibrated(run, file(made, 2), score="psnr")
        assert calibrated(run, file(made, 2), tmp_path / "more").record == expected
    assert scored == [str(file(made, 2)), str(file(made, 2)), str(tmp_path / "more/06.mp4")]
    assert not Path(run, FOLDER).exists()
    assert kept.name.endswith(".npz")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_was_kept_and_damaged_is_scored_again(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keeper = Keeper(Storage(folder), BELONGS)
        whole = noise(1, seconds=20)
        keeper.save("ab", None, whole)
        (path,) = Path(folder, FOLDER).iterdir()
        path.write_bytes(data.draw(mutated_bytes(path.read_bytes())))
        found = keeper.load("ab", None)
        if found is not None:
            assert np.array_equal(found.seconds, whole.seconds)
            assert np.array_equal(found.values, whole.values)
            assert found.restarts == whole.restarts
        path.rename(path.with_name(f"{'0' * 64}.npz"))
        assert keeper.load("ab", None) is None
        assert keeper.load("ab", "night") is None
        keeper.clear()
        assert list(Path(folder).iterdir()) == []


def test_one_at_a_time(made: Path, run: str) -> None:
    with sole("calibration or training", Storage(run)), pytest.raises(BusyError, match="calibration or"):
        calibrated(run, file(made, 2))


def test_a_run_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint found"):
        calibrated(str(tmp_path / "typo"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(None, None), (24, 24)])
def test_models_of_another_size_say_so(made: Path, run: str, size: Any) -> None:
    path = Path(run, "checkpoints/model-00000003.safetensors")
    path.unlink()
    make_checkpoint(path, size=size)
    with pytest.raises((CheckpointError, CalibrationError), match=r"found no frame (size|rate)"):
        calibrated(run, file(made, 2))


@pytest.mark.slow
def test_the_command_tells_the_promise(made: Path, run: str) -> None:
    done = run_command(command("calibrate", run, file(made, 2), "--alarms-per-hour", 5000, "--device", "cpu"))
    assert done.returncode == 0, done.stderr
    record = json.loads(Path(run, RECORD).read_text())
    assert record["promise"] in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == f"calibration: {run}/{RECORD}"
    again = run_command(command("calibrate", run, "--confidence", "mean", "--device", "cpu"))
    assert "no promise: 1 alarm/h on average needs 1.0 h" in again.stdout
    wrong = run_command(command("calibrate", run, "--confidence", "1.2"))
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines() == ["error: --confidence: found '1.2', expected 0.5 to 0.999, or mean"]


def test_options_that_cannot_be_are_refused() -> None:
    wrong: dict[str, Any] = {"alarms_per_hour": 0.0, "confidence": 0.2, "score": "best", "memory": "carry"}
    for name, value in wrong.items():
        with pytest.raises(ConfigError):
            CalibrateConfig(run="a", **{name: value})


def test_a_promise_is_kept_where_there_are_hours_enough(made: Path, run: str) -> None:
    summary = calibrated(run, file(made, 2), alarms_per_hour=4000.0)
    assert isinstance(summary.answer, Threshold)
    assert summary.answer.bound <= 4000
    assert any(line.startswith("alarms from evidence ") for line in lines(summary))
