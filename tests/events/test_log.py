"""The log of events: whole lines only, whatever kills the writer and wherever the file is cut."""

import dataclasses
import errno
import json
import os
import random
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BusyError, SourceError
from pipeline.events.event import Event, from_json, to_json
from pipeline.events.log import CURRENT, LOG, RECENT, fold, lasting, read_events, writing
from shards.errors import StorageError
from shards.jsonfile import read_json
from shards.storage import Storage
from tests.helpers.commands import ROOT
from tests.helpers.events import event, events, peak
from tests.helpers.mutation import mutated_bytes

STORY = [event(0, type="new"), event(0), event(1, type="new"), event(1)]
WHOLE = b"".join(to_json(one).encode() + b"\n" for one in STORY)
SHORT = b"".join(to_json(one).encode() + b"\n" for one in STORY[:2])

APPEND = (
    "import sys\n"
    "from pipeline.events.log import writing\n"
    "from shards.storage import Storage\n"
    "from tests.helpers.events import event\n"
    "with writing(Storage(sys.argv[1])) as log:\n"
    "    for number in range(100_000):\n"
    "        for kind in ('new', 'end'):\n"
    "            log.append(event(number, type=kind))\n"
    "            print(number, kind, flush=True)\n"
)


def append_all(folder: Path, story: list[Event] = STORY) -> None:
    with writing(Storage(folder)) as log:
        for one in story:
            log.append(one)


def test_the_log_holds_what_was_appended_and_the_current_events_are_beside_it(tmp_path: Path) -> None:
    append_all(tmp_path / "yard")
    assert (tmp_path / "yard" / LOG).read_bytes() == WHOLE
    folder = Storage(tmp_path / "yard")
    assert read_events(folder) == [event(0), event(1)]
    record = read_json(folder, CURRENT)
    assert record["version"] == 1
    assert [from_json(json.dumps(one).encode(), CURRENT) for one in record["events"]] == read_events(folder)


def test_each_line_is_on_the_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    real_sync = os.fsync

    def sync(descriptor: int) -> None:
        synced.append((tmp_path / LOG).read_bytes())
        real_sync(descriptor)

    with writing(Storage(tmp_path)) as log:
        monkeypatch.setattr(os, "fsync", sync)
        for number, one in enumerate(STORY, start=1):
            log.append(one)
            assert synced[-1].count(b"\n") == len(synced) == number


def test_an_event_that_goes_on_stays_new(tmp_path: Path) -> None:
    append_all(tmp_path, STORY[:3])
    assert [one.type for one in read_events(Storage(tmp_path))] == ["end", "new"]


def test_an_update_is_no_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="update"):
        append_all(tmp_path, [event(type="update")])


