"""Delivery: each event at least once and in order, whatever fails and whoever is killed."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.events.event import Event, from_json
from pipeline.events.log import LOG, writing
from pipeline.events.sinks.delivery import LONGEST_PAUSE, Delivery, close_all
from pipeline.events.sinks.sink import DoubtfulError, UndeliverableError, UnreachableError
from pipeline.events.sinks.webhook import Webhook
from pipeline.processes.children import module_environment
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.events import event
from tests.helpers.receivers import receiver, until
from tests.helpers.servers import held_port


class Recorder:
    """A sink that fails as told: None delivers, an error is raised."""

    name = "recorder"

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.got: list[Event] = []
        self.may_send = threading.Event()
        self.may_send.set()

    def send(self, event: Event) -> None:
        self.may_send.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.got.append(event)


def story(count: int) -> list[Event]:
    return [event(number, type=kind) for number in range(count) for kind in ("new", "end")]


def delivered_story(folder: Storage, sink: Recorder) -> Delivery:
    """What has delivered a story of five events to a sink, line by line, and is closed."""
    delivery = Delivery(folder, sink)
    with writing(folder) as log:
        for one in story(5):
            log.append(one)
            delivery.notify()
    until(lambda: len(sink.got) == 10)
    delivery.close()
    return delivery


def test_what_is_logged_is_sent_in_order(tmp_path: Path) -> None:
    sink = Recorder()
    delivery = delivered_story(Storage(tmp_path), sink)
    assert sink.got == story(5)
    assert (delivery.delivered, delivery.left_out, delivery.failure) == (10, 0, None)
    assert delivery.waiting_bytes == 0


@given(
    outcomes=st.lists(
        st.sampled_from(["sent", "again", "refused"]),
        max_size=12,
    )
)
@settings(max_examples=20, deadline=None)
def test_for_any_row_of_failures_nothing_is_lost_and_nothing_overtakes(
    outcomes: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Storage(tmp_path_factory.mktemp("outbox"))
    errors = {"sent": None, "again": UnreachableError("down"), "refused": UndeliverableError("no")}
    sink = Recorder(*(errors[outcome] for outcome in outcomes))
    delivery = Delivery(folder, sink, first_pause=0.0005)
    with writing(folder) as log:
        for one in story(4):
            log.append(one)
    delivery.notify()
    until(lambda: delivery.waiting_bytes == 0)
    delivery.close()
    refused, waiting = set(), iter(outcomes)
    for index in range(8):
        outcome = next((each for each in waiting if each != "again"), "sent")
        if outcome == "refused":
            refused.add(index)
    assert sink.got == [one for index, one in enumerate(story(4)) if index not in refused]
    assert delivery.left_out == len(refused)


def test_a_new_sink_is_not_told_of_the_past_and_an_old_one_goes_on(tmp_path: Path) -> None:
    folder = Storage(tmp_path)
    with writing(folder) as log:
        log.append(event(0))
    first = Recorder()
    delivery = Delivery(folder, first)
    delivery.close()
    with writing(folder) as log:
        log.append(event(1))  # while nobody delivers
    second = Recorder()
    delivery = Delivery(folder, second)
    until(lambda: second.got)
    delivery.close()
    assert (first.got, second.got) == ([], [event(1)])


def refused(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Have no descriptor free so many times when the log is opened to be read."""
    real, left = Path.open, [None] * times

    def opened(self: Path, *given: Any, **more: Any) -> Any:
        if self.name == LOG and left:
            left.pop()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(self))
        return real(self, *given, **more)

    monkeypatch.setattr(Path, "open", opened)


def test_a_log_that_cannot_be_read_at_the_start_is_not_taken_for_another_and_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Storage(tmp_path)
    delivered_story(folder, Recorder())
    with monkeypatch.context() as patch, pytest.raises(StorageError, match=r"events\.jsonl: Too many open"):
        refused(patch, 1)
        Delivery(folder, Recorder())
    sink = Recorder()
    Delivery(folder, sink).close()
    assert sink.got == []


