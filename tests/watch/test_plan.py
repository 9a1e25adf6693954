"""What is watched: the command line, a file of cameras, and secrets that stay where they are."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.watch.plan import watch_config
from pipeline.watch.secrets import revealed

CAMERAS = """
[watch]
checkpoint = "runs/yard"
out = "watched"
alarms_per_hour = 2
on_alarm = ["notify", "--now"]

[watch.cameras.yard]
url = "rtsp://user:${YARD}@192.0.2.7/stream"

[watch.cameras.gate]
url = "http://192.0.2.8/video"
checkpoint = "runs/gate"
alarms-per-hour = 0.5
quiet = "22:00-06:00"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YARD", "hunter2")
    path = tmp_path / "cameras.toml"
    path.write_text(CAMERAS)
    return path


def test_one_camera_comes_from_the_command_line() -> None:
    plan = watch_config(url="rtsp://host/stream", checkpoint="runs/yard", out="watched", name="yard")
    assert [(camera.name, camera.url, camera.checkpoint) for camera in plan.cameras] == [
        ("yard", "rtsp://host/stream", "runs/yard")
    ]


def test_each_camera_may_have_its_own_of_what_is_said_for_all(file: Path) -> None:
    yard, gate = watch_config(config=str(file)).cameras
    assert (yard.checkpoint, yard.alarms_per_hour, yard.quiet) == ("runs/yard", 2.0, None)
    assert (gate.checkpoint, gate.alarms_per_hour, gate.quiet) == ("runs/gate", 0.5, "22:00-06:00")
    assert yard.on_alarm == gate.on_alarm == ("notify", "--now")


def test_a_file_has_room_for_hundreds_of_cameras(file: Path) -> None:
    tables = (
        f'[watch.cameras.camera-{n}]\nurl = "rtsp://192.0.2.7/{n}"\nquiet = "22:00-06:00"\n'
        for n in range(500)
    )
    file.write_text(CAMERAS + "\n".join(tables))
    assert len(watch_config(config=str(file)).cameras) == 502


def test_the_command_line_wins_over_the_file(file: Path) -> None:
    assert watch_config(config=str(file), out="elsewhere", alarms_per_hour=3.0).out == "elsewhere"


def test_the_one_name_of_the_command_line_is_no_name_of_a_file(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"found --name and --config, .*; leave it out"):
        watch_config(config=str(file), name="yard")


def test_profiles_by_the_clock_are_a_table_or_a_text(file: Path) -> None:
    file.write_text(CAMERAS + 'profile = { day = "07:00-19:00", night = "19:00-07:00" }\n')
    assert watch_config(config=str(file)).cameras[1].profile == "day=07:00-19:00,night=19:00-07:00"
    given = {"url": "rtsp://host/a", "checkpoint": "runs/yard", "out": "watched"}
    plan = watch_config(**given, profile="day=07:00-19:00,night=19:00-07:00")
    file.write_text(plan.recorded())
    assert watch_config(config=str(file)).cameras[0].profile == plan.cameras[0].profile


def test_a_secret_is_revealed_to_whoever_opens_it_and_recorded_nowhere(file: Path) -> None:
    plan = watch_config(config=str(file))
    assert revealed(plan.cameras[0].url, "url") == "rtsp://user:hunter2@192.0.2.7/stream"
    assert "hunter2" not in plan.recorded() + repr(plan)


def test_what_is_recorded_can_be_given_back(file: Path) -> None:
    plan = watch_config(config=str(file))
    file.write_text(plan.recorded())
    again = watch_config(config=str(file))
    assert again.cameras[1] == plan.cameras[1]
    assert again.recorded() == plan.recorded()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[watch]", "[watcher]", "expected a table \\[watch\\]"),
        ("quiet", "quite", "camera gate: no option 'quite'; did you mean 'quiet'"),
        ('"22:00-06:00"', '"22-6"', "camera gate: --quiet: found '22-6', expected times of the day"),
        ('"22:00-06:00"', '"22:00-22:00"', "camera gate: --quiet: found '22:00-22:00', .*, which differ"),
        ("alarms_per_hour = 2", "alarms_per_hour = 0", "--alarms-per-hour: found 0.0, expected more than 0"),
        ("cameras.gate", "cameras.'../gate'", "found camera '../gate', expected at most 64 letters"),
        ("cameras.gate", "cameras.Yard", "found two cameras 'yard'"),
        ("${YARD}", "${NOT_THERE}", "camera yard: url: found no variable NOT_THERE"),
        ('url = "http://192.0.2.8/video"', "", "camera gate: found no url"),
        ('checkpoint = "runs/yard"', "", "camera yard: found no checkpoint"),
        ('["notify", "--now"]', "[]", "--on-alarm: found \\[\\], expected a program"),
        ('out = "watched"', 'out = "watched"\nwebhook_secret = "s3cret"', "expected \\${NAME}"),
        ('out = "watched"', "", "found no folder for the results"),
        ("[watch]", "[watch", "not TOML"),
        (
            'quiet = "22:00-06:00"',
            'profile = { day = "07:00-19:00" }',
            "camera gate: --profile: found {'day': '07:00-19:00'}, expected a name .* that fill the day once",
        ),
    ],
)
def test_an_error_is_one_line_that_names_file_and_camera(file: Path, old: str, new: str, words: str) -> None:
    file.write_text(CAMERAS.replace(old, new, 1))
    with pytest.raises(ConfigError, match=words) as caught:
        watch_config(config=str(file))
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [{}, {"url": "a.mp4", "config": "cameras.toml"}, {"config": "missing.toml"}]
)
def test_what_is_watched_must_be_said_once(given: dict[str, Any], tmp_path: Path, file: Path) -> None:
    given = {name: str(file) if value == "cameras.toml" else value for name, value in given.items()}
    with pytest.raises(ConfigError, match=r"expected one URL|No such file"):
        watch_config(out="watched", checkpoint="runs/yard", **given)
