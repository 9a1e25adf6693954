"""The command itself: stopped or killed in an event, it leaves a whole log, and messages arrive once."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.events.event import Event
from pipeline.scoring.rows import read_rows
from rtsp import camera
from shards.storage import Storage
from tests.helpers.commands import TIMEOUT, command, run, started
from tests.helpers.receivers import Receiver, receiver, until
from tests.helpers.watching import events_of
from tests.helpers.yard import World

SPEED = 6


IMPATIENT = """
import math, types
from datetime import UTC, datetime
import pytest
import cli, pipeline.scoring.journal as journal
from pipeline.watch import clock, readers
from tests.helpers.watching import without_skipping
journal.HELD_SECONDS, clock.COMPARED_SECONDS = 0, math.inf
shift = datetime.now(UTC).replace(minute=30) - datetime.now(UTC)
readers.datetime = types.SimpleNamespace(now=lambda zone: datetime.now(zone) + shift)
without_skipping(pytest.MonkeyPatch())
cli.main()
"""
"""The command, which holds no rows for a minute, believes a camera that is faster than real ones and skips
none of its frames. They come from half past the hour on: a table appears whole at the end of each."""


def watch(world: World, out: Path, url: str, *options: object) -> list[str]:
    given = ("--checkpoint", world.run, "--out", out, "--name", "yard", "--device", "cpu")
    return [sys.executable, "-c", IMPATIENT, *command("watch", url, *given, *options)[2:]]


def frames(out: Path) -> list[int]:
    found: list[int] = read_rows(Storage(str(out / "yard")))["frame"].to_pylist()
    return found


def alarms(out: Path) -> list[Event]:
    return [event for event in events_of(out) if event.kind == "anomaly"]


def told(hook: Receiver) -> list[dict[str, Any]]:
    """The messages of alarms, each once: one that was not known to have arrived is sent again."""
    bodies = {headers["Idempotency-Key"]: json.loads(body) for _, headers, body in list(hook.requests)}
    return [body for body in bodies.values() if body["kind"] == "anomaly"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_event_that_is_open_when_the_program_ends_is_closed(
    world: World, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    with receiver() as hook, camera(world.video, speed=SPEED) as source:
        arguments = watch(world, out, source.url, "--webhook", hook.url)
        with started(arguments) as process:
            deadline = time.monotonic() + TIMEOUT
            while not (found := alarms(out)) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert found[0].type == "new" and found[0].peak is not None
            os.killpg(process.pid, number)
            _, said = process.communicate(timeout=TIMEOUT)
        if number == signal.SIGTERM:
            assert process.returncode == 0, said
            (event,) = alarms(out)
            assert (event.type, event.interrupted) == ("end", False)
            assert found[0].peak.frame in frames(out)
        else:
            assert list((out / "yard" / "scores").glob("*.parquet")) == []
        source.fault = "refuse"
        with started(arguments) as process:
            until(lambda: [each["type"] for each in told(hook)] == ["new", "end"], TIMEOUT)
            until(lambda: any((out / "yard" / "scores").glob("*.parquet")), TIMEOUT)
            process.terminate()
            process.communicate(timeout=TIMEOUT)
        assert max(frames(out)) >= found[0].peak.frame - 1  # the row follows the event
        (event,) = alarms(out)
        assert event.interrupted == (number == signal.SIGKILL)
        assert [(each["id"], each["type"]) for each in told(hook)] == [(event.id, "new"), (event.id, "end")]
    listed = run(command("events", out, "--json"))
    assert event.id in [json.loads(line)["id"] for line in listed.stdout.splitlines()]
