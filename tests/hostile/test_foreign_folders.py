"""Runs and results of a stranger, in which names and links lead elsewhere."""

import contextlib
import dataclasses
import json
import logging
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from pipeline.errors import CalibrationError, ConfigError, SourceError
from pipeline.events.event import Files, from_json, to_json
from pipeline.processes.distributed import processes
from pipeline.runs.calibration import RECORD, calibrated_profiles, load_calibration, record_name
from pipeline.scoring.journal import Journal, recover
from pipeline.watch.plan import watch_config
from pipeline.watch.prepare import engine
from pipeline.watch.retention import Retention
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.calibrations import made_of, noise
from tests.helpers.events import event

PROFILES = ("x/../../../away", "../away", "/away", "", ".", "a\x00b", "Night", "a" * 40, "night")
"""That `calibration.json` says it is of, though it is of none."""


@pytest.mark.parametrize("profile", PROFILES)
def test_a_calibration_is_of_the_profile_in_its_name(tmp_path: Path, profile: str) -> None:
    """`score` and `watch` keep a copy of it under the name that follows from its profile."""
    forged = dataclasses.replace(made_of([noise(1)]), profile=profile)
    for name in (RECORD, "calibration-day.json"):
        (tmp_path / name).write_bytes(forged.to_json())
        with pytest.raises(
            CalibrationError, match=r"^.*/calibration(-day)?\.json: not a calibration \(found pr"
        ):
            load_calibration(Storage(str(tmp_path)), name)


def test_a_calibration_of_a_profile_is_found_and_read(tmp_path: Path) -> None:
    home = Storage(str(tmp_path))
    for profile in (None, "day", "night-2"):
        dataclasses.replace(made_of([noise(1)]), profile=profile).save(home)
    (tmp_path / "calibration-.json").write_text("{}")
    (tmp_path / "calibration-Day.json").write_text("{}")
    assert calibrated_profiles(home) == [None, "day", "night-2"]
    assert load_calibration(home, record_name("night-2")).profile == "night-2"


@pytest.mark.parametrize("inside", ["clips", "thumbs", "scores", "normal", "learned", "delivered"])
def test_watch_works_in_no_folder_that_is_linked(tmp_path: Path, inside: str) -> None:
    away, camera = tmp_path / "away", tmp_path / "out" / "yard"
    away.mkdir()
    camera.mkdir(parents=True)
    (away / ".tmp-mine").write_text("mine")
    (camera / inside).symlink_to(away)
    plan = watch_config(url="a.mp4", checkpoint="run", out=str(tmp_path / "out"), name="yard")
    with (
        processes("cpu") as process,
        contextlib.ExitStack() as stack,
        pytest.raises(ConfigError, match=f"yard/{inside}: found a link to .*away, expected a folder of its"),
    ):
        engine(plan, process, stack)
    assert [path.name for path in away.iterdir()] == [".tmp-mine"]


def test_watch_removes_only_what_is_called_as_its_own(tmp_path: Path) -> None:
    away = tmp_path / "away"
    for folder in (
        away,
        tmp_path / "yard" / "thumbs",
        tmp_path / "yard" / "scores",
        tmp_path / "yard" / "clips",
    ):
        folder.mkdir(parents=True)
    others = [
        away / "00000000000000dd.mp4",
        *(tmp_path / "yard" / name for name in ("clips/letter.odt", "clips/mine.mp4", "scores/a.csv")),
    ]
    own = tmp_path / "yard" / "clips" / "00000000000000aa.mp4"
    for path in (*others, own):
        path.write_bytes(b"x")
    (tmp_path / "yard" / "thumbs" / "00000000000000bb.jpg").mkdir()
    os.mkfifo(tmp_path / "yard" / "clips" / "00000000000000cc.mp4")
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "clips").symlink_to(away)
    removed = Retention([tmp_path / "yard", tmp_path / "gate"], 1e-9, None).clean(2e9)
    assert removed == [own]
    assert all(path.exists() for path in others)


def test_a_journal_is_written_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "a.parquet.journal").symlink_to(tmp_path / "away")
    with pytest.raises(StorageError, match=r"a\.parquet\.journal"):
        Journal(Storage(str(tmp_path)), "scores/a.parquet")
    assert not (tmp_path / "away").exists()
    (tmp_path / "away").write_bytes(b"mine")
    os.mkfifo(tmp_path / "scores" / "b.parquet.journal")
    recover(Storage(str(tmp_path)))
    assert (tmp_path / "away").read_bytes() == b"mine"
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["b.parquet.journal"]


@pytest.mark.parametrize(
    "name",
    [
        "../a.mp4",
        "clips/../../a.mp4",
        "/etc/passwd",
        "clips/..",
        "config.toml",
        "clips/a/b.mp4",
        "clips/\x00",
    ],
)
def test_an_event_names_files_of_its_own_folders_alone(name: str) -> None:
    good = event(0, files=Files(clip="clips/a.mp4", thumbnail="thumbs/a.jpg"))
    assert from_json(to_json(good).encode(), "it") == good
    for part in ("clip", "thumbnail"):
        record = json.loads(to_json(good))
        record["files"][part] = name
        with pytest.raises(SourceError, match=rf"files\.{part}"):
            from_json(json.dumps(record).encode(), "it")


def test_a_foreign_name_in_a_warning_controls_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """It did: what modules log was printed by Python's handler of last resort, as it is."""
    assert CliRunner().invoke(cli.main, ["report", "--help"]).exit_code == 0
    for module in ("shards.retry", "pipeline.watch.readers"):
        logging.getLogger(module).warning("%s: trying again", "s3://b/\x1b]52;c;eA==\x07")
    said = capfd.readouterr().err
    assert said.count("trying again\n") == 2
    assert "\x1b" not in said
    assert "\x07" not in said
