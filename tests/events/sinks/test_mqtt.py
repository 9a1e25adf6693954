"""Events and states at a real MQTT broker."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import from_json
from pipeline.events.log import writing
from pipeline.events.sinks.delivery import Delivery
from pipeline.events.sinks.mqtt import Broker
from pipeline.events.sinks.sink import UnreachableError
from pipeline.processes.children import module_environment
from shards.storage import Storage
from tests.helpers.events import event
from tests.helpers.receivers import Subscriber, broker, until
from tests.helpers.servers import held_port

LONG_LIVED = """
import sys, time
from pipeline.events.sinks.mqtt import Broker
made = Broker(sys.argv[1])
made.sink("yard").show(alarm=True, rarity_hours=3.21)
time.sleep(100)
"""


def test_events_state_and_what_home_assistant_needs(tmp_path: Path) -> None:
    with broker(tmp_path) as port:
        made = Broker(f"mqtt://127.0.0.1:{port}/home/mnad")
        yard = made.sink("yard")
        yard.show(alarm=True, rarity_hours=12.345)
        heard = Subscriber(port)
        until(lambda: heard.last("home/mnad/yard/rarity") == "12.3")
        yard.send(event(3))
        until(lambda: heard.last("home/mnad/yard/event"))
        assert from_json((heard.last("home/mnad/yard/event") or "").encode(), "event") == event(3)
        assert heard.last("home/mnad/status") == "online"
        assert heard.last("home/mnad/yard/state") == "ON"
        yard.show(alarm=False, rarity_hours=None)
        until(lambda: heard.last("home/mnad/yard/state") == "OFF")
        device = json.loads(heard.last("homeassistant/device/mnad_yard/config") or "")
        alarm = device["components"]["alarm"]
        assert alarm["platform"] == "binary_sensor"
        assert alarm["state_topic"] == "home/mnad/yard/state"
        assert device["availability"] == [{"topic": "home/mnad/status"}]
        assert device["device"]["identifiers"] == ["mnad_yard"]
        made.close()
        until(lambda: heard.last("home/mnad/status") == "offline")
        late = Subscriber(port)
        until(lambda: late.last("home/mnad/status"))
        kept = {topic: retained for topic, _, retained in late.messages}
        assert kept.get("home/mnad/yard/event") is None  # an event is no state
        assert all(kept.values())
        heard.close()
        late.close()


@pytest.mark.slow
def test_the_broker_tells_when_the_program_was_killed(tmp_path: Path) -> None:
    with broker(tmp_path) as port:
        command = [sys.executable, "-P", "-c", LONG_LIVED, f"mqtt://127.0.0.1:{port}"]
        child = subprocess.Popen(command, env=module_environment())
        heard = Subscriber(port)
        until(lambda: heard.last("mnad/status") == "online", 60)
        child.send_signal(signal.SIGKILL)
        child.wait()
        until(lambda: heard.last("mnad/status") == "offline", 90)
        heard.close()


@pytest.fixture
def port() -> Iterator[int]:
    with held_port() as held:
        yield held


def test_a_broker_that_is_killed_and_comes_back_gets_events_and_states_again(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, listening = Storage(tmp_path), threading.Event()
    with broker(tmp_path, port):
        made = Broker(f"mqtt://127.0.0.1:{port}")
        yard = made.sink("yard")
        delivery = Delivery(folder, yard, first_pause=0.05)
        heard = Subscriber(port)
        until(lambda: heard.last("mnad/status") == "online")
        # The broker keeps no event for whoever subscribes later: events wait for the one that listens.
        reconnect = made._client.reconnect
        monkeypatch.setattr(made._client, "reconnect", lambda: listening.wait(60) and reconnect())
    with writing(folder) as log:
        for number in range(3):
            log.append(event(number))
    yard.show(alarm=True, rarity_hours=1.0)
    delivery.notify()
    until(lambda: delivery.failure)
    heard.close()
    with broker(tmp_path, port):
        again = Subscriber(port)
        listening.set()
        until(lambda: delivery.waiting_bytes == 0, 60)
        until(lambda: again.last("mnad/yard/state") == "ON")
        until(lambda: len([1 for topic, *_ in again.messages if topic == "mnad/yard/event"]) >= 3)
        got = [
            from_json(text.encode(), "event")
            for topic, text, _ in again.messages
            if topic == "mnad/yard/event"
        ]
        assert list(dict.fromkeys(got)) == [event(number) for number in range(3)]
        delivery.close()
        made.close()
        again.close()


class Silent:
    """A broker of one connection after another that confirms as it is told, and what it was sent."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._client: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def take(self, *, confirms: bool) -> list[tuple[str, str]]:
        """The next connection; topics and texts come into the list."""
        self._client, _ = self._server.accept()
        got: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self._answer, args=(self._client, got, confirms), daemon=True)
        self._thread.start()
        return got

    def drop(self) -> None:
        """End the connection."""
        assert self._client is not None
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        assert self._thread is not None
        self._thread.join()

    @staticmethod
    def _answer(client: socket.socket, got: list[tuple[str, str]], confirms: bool) -> None:
        with contextlib.suppress(OSError, IndexError), client, client.makefile("rb") as file:
            while True:
                kind, size, shift = file.read(1)[0] >> 4, 0, 0
                while True:
                    byte = file.read(1)[0]
                    size, shift = size | (byte & 127) << shift, shift + 7
                    if byte < 128:
                        break
                body = file.read(size)
                if kind == 1:
                    client.sendall(b"\x20\x02\x00\x00")
                elif kind == 3:
                    end = 2 + int.from_bytes(body[:2], "big")
                    got.append((body[2:end].decode(), body[end + 2 :].decode()))
                    if confirms:
                        client.sendall(b"\x40\x02" + body[end : end + 2])
                elif kind == 12:
                    client.sendall(b"\xd0\x00")

    def close(self) -> None:
        """Listen no more."""
        self.drop()
        self._server.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.close()


