"""What events are sent to in tests: a web server that fails on demand, and a real MQTT broker."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.servers import held_port, listens, running, wait_for

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@dataclass
class Receiver:
    """A web server, and what it was sent: path, headers and body of each request, in order."""

    port: int
    answers: list[int | Callable[[Any], None]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def wait(self, count: int, seconds: float = 30) -> None:
        """Until there were so many requests."""
        until(lambda: len(self.requests) >= count, seconds)


def until(ready: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def receiver(*answers: int | Callable[[Any], None], port: int = 0) -> Iterator[Receiver]:
    """A web server that gives these answers, codes or actions on its handler, and then 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = made.answers.pop(0) if made.answers else 200
            made.requests.append((self.path, dict(self.headers), body))
            if callable(answer):
                answer(self)
                return
            self.send_response(answer)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    made = Receiver(server.server_port, list(answers))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def broker(folder: Path, port: int | None = None, *options: str) -> Iterator[int]:
    """A real MQTT broker; yields its port, which whoever gives one holds. At the end it is killed, and
    forgets what it kept."""
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    with held_port() if port is None else contextlib.nullcontext(port) as own:
        config = folder / f"mosquitto-{own}.conf"
        lines = [f"listener {own} 127.0.0.1", *(options or ["allow_anonymous true"]), "user root", ""]
        config.write_text("\n".join(lines))
        with running([MOSQUITTO, "-c", str(config)], folder / f"mosquitto-{own}.log") as process:
            wait_for(lambda: listens(own), "mosquitto", process)
            yield own


class Subscriber:
    """A client of a broker, and the messages it got: topic, text and whether it was retained."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, str, bool]] = []
        ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.on_subscribe = lambda *arguments: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        assert ready.wait(10)

    def last(self, topic: str) -> str | None:
        """The newest message of a topic."""
        return next((text for name, text, _ in reversed(self.messages) if name == topic), None)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