@pytest.mark.parametrize("start", range(0, len(SHORT) + 1, 500))
def test_a_log_cut_at_any_byte_is_read_and_a_repeated_run_completes_it(
    tmp_path: Path, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 2,000 of them take long
    folder, path = Storage(tmp_path), tmp_path / LOG
    for length in range(start, min(start + 500, len(SHORT) + 1)):
        path.write_bytes(SHORT[:length])
        lines = SHORT[:length].count(b"\n")
        assert read_events(folder) == fold(STORY[:lines])
        append_all(tmp_path, STORY[:2])
        assert path.read_bytes() == SHORT
        (tmp_path / CURRENT).unlink()


def test_a_repeated_run_keeps_what_a_person_said_and_people_may_change_their_mind(tmp_path: Path) -> None:
    append_all(tmp_path)
    for label in ("real", "normal", "real"):
        append_all(tmp_path, [event(1, label=label)])
        assert read_events(Storage(tmp_path))[1].label == label
    append_all(tmp_path)
    assert [one.label for one in read_events(Storage(tmp_path))] == [None, "real"]


def test_a_repeated_run_whose_figures_differ_in_the_last_digits_adds_no_line(tmp_path: Path) -> None:
    append_all(tmp_path)
    append_all(tmp_path, [dataclasses.replace(one, peak=peak(local_error=-11.500002)) for one in STORY])
    assert (tmp_path / LOG).read_bytes() == WHOLE
    append_all(tmp_path, [event(1, label="real"), event(1, label="real")])
    assert (tmp_path / LOG).read_bytes() == WHOLE + to_json(event(1, label="real")).encode() + b"\n"


def test_the_real_end_follows_that_of_a_run_that_was_cut_off(tmp_path: Path) -> None:
    append_all(tmp_path, [event(type="new"), event(interrupted=True, frames=3)])
    append_all(tmp_path, [event(type="new"), event()])
    assert read_events(Storage(tmp_path)) == [event()]


def test_what_a_person_said_while_an_event_went_on_stays_with_the_real_end_of_a_repeated_run(
    tmp_path: Path,
) -> None:
    begun = event(type="new")
    with writing(Storage(tmp_path)) as log:
        assert log.append(begun) == begun
        log.say(event(type="new", label="normal"))
        log.append(event(interrupted=True, label="normal"))  # by the start after a kill
        assert log.append(begun) == event(interrupted=True, label="normal")
        assert log.append(event()) == event(label="normal")
        assert log.append(event()) == event(label="normal")
    assert read_events(Storage(tmp_path)) == [event(label="normal")]


def test_what_a_person_takes_back_is_taken_back_for_good(tmp_path: Path) -> None:
    append_all(tmp_path)
    for label in ("normal", None):
        with writing(Storage(tmp_path)) as log:
            log.say(event(1, label=label))
            assert log.events[1].label == label
        assert read_events(Storage(tmp_path))[1].label == label
    append_all(tmp_path)
    with writing(Storage(tmp_path)) as log:
        assert log.events[1].label is None
    assert read_events(Storage(tmp_path))[1].label is None


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff{", b"x" * 200_000, b"{}"])
def test_whatever_follows_the_last_line_is_cut(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / LOG).write_bytes(WHOLE + tail)
    assert len(read_events(Storage(tmp_path))) == 2
    append_all(tmp_path, [event(2)])
    assert (tmp_path / LOG).read_bytes() == WHOLE + to_json(event(2)).encode() + b"\n"


def test_a_damaged_line_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    damaged = WHOLE.replace(b'"type":"end"', b'"type":"nd"', 1)
    (tmp_path / LOG).write_bytes(damaged)
    for use in (lambda: read_events(Storage(tmp_path)), lambda: append_all(tmp_path)):
        with pytest.raises(SourceError, match=r"events\.jsonl line 2: not an event \(found type 'nd', "):
            use()
    assert (tmp_path / LOG).read_bytes() == damaged


@settings(max_examples=400, deadline=None)
@given(mutated_bytes(WHOLE))
def test_a_damaged_log_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("log")
    (folder / LOG).write_bytes(data)
    try:
        read = read_events(Storage(folder))
    except SourceError as error:
        assert re.match(rf"{folder}/events\.jsonl line \d: not an event \([^\n]+\); remove ", str(error))
    else:
        assert len(read) <= data.count(b"\n")


@settings(max_examples=25, deadline=None)
@given(st.lists(events(), max_size=5, unique_by=lambda one: one.id))
def test_any_events_come_back(tmp_path_factory: pytest.TempPathFactory, story: list[Event]) -> None:
    folder = tmp_path_factory.mktemp("log")
    lines = [one for one in story if one.type != "update"]
    append_all(folder, lines)
    assert read_events(Storage(folder)) == fold(lines)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["new", "end"])), max_size=12))
def test_fold_has_each_event_once_as_it_last_is(story: list[tuple[int, str]]) -> None:
    folded = fold(event(number, type=kind) for number, kind in story)
    assert [(one.start_seconds / 10, one.type) for one in folded] == list(dict(story).items())


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    with writing(Storage(tmp_path)) as log:
        log.append(STORY[0])
        with pytest.raises(BusyError, match="found another writing of events under way in it") as error:
            append_all(tmp_path)
        assert "\n" not in str(error.value)
        assert read_events(Storage(tmp_path)) == STORY[:1]


