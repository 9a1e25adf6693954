"""Events to an MQTT broker, and the state of each camera, as home automation expects them.

Topics, with the prefix `mnad` unless another is given:

    mnad/status             online or offline, retained; the broker says offline when the program is gone
    mnad/yard/event         each event, QoS 1
    mnad/yard/state         ON while an alarm is open, else OFF, retained
    mnad/yard/rarity        hours, retained
    homeassistant/device/mnad_yard/config     what Home Assistant makes a device of, retained
"""

import contextlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import ConfigError, missing_package
from pipeline.events.event import Event, to_json
from pipeline.events.sinks.sink import UnreachableError
from pipeline.version import code_version
from shards.locations import shown

PREFIX = "mnad"
DISCOVERY_PREFIX = "homeassistant"
ONLINE, OFFLINE = "online", "offline"
ALARM, QUIET = "ON", "OFF"
_SECONDS = 10.0
"""Seconds in which the broker must confirm a message."""
_KEEPALIVE = 30
"""Seconds; after one and a half of them without a word the broker says that the program is gone."""
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LEVEL = re.compile(r"[A-Za-z0-9_.-]+")


class Broker:
    """A connection to an MQTT broker that is made again whenever it breaks, for all cameras.

    Args:
        url: `mqtt[s]://[user:password@]host[:port][/prefix]`.

    Raises:
        ConfigError: it is no such URL, or the package for MQTT is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = shown(url)
        secure, host, port, login, self._prefix = _parts(url)
        self._retained: dict[str, str] = {}
        self._flying: dict[int, str] = {}
        self._late: set[int] = set()
        self._unconfirmed: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._client = _client()
        if login is not None:
            self._client.username_pw_set(*login)
        if secure:
            self._client.tls_set()
        self._client.will_set(self._status, OFFLINE, qos=1, retain=True)
        self._client.reconnect_delay_set(min_delay=1, max_delay=60)
        self._client.on_connect = self._connected
        self._client.on_publish = self._confirmed
        self._client.connect_async(host, port, keepalive=_KEEPALIVE)
        self._client.loop_start()

    def sink(self, camera: str) -> "CameraTopics":
        """Where a camera's events and state go; the name is of letters, digits and `_.-`."""
        if not _LEVEL.fullmatch(camera):
            raise ConfigError(f"camera {camera!r}: expected letters, digits and _ . - alone for MQTT")
        return CameraTopics(self, f"{self._prefix}/{camera}", camera, self._status)

    def publish(self, topic: str, text: str) -> None:
        """Send a message with QoS 1; returns when the broker has it.

        Raises:
            UnreachableError: it has not confirmed that.
        """
        if not self._client.is_connected():  # else it would be queued in memory
            raise UnreachableError(f"{self._url}: no connection to the broker")
        # The client repeats by itself what was not confirmed: another try waits for that, and sends no other.
        sent = self._unconfirmed.pop((topic, text), None) or self._client.publish(topic, text, qos=1)
        try:
            sent.wait_for_publish(_SECONDS)
        except (RuntimeError, ValueError) as error:
            raise UnreachableError(f"{self._url}: the connection to the broker broke") from error
        if not sent.is_published():
            self._unconfirmed[topic, text] = sent
            raise UnreachableError(f"{self._url}: the broker did not confirm within {_SECONDS:g} s")

    def keep(self, topic: str, text: str) -> None:
        """Set what the broker keeps for a topic; without a connection, as soon as there is one."""
        with self._lock:
            if self._retained.get(topic) == text:
                return
            self._retained[topic] = text
        if self._client.is_connected():
            self._retain(topic, text)

    def close(self) -> None:
        """Say that the program is gone, and end."""
        if self._client.is_connected():
            with contextlib.suppress(RuntimeError, ValueError):  # the connection breaks: the broker says it
                self._client.publish(self._status, OFFLINE, qos=1, retain=True).wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _status(self) -> str:
        return f"{self._prefix}/status"

    def _connected(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        """All that is retained is sent again: the broker may be another one, or have forgotten it."""
        if code.is_failure:
            return
        with self._lock:
            retained = {**self._retained, self._status: ONLINE}
            self._late = set(self._flying)
        for topic, text in retained.items():
            self._retain(topic, text)

    def _retain(self, topic: str, text: str) -> None:
        # Not under the lock, for which the client's thread waits with its own, which this takes.
        sent = self._client.publish(topic, text, qos=1, retain=True)
        with self._lock:
            if not _has_arrived(sent):
                self._flying[sent.mid] = topic

    def _confirmed(self, client: Any, data: Any, number: int, code: Any, properties: Any) -> None:
        """A message has arrived. One of an earlier connection, which the client has repeated behind what was
        sent at the beginning of this one, has overwritten what is so now: that is sent once more."""
        with self._lock:
            topic = self._flying.pop(number, None)
            is_late = number in self._late
            self._late.discard(number)
            text = None if topic is None else self._retained.get(topic)
        if topic is not None and text is not None and is_late:
            self._retain(topic, text)


class CameraTopics:
    """A camera's topics; a `Sink` of its events."""

    name = "mqtt"

    def __init__(self, broker: Broker, topic: str, camera: str, status: str) -> None:
        self._broker, self._topic = broker, topic
        broker.keep(
            f"{DISCOVERY_PREFIX}/device/{PREFIX}_{camera}/config",
            json.dumps(discovery(camera, topic, status), separators=(",", ":")),
        )

    def send(self, event: Event) -> None:
        """Publish an event; see `Sink.send`."""
        self._broker.publish(f"{self._topic}/event", to_json(event))

    def show(self, *, alarm: bool, rarity_hours: float | None) -> None:
        """Keep the camera's state at the broker."""
        self._broker.keep(f"{self._topic}/state", ALARM if alarm else QUIET)
        if rarity_hours is not None:
            self._broker.keep(f"{self._topic}/rarity", f"{rarity_hours:.3g}")


def _has_arrived(sent: Any) -> bool:
    """Whether the broker has confirmed a message. Where the connection has just broken, the client raises,
    and sends it again with the next one."""
    try:
        return bool(sent.is_published())
    except (RuntimeError, ValueError):
        return False


def discovery(camera: str, topic: str, status: str) -> dict[str, Any]:
    """What Home Assistant makes a device of, with an alarm and a rarity.

    Args:
        camera: its name.
        topic: of the camera.
        status: topic that says whether the program runs.
    """
    device = f"{PREFIX}_{camera}"
    return {
        "device": {"identifiers": [device], "name": f"Camera {camera}", "manufacturer": "mnad"},
        "origin": {"name": "mnad", "sw_version": code_version()},
        "availability": [{"topic": status}],
        "components": {
            "alarm": {
                "platform": "binary_sensor",
                "unique_id": f"{device}_alarm",
                "name": "Something unusual",
                "device_class": "problem",
                "state_topic": f"{topic}/state",
            },
            "rarity": {
                "platform": "sensor",
                "unique_id": f"{device}_rarity",
                "name": "Rarity",
                "state_topic": f"{topic}/rarity",
                "unit_of_measurement": "h",
                "suggested_display_precision": 1,
            },
        },
    }


def _parts(url: str) -> tuple[bool, str, int, tuple[str, str | None] | None, str]:
    """Whether it is secure, host, port, login and prefix."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/") or PREFIX
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    is_topic = all(_LEVEL.fullmatch(level) for level in prefix.split("/"))
    if not port or not parts.hostname or not is_topic or {"?", "#"} & set(url):
        raise ConfigError(f"mqtt: found {shown(url)}, expected a URL as mqtt://host:1883/prefix")
    login = None
    if parts.username:
        login = (unquote(parts.username), None if parts.password is None else unquote(parts.password))
    return parts.scheme == "mqtts", parts.hostname, port, login, prefix


def _client() -> Any:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise missing_package("mqtt", "paho-mqtt", "mqtt") from None
    make: Callable[..., Any] = Client
    return make(CallbackAPIVersion.VERSION2, clean_session=True)