def test_a_state_that_was_not_confirmed_does_not_come_back_over_a_newer_one(silent: Silent) -> None:
    made = Broker(f"mqtt://127.0.0.1:{silent.port}")
    yard = made.sink("yard")
    before = silent.take(confirms=False)
    until(lambda: ("mnad/status", "online") in before)
    yard.show(alarm=True, rarity_hours=5)
    until(lambda: ("mnad/yard/state", "ON") in before)
    silent.drop()
    yard.show(alarm=False, rarity_hours=1)
    after = silent.take(confirms=True)
    until(lambda: ("mnad/yard/state", "ON") in after)  # which the client repeats by itself
    until(lambda: dict(after)["mnad/yard/state"] == "OFF" and dict(after)["mnad/yard/rarity"] == "1")
    made.close()


def test_a_broker_that_does_not_confirm_is_not_sent_an_event_again_and_again(
    silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.events.sinks.mqtt._SECONDS", 0.05)
    made = Broker(f"mqtt://127.0.0.1:{silent.port}")
    got = silent.take(confirms=False)
    until(lambda: got)
    for _ in range(5):
        with pytest.raises(UnreachableError, match="did not confirm"):
            made.publish("mnad/yard/event", "text")

    def count() -> int:
        return [topic for topic, _ in got].count("mnad/yard/event")

    until(lambda: count() >= 1)
    time.sleep(0.2)
    assert count() == 1
    silent.drop()
    made.close()


def test_user_and_password_are_used_and_not_shown(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    with broker(
        tmp_path, None, "allow_anonymous false", f"password_file {write_password(passwords)}"
    ) as port:
        right, wrong = (Broker(f"mqtt://cam:{word}@127.0.0.1:{port}") for word in ("s3cret", "guess"))
        sent = right.sink("yard")
        until(lambda: arrives(sent))
        with pytest.raises(UnreachableError, match="no connection") as failed:
            wrong.sink("yard").send(event())
        assert "guess" not in str(failed.value)
        right.close()
        wrong.close()


def arrives(sink: object) -> bool:
    try:
        sink.send(event())  # type: ignore[attr-defined]
    except UnreachableError:
        return False
    return True


def write_password(path: Path) -> Path:
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(path), "cam", "s3cret"], check=True, capture_output=True
    )
    return path


@pytest.mark.parametrize(
    "url",
    ["http://host", "mqtt://", "mqtt://host:99999", "mqtt://host/a b", "mqtt://host/#", "mqtt://u:pw@/x"],
)
def test_what_is_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a URL as mqtt://") as refused:
        Broker(url)
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("name", ["a/b", "+", "#", "", "a b"])
def test_a_camera_is_one_level_of_a_topic(name: str, port: int) -> None:
    made = Broker(f"mqtt://127.0.0.1:{port}")
    with pytest.raises(ConfigError, match="letters, digits"):
        made.sink(name)
    made.close()


def test_a_connection_that_breaks_while_a_state_is_sent_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Broker("mqtt://127.0.0.1:1")  # where nobody listens
    monkeypatch.setattr(made._client, "is_connected", lambda: True)  # as it was when it was asked
    made.sink("yard").show(alarm=True, rarity_hours=5)
    with pytest.raises(UnreachableError, match="broke"):
        made.publish("mnad/yard/event", "text")
    made.close()