def test_an_event_waits_for_no_other_because_the_log_could_not_be_read_at_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sink = Storage(tmp_path), Recorder()
    delivery = Delivery(folder, sink, first_pause=0.0005)
    with writing(folder) as log:
        log.append(event(0))
    refused(monkeypatch, 3)
    delivery.notify()
    until(lambda: sink.got == [event(0)])
    delivery.close()
    assert delivery.failure is None


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    folder, sink = Storage(tmp_path), Recorder()
    delivery = Delivery(folder, sink)
    with writing(folder) as log:
        log.append(event(0))
    whole = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(whole + whole[:100])
    delivery.notify()
    until(lambda: sink.got)
    delivery.close()
    assert sink.got == [event(0)]
    with writing(folder) as log:  # cuts the half line off
        log.append(event(1))
    again = Recorder()
    delivery = Delivery(folder, again)
    until(lambda: again.got)
    delivery.close()
    assert again.got == [event(1)]


def test_who_is_to_be_told_of_nothing_is_not(tmp_path: Path) -> None:
    folder, sink = Storage(tmp_path), Recorder()
    delivery = Delivery(folder, sink)
    with writing(folder) as log:
        log.append(event(0, suppressed=True))
        log.append(event(1))
    delivery.notify()
    until(lambda: sink.got)
    delivery.close()
    assert sink.got == [event(1)]


def test_a_log_that_began_anew_is_sent_from_its_start(tmp_path: Path) -> None:
    folder = Storage(tmp_path)
    Delivery(folder, Recorder()).close()
    with writing(folder) as log:
        for one in story(3):
            log.append(one)
    sink = Recorder()
    delivery = Delivery(folder, sink)
    until(lambda: len(sink.got) == 6)
    delivery.close()
    (tmp_path / LOG).unlink()
    with writing(folder) as log:
        log.append(event(7))
    again = Recorder()
    delivery = Delivery(folder, again)
    until(lambda: again.got)
    delivery.close()
    assert again.got == [event(7)]


def test_a_log_that_began_anew_and_has_grown_longer_is_sent_from_its_start(tmp_path: Path) -> None:
    folder = Storage(tmp_path)
    with writing(folder) as log:
        log.append(event(0))
    Delivery(folder, Recorder()).close()
    (tmp_path / LOG).unlink()
    with writing(folder) as log:
        for one in story(3)[2:]:
            log.append(one)
    sink = Recorder()
    delivery = Delivery(folder, sink)
    until(lambda: len(sink.got) == 4)
    delivery.close()
    assert sink.got == story(3)[2:]


def test_an_older_copy_of_the_log_is_not_sent_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Storage(tmp_path)
    delivered_story(folder, Recorder())
    lines = (tmp_path / LOG).read_bytes().splitlines(keepends=True)
    (tmp_path / LOG).write_bytes(b"".join(lines[:-1]))
    sink = Recorder()
    delivery = Delivery(folder, sink)
    with writing(folder) as log:
        log.append(event(7))
    delivery.notify()
    until(lambda: sink.got)
    delivery.close()
    assert sink.got == [event(7)]
    assert "taken for an older copy" in caplog.text


class Broken(Recorder):
    """A sink with a defect: it raises what no sink should."""

    def send(self, event: Event) -> None:
        if not self.may_send.is_set():
            raise FileNotFoundError(2, "No usable temporary directory found")
        super().send(event)


def test_whatever_a_sink_raises_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, sink = Storage(tmp_path), Broken()
    sink.may_send.clear()
    delivery = Delivery(folder, sink, first_pause=0.01)
    with writing(folder) as log:
        log.append(event(0))
        delivery.notify()
        until(lambda: delivery.failure)
        assert delivery.failure is not None and "temporary directory" in delivery.failure
        log.append(event(1))
        sink.may_send.set()
        until(lambda: delivery.waiting_bytes == 0)
    delivery.close()
    assert sink.got == [event(0), event(1)]
    assert "it is tried again until it arrives" in caplog.text