@pytest.mark.parametrize("seed", range(3))
def test_sigkill_loses_no_line_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """The child prints each line that it has appended, and is killed at some moment while it appends."""
    writer = subprocess.Popen(
        [sys.executable, "-c", APPEND, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    try:
        acknowledged = [writer.stdout.readline() for _ in range(10)]
        time.sleep(random.Random(seed).uniform(0, 0.2))
    finally:
        writer.kill()
        acknowledged += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
    whole = [line.split() for line in acknowledged if line.endswith("\n")]
    story = [event(int(number), type=kind) for number, kind in whole]
    expected = [to_json(one).encode() for one in story]
    found = (tmp_path / LOG).read_bytes().split(b"\n")[:-1]
    assert found[: len(expected)] == expected
    assert len(found) - len(expected) in (0, 1)  # one may be appended and not yet acknowledged
    assert read_events(Storage(tmp_path)) == fold(from_json(line, LOG) for line in found)
    append_all(tmp_path, story)
    assert (tmp_path / LOG).read_bytes() == b"".join(line + b"\n" for line in found)


def test_a_full_disk_is_one_line_and_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = os.write

    def full(descriptor: int, data: bytes) -> int:
        """Takes 100 bytes, then nothing."""
        if len(data) < 500:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_write(descriptor, data[: len(data) - 499])

    with writing(Storage(tmp_path)) as log:
        log.append(STORY[0])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(StorageError, match=r"events\.jsonl: cannot be written: No space left"):
                log.append(STORY[1])
        assert (tmp_path / LOG).read_bytes() == WHOLE[: WHOLE.index(b"\n") + 1]
        log.append(STORY[1])
    assert read_events(Storage(tmp_path)) == [event(0)]


def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_events(Storage(tmp_path))
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / LOG).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"link/events\.jsonl: cannot be written: "):
        append_all(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / LOG)
    with pytest.raises(StorageError, match=r"pipe/events\.jsonl: cannot be written: "):
        append_all(tmp_path / "pipe")
    with pytest.raises(StorageError, match=r"pipe/events\.jsonl: cannot be read: Not a regular file"):
        read_events(Storage(tmp_path / "pipe"))


def test_a_log_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / LOG).open("wb") as file:
        file.truncate(1 << 40)
    for use in (lambda: read_events(Storage(tmp_path)), lambda: append_all(tmp_path)):
        with pytest.raises(StorageError, match="expected at most 268435456"):
            use()


def test_a_bucket_is_refused_in_one_line() -> None:
    with (
        pytest.raises(StorageError, match=r"s3://b/x/events\.jsonl: .*; choose a local folder"),
        writing(Storage("s3://key:secret@b/x?region=x")),
    ):
        pass


def test_an_error_in_the_block_leaves_the_log_for_the_next_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writing(Storage(tmp_path)) as log:
        log.append(STORY[0])
        raise RuntimeError
    assert read_events(Storage(tmp_path)) == STORY[:1]
    append_all(tmp_path)
    assert (tmp_path / LOG).read_bytes() == WHOLE


def test_a_label_changes_nothing_else() -> None:
    assert dataclasses.replace(event(), label="real").id == event().id


def long_log(folder: Path, count: int, going: int = 0) -> list[Event]:
    """The log of a camera with so many events, of which one goes on."""
    lines = [live(number, type=kind) for number in range(count) for kind in ("new", "end")]
    del lines[2 * going + 1]
    (folder / LOG).write_bytes(b"".join(to_json(one).encode() + b"\n" for one in lines))
    return lines


def live(number: int = 0, **changes: Any) -> Event:
    """An event of a camera, which has a clock."""
    start = datetime(2026, 5, 4, tzinfo=UTC) + timedelta(hours=number)
    times = {"start": start, "end": start + timedelta(seconds=4), "peak": peak(time=start)}
    return event(number, **{**times, **changes})


