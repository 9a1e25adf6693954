"""The endless video: a function of seed and time, labelled, and whole however often it was killed."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import load_config
from pipeline.errors import BusyError, ConfigError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.processes.locking import sole
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.endless import count_of, name_of, passers_by, planted
from pipeline.synthesize.run import synthesize
from pipeline.synthesize.scene import View
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers.commands import TIMEOUT, command, run, started
from tests.helpers.limits import limited

LOOKS: dict[str, Any] = {"rate": 1, "size": (64, 64)}


def config(out: Path, hours: tuple[float, float], **options: object) -> SynthesizeConfig:
    hours = float(hours[0]), float(hours[1])
    return SynthesizeConfig(out=str(out), hours=hours, **{**LOOKS, **options})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "config.toml"}


def frames(path: Path) -> np.ndarray:
    video, found = cv2.VideoCapture(str(path)), []
    while (step := video.read())[0]:
        found.append(step[1][..., 0])
    return np.stack(found).astype(int)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour with twenty events an hour."""
    out = tmp_path_factory.mktemp("endless") / "busy"
    synthesize(config(out, (1, 1.5), events_per_hour=20))
    return out


def test_there_is_a_recording_for_each_quarter_of_an_hour(busy: Path) -> None:
    assert sorted(files(busy)) == ["0001h00.mp4", "0001h15.mp4", "labels.csv"]
    assert len(frames(busy / "0001h00.mp4")) == 900


def test_an_hour_is_the_same_whatever_else_was_drawn(busy: Path, tmp_path: Path) -> None:
    synthesize(config(tmp_path / "alone", (1.25, 1.5), events_per_hour=20))
    assert (tmp_path / "alone" / "0001h15.mp4").read_bytes() == (busy / "0001h15.mp4").read_bytes()
    assert (tmp_path / "alone" / "labels.csv").read_text().splitlines()[1:] == [
        line for line in (busy / "labels.csv").read_text().splitlines() if line.startswith("0001h15")
    ]
    synthesize(config(tmp_path / "other", (1.25, 1.5), events_per_hour=20, seed=1))
    assert (tmp_path / "other" / "0001h15.mp4").read_bytes() != (busy / "0001h15.mp4").read_bytes()


def test_what_differs_from_the_same_hours_without_events_is_what_is_labelled(
    busy: Path, tmp_path: Path
) -> None:
    synthesize(config(tmp_path / "calm", (1, 1.25)))
    assert sorted(files(tmp_path / "calm")) == ["0001h00.mp4"]
    change = np.abs(frames(busy / "0001h00.mp4") - frames(tmp_path / "calm" / "0001h00.mp4"))
    changed = (change > 60).sum(axis=(1, 2)) > 20  # more than the encoder changes
    labelled = np.zeros(900, bool)
    rows = [line.split(",") for line in (busy / "labels.csv").read_text().splitlines()]
    assert rows[0] == ["video", "start_seconds", "end_seconds", "event"]
    for _, start, end, _ in rows[1:6]:
        labelled[int(float(start)) : int(float(end))] = True
    assert np.count_nonzero(np.diff(labelled.astype(int)) == 1) == 5
    near = np.convolve(labelled, np.ones(5), "same") > 0  # who is half in view is seen, too
    assert (labelled & changed).sum() >= 0.7 * labelled.sum()
    assert not (changed & ~near).any()


def test_preprocess_reads_the_labels(busy: Path, tmp_path: Path) -> None:
    preprocess(
        PreprocessConfig(
            source=str(busy), shards=str(tmp_path / "shards"), split="testing", size=(16, 16), workers=1
        )
    )
    manifest = load_manifest(Storage(tmp_path / "shards"))
    spans = [line.split(",") for line in (busy / "labels.csv").read_text().splitlines()[1:]]
    for video in manifest.videos:
        own = [(float(start), float(end)) for name, start, end, _ in spans if name == video.name]
        assert video.labels is not None
        assert sum(video.labels) == sum(end - start for start, end in own)


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["config.toml", "0000h00.mp4"])
def test_a_killed_run_is_taken_up_by_the_same_command(tmp_path: Path, seen: str) -> None:
    given = ("--hours", "0:0.75", "--events-per-hour", 8, "--rate", 1, "--size", 64)
    assert run(command("synthesize", tmp_path / "whole", *given)).returncode == 0
    out = tmp_path / "killed"
    with started(command("synthesize", out, *given)) as process:
        deadline = time.monotonic() + TIMEOUT
        while not (out / seen).exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("0*.mp4")}
    done = run(command("synthesize", out, *given))
    assert done.returncode == 0, done.stderr
    assert files(out) == files(tmp_path / "whole")
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before


