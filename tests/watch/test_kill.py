"""The command itself: stopped or killed in an event, it leaves a whole log, and messages arrive once."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.events.event import Event
from rtsp import camera
from tests.helpers.commands import TIMEOUT, command, run, started
from tests.helpers.receivers import Receiver, receiver, until
from tests.helpers.watching import events_of
from tests.helpers.yard import World

SPEED = 6


def watch(world: World, out: Path, url: str, *options: object) -> list[str]:
    given = ("--checkpoint", world.run, "--out", out, "--name", "yard", "--device", "cpu")
    return command("watch", url, *given, *options)


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
            assert found[0].type == "new"
            os.killpg(process.pid, number)
            _, said = process.communicate(timeout=60)
        if number == signal.SIGTERM:
            assert process.returncode == 0, said
            (event,) = alarms(out)
            assert (event.type, event.interrupted) == ("end", False)
            (part,) = (out / "yard" / "scores").glob("*.parquet")
            assert event.peak is not None
            assert event.peak.frame in pq.read_table(part)["frame"].to_pylist()
        source.fault = "refuse"
        with started(arguments) as process:
            until(lambda: [each["type"] for each in told(hook)] == ["new", "end"], 60)
            process.terminate()
            process.communicate(timeout=60)
        (event,) = alarms(out)
        assert event.interrupted == (number == signal.SIGKILL)
        assert [(each["id"], each["type"]) for each in told(hook)] == [(event.id, "new"), (event.id, "end")]
    listed = run(command("events", out, "--json"))
    assert event.id in [json.loads(line)["id"] for line in listed.stdout.splitlines()]