def test_a_defect_of_the_delivery_itself_ends_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sink = Storage(tmp_path), Recorder()
    broken = [ValueError("a defect")]
    real = Delivery._is_done

    def is_done(self: Delivery, line: bytes) -> bool:
        if broken:
            raise broken.pop()
        return real(self, line)

    monkeypatch.setattr(Delivery, "_is_done", is_done)
    delivery = Delivery(folder, sink, first_pause=0.01)
    with writing(folder) as log:
        log.append(event(0))
    delivery.notify()
    until(lambda: sink.got)
    delivery.close()
    assert sink.got == [event(0)]


def test_a_receiver_that_is_back_after_long_has_what_it_missed_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses are told to the clock of the test; there is none that is longer."""
    paused: list[float] = []
    real = threading.Event.wait

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None or threading.current_thread().name != "delivery recorder":
            return real(self, timeout)
        paused.append(timeout)
        return real(self, 0)

    folder, sink = Storage(tmp_path), Recorder(*[UnreachableError("down")] * 40)
    with writing(folder) as log:
        delivery = Delivery(folder, sink)
        monkeypatch.setattr(threading.Event, "wait", wait)
        log.append(event(0))
        delivery.notify()
        until(lambda: sink.got)
        monkeypatch.undo()
        delivery.close()
    assert len(paused) == 40
    assert LONGEST_PAUSE / 2 <= max(paused) <= LONGEST_PAUSE <= 60


def test_what_may_be_its_own_fault_is_tried_for_a_while_and_then_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Storage(tmp_path)
    outage = [UnreachableError("down")] * 3
    sink = Recorder(
        *outage, *[DoubtfulError("exit code 7")] * 4, None, *[DoubtfulError("exit code 7")] * 1000
    )
    delivery = Delivery(folder, sink, first_pause=0.001, doubt=60)
    with writing(folder) as log:
        log.append(event(0))
        delivery.notify()
        until(lambda: sink.got)  # neither the outage before nor a few failures have cost it
        delivery.close()
        delivery = Delivery(folder, sink, first_pause=0.001, doubt=0.2)
        log.append(event(1))
        delivery.notify()
        until(lambda: delivery.left_out == 1)
        sink.outcomes.clear()
        log.append(event(2))
        delivery.notify()
        until(lambda: len(sink.got) == 2)
        delivery.close()
    assert sink.got == [event(0), event(2)]
    assert "recorder: exit code 7; the event is left out" in caplog.text


def test_what_the_log_cannot_take_is_sent_all_the_same_and_once(tmp_path: Path) -> None:
    folder, sink = Storage(tmp_path), Recorder()
    delivery = Delivery(folder, sink)
    with writing(folder) as log:
        log.append(event(0))
        delivery.notify([event(1), event(2, suppressed=True)])
        until(lambda: len(sink.got) == 2)
        until(lambda: delivery.waiting_bytes == 0)
        for number in (1, 2, 3):  # now it can
            log.append(event(number, suppressed=number == 2))
        delivery.notify()
        until(lambda: len(sink.got) == 3)
        delivery.close()
    assert sink.got == [event(0), event(1), event(3)]


def test_many_that_do_not_answer_are_waited_for_together(tmp_path: Path) -> None:
    stuck = []
    for number in range(8):
        folder, sink = Storage(tmp_path / str(number)), Recorder()
        sink.may_send.clear()
        with writing(folder) as log:
            delivery = Delivery(folder, sink)
            log.append(event(0))
        delivery.notify()
        stuck.append((delivery, sink))
    started = time.monotonic()
    close_all([delivery for delivery, _ in stuck], 2)
    assert time.monotonic() - started < 10  # one after another takes 16
    for delivery, sink in stuck:
        sink.may_send.set()
        delivery.close()


@pytest.mark.parametrize("text", ["{", "[]", '{"bytes": -1}', '{"bytes": "1"}', '{"bytes": true}'])
def test_a_damaged_cursor_is_named(tmp_path: Path, text: str) -> None:
    Delivery(Storage(tmp_path), Recorder()).close()
    (tmp_path / "delivered" / "recorder.json").write_text(text)
    with pytest.raises(SourceError, match="remove it"):
        Delivery(Storage(tmp_path), Recorder())


def test_closing_does_not_wait_for_a_sink_that_is_down(tmp_path: Path) -> None:
    folder, sink = Storage(tmp_path), Recorder(*[UnreachableError("down")] * 1000)
    delivery = Delivery(folder, sink, first_pause=600)
    with writing(folder) as log:
        log.append(event(0))
    delivery.notify()
    until(lambda: delivery.failure == "down")
    closing = threading.Thread(target=delivery.close)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()
    assert delivery.waiting_bytes > 0


def test_three_failures_then_success(tmp_path: Path) -> None:
    folder = Storage(tmp_path)
    with receiver(500, 500, 500) as web:
        delivery = Delivery(folder, Webhook(web.url), first_pause=0.01)
        with writing(folder) as log:
            for one in story(2):
                log.append(one)
        delivery.notify()
        web.wait(7)
        until(lambda: delivery.waiting_bytes == 0)
        delivery.close()
    got = [from_json(body, "body") for *_, body in web.requests]
    assert got == [story(2)[0]] * 3 + story(2)
    assert [headers["Idempotency-Key"] for _, headers, _ in web.requests[:4]] == [f"{event(0).id}-new"] * 4


def test_a_server_that_comes_back_gets_what_was_missed(tmp_path: Path) -> None:
    folder = Storage(tmp_path)
    with held_port() as port:
        delivery = Delivery(folder, Webhook(f"http://127.0.0.1:{port}/"), first_pause=0.01)
        with writing(folder) as log:
            for one in story(3):
                log.append(one)
                delivery.notify()
        until(lambda: delivery.failure)
        with receiver(port=port) as web:
            until(lambda: delivery.waiting_bytes == 0)
            delivery.close()
    assert [from_json(body, "body") for *_, body in web.requests] == story(3)


WATCHER = """
import sys
from pipeline.events.log import writing
from pipeline.events.sinks.delivery import Delivery
from pipeline.events.sinks.webhook import Webhook
from shards.storage import Storage
from tests.helpers.events import event

folder = Storage(sys.argv[1])
delivery = Delivery(folder, Webhook(sys.argv[2]), first_pause=0.01)
with writing(folder) as log:
    for number in range(int(sys.argv[3]), 10_000):
        for kind in ("new", "end"):
            log.append(event(number, type=kind))
            delivery.notify()
            print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_each_event_arrives_and_doubles_carry_the_same_key(tmp_path: Path) -> None:
    first = 0
    with receiver(*[500, 200] * 20) as web:
        for _ in range(4):
            command = [sys.executable, "-P", "-c", WATCHER, str(tmp_path), web.url, str(first)]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=module_environment())
            assert child.stdout is not None
            for line in child.stdout:
                first = int(line) + 1
                if len(web.requests) % 7 == 3 and first > 5:
                    break
            child.send_signal(signal.SIGKILL)
            child.communicate()
        last = Delivery(Storage(tmp_path), Webhook(web.url), first_pause=0.01)
        until(lambda: last.waiting_bytes == 0, 120)
        last.close()
    logged = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    arrived = dict.fromkeys(headers["Idempotency-Key"] for _, headers, _ in web.requests)
    assert list(arrived) == [f"{one['id']}-{one['type']}" for one in logged]
    assert len(logged) > 10