def test_a_folder_of_other_options_is_left_alone(busy: Path) -> None:
    before = files(busy)
    with pytest.raises(ConfigError, match=r"found video drawn with seed = 0, expected 1"):
        synthesize(config(busy, (1, 1.5), events_per_hour=20, seed=1))
    with pytest.raises(ConfigError, match=r"drawn with hours = \[1\.0, 1\.5\], expected \[1\.0, 2\.0\]"):
        synthesize(config(busy, (1, 2), events_per_hour=20))
    assert files(busy) == before


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(ConfigError, match=r"found files, but no config\.toml of synthesize"):
        synthesize(config(tmp_path, (0, 0.25)))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_remote_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a folder of this machine"):
        synthesize(SynthesizeConfig(out="https://127.0.0.1:9/video", hours=(0, 0.25)))


def test_two_runs_do_not_draw_into_one_folder(tmp_path: Path) -> None:
    with sole("synthesis", Storage(tmp_path)), pytest.raises(BusyError, match="another synthesis"):
        synthesize(config(tmp_path, (0, 0.25)))


def test_its_config_can_be_given_back(busy: Path) -> None:
    options = dict.fromkeys(SynthesizeConfig.__dataclass_fields__, False)
    table = load_config(busy / "config.toml", {"synthesize": options})["synthesize"]
    assert (table["hours"], table["events_per_hour"]) == ([1.0, 1.5], 20.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hours": "3"}, "--hours: found '3', expected FROM:TO as 3:9"),
        ({"hours": (1, 1.1)}, r"--hours: found \(1, 1.1\), expected FROM:TO"),
        ({"hours": (2, 1)}, "--hours"),
        ({"hours": None, "events_per_hour": 2.0}, "--events-per-hour: found 2.0, expected 0 without --hours"),
        ({"frames": 60}, "--frames: found 60, expected none with --hours"),
        ({"person_height": 0.6}, "--person-height: found 0.6, expected 0.03 to 0.5"),
        ({"rate": 0}, "--rate: found 0, expected 1 to 60"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SynthesizeConfig(**{"out": "new", "hours": (0, 1), **options})


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    imports = """
        import numpy as np
        from pipeline.synthesize.footage import write_video
        frame = np.random.default_rng(0).integers(0, 256, (256, 256)).astype(np.uint8)
        folder = pathlib.Path(sys.argv[1])
        write_video(folder / "short.mp4", (frame.copy() for _ in range(50)), 15)
    """
    body = 'write_video(folder / "long.mp4", (frame.copy() for _ in range(800)), 15)'
    measured = limited(body, tmp_path, imports=imports, seconds=TIMEOUT)
    assert measured.error is None
    assert measured.peak < 20e6  # the frames are 52 MB


@given(st.integers(0, 40_000), st.floats(0, 40))
def test_any_hour_has_as_many_events_as_asked_for(number: int, per_hour: float) -> None:
    assert abs(sum(count_of(number + part, per_hour) for part in range(4)) - per_hour) < 1


@given(
    st.integers(0, 2**32), st.integers(1, 10), st.sampled_from([0.05, 0.15, 0.22, 0.4]), st.integers(1, 30)
)
def test_events_are_far_enough_from_one_another_for_an_alarm_each(
    seed: int, count: int, height: float, rate: int
) -> None:
    view = View(aspect=4 / 3, rate=rate, person_height=height)
    events = planted(np.random.default_rng(seed), count, 900 * rate, view)
    assert len(events) == count
    ends = [-2.0, *(event.end / rate for event in events)]
    for event, end in zip(events, ends, strict=False):
        assert event.start < event.end <= 900 * rate
        assert event.start / rate > end + 32  # hold and cooldown of an alarm


@pytest.mark.parametrize("height", [0.05, 0.15, 0.4])
def test_as_many_people_are_in_view_whatever_their_size(height: float) -> None:
    view = View(aspect=4 / 3, rate=2, person_height=height)
    counts = []
    for seed in range(20):
        walkers = list(passers_by(np.random.default_rng(seed), 1800, view))
        counts += [sum(walker.is_in_view(frame, view) for walker in walkers) for frame in (0, 900, 1799)]
        assert all(0.9 * height <= walker.height <= 1.1 * height for walker in walkers)
    assert 3.5 < np.mean(counts) < 5.5


def test_names_are_times() -> None:
    assert [name_of(number) for number in (0, 5, 4003)] == ["0000h00", "0001h15", "1000h45"]