def test_of_a_lasting_log_the_last_events_are_known_and_those_that_go_on(tmp_path: Path) -> None:
    lines = long_log(tmp_path, 1000)
    with lasting(Storage(tmp_path)) as log:
        assert log.events == [live(0, type="new"), *(live(number) for number in range(800, 1000))]
        log.append(live(0))
        log.append(live(1000, type="new"))
        assert log.events[:2] == [live(0), live(801)]
        assert log.events[-1] == live(1000, type="new")
        log.publish()
        record = read_json(Storage(tmp_path), CURRENT)
        assert [from_json(json.dumps(one).encode(), CURRENT) for one in record["events"]] == log.events
        assert len(log.events) == RECENT + 1
    data = (tmp_path / LOG).read_bytes()
    assert data.count(b"\n") == len(lines) + 2
    assert read_events(Storage(tmp_path))[0] == live(0)


def test_what_an_event_costs_does_not_depend_on_the_age_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []

    def counted(data: bytes, where: str) -> Event:
        parsed.append(len(data))
        return from_json(data, where)

    monkeypatch.setattr("pipeline.events.log.from_json", counted)
    counts, sizes = [], []
    for count in (500, 1000):
        folder = tmp_path / str(count)
        folder.mkdir()
        long_log(folder, count)
        parsed.clear()
        with lasting(Storage(folder)) as log:
            log.append(live(count, type="new"))
            log.publish()
        counts.append(len(parsed))
        sizes.append((folder / CURRENT).stat().st_size)
    assert counts[0] == counts[1] <= 1000
    assert max(sizes) < 1.01 * min(sizes)


def test_what_a_person_says_of_an_old_event_does_not_make_it_new(tmp_path: Path) -> None:
    long_log(tmp_path, 5, going=4)
    with lasting(Storage(tmp_path), most=3) as log:
        log.say(live(1, label="real"))
    with lasting(Storage(tmp_path), most=3) as log:
        assert log.events == [live(1, label="real"), live(2), live(3), live(4, type="new")]


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff{", b"x" * 200_000, b"{}"])
def test_whatever_follows_the_last_line_of_a_lasting_log_is_cut(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / LOG).write_bytes(WHOLE + tail)
    with lasting(Storage(tmp_path)) as log:
        assert log.events == fold(STORY)
        log.append(event(2))
    assert (tmp_path / LOG).read_bytes() == WHOLE + to_json(event(2)).encode() + b"\n"


@pytest.mark.parametrize(
    "line", [b"x" * 200_000, b"{}", WHOLE[:300].replace(b'"version":1,', b'"version":2,')]
)
def test_a_damaged_line_of_a_lasting_log_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / LOG).write_bytes(line + b"\n" + WHOLE)
    with (
        pytest.raises(SourceError, match=r"events\.jsonl at byte 0: not an event \("),
        lasting(Storage(tmp_path)),
    ):
        pass


def test_a_lasting_log_whose_disk_is_full_keeps_its_lines_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with lasting(Storage(tmp_path)) as log:
        log.append(STORY[0])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            log.append(STORY[1])
            log.append(STORY[2])
            log.append(STORY[1])  # it has that one
            assert list(log.unwritten) == STORY[1:3]
            assert "No space left on device" in str(log.refusal)
            assert log.events == fold(STORY[:3])
        log.append(STORY[3])
        assert (list(log.unwritten), log.refusal) == ([], None)
    assert (tmp_path / LOG).read_bytes() == WHOLE


def test_a_lasting_log_opens_when_its_disk_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LOG).write_bytes(WHOLE)
    real = os.open

    def read_only(path: Any, flags: int, *more: Any, **given: Any) -> int:
        if flags & os.O_WRONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *more, **given)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        with lasting(Storage(tmp_path)) as log:
            log.append(event(2))
            assert list(log.unwritten) == [event(2)]
            patch.undo()
            log.settle()
            assert not log.unwritten
    assert (tmp_path / LOG).read_bytes() == WHOLE + to_json(event(2)).encode() + b"\n"
