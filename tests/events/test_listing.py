"""Which events are listed: of one folder or of all in it, as far as they are asked for."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from pipeline.errors import ConfigError, SourceError
from pipeline.events.config import EventsConfig
from pipeline.events.event import Event
from pipeline.events.listing import listed
from pipeline.events.log import writing
from shards.storage import Storage
from tests.helpers.events import event

NOW = datetime(2026, 5, 6, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cameras, an event each: one of a file, one of two days ago."""
    file = dataclasses.replace(event(), id="a" * 16, camera="file")
    live = timed(dataclasses.replace(event(), id="b" * 16, camera="yard"), NOW - timedelta(days=2))
    for one in (file, live):
        with writing(Storage(str(tmp_path / one.camera))) as log:
            log.append(one)
    return tmp_path


def timed(one: Event, start: datetime) -> Event:
    assert one.peak is not None
    assert one.end_seconds is not None
    return dataclasses.replace(
        one,
        start=start,
        end=start + timedelta(seconds=one.end_seconds - one.start_seconds),
        peak=dataclasses.replace(one.peak, time=start),
    )


def cameras(folder: Path, **options: object) -> list[str]:
    return [one.camera for one in listed(EventsConfig(folder=str(folder), **options), NOW)]  # type: ignore[arg-type]


def test_a_folder_lists_what_is_in_it_and_in_the_folders_in_it(folder: Path) -> None:
    assert cameras(folder) == ["file", "yard"]
    assert cameras(folder / "yard") == ["yard"]
    assert cameras(folder, camera="file") == ["file"]
    assert cameras(folder, since="3d") == ["yard"]
    assert cameras(folder, since="1d") == []


def test_no_log_and_no_length_of_time_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"found no events\.jsonl"):
        cameras(tmp_path)
    with pytest.raises(SourceError, match=r"found no events\.jsonl"):
        cameras(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="expected a length of time"):
        cameras(tmp_path, since="soon")


def test_the_command_prints_a_table_or_json(folder: Path) -> None:
    table = CliRunner().invoke(cli.main, ["events", str(folder)])
    assert table.exit_code == 0
    assert "a" * 16 in table.output
    assert "b" * 16 in table.output
    lines = CliRunner().invoke(cli.main, ["events", str(folder), "--json"]).output.splitlines()
    assert [json.loads(line)["camera"] for line in lines] == ["file", "yard"]
