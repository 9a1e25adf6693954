"""Where a camera's events are sent."""

from collections.abc import Sequence

from pipeline.events.event import Event
from pipeline.events.sinks.command import Command
from pipeline.events.sinks.delivery import Delivery, close_all
from pipeline.events.sinks.mqtt import Broker, CameraTopics
from pipeline.events.sinks.sink import Sink
from pipeline.events.sinks.webhook import Webhook
from pipeline.watch.config import CameraConfig
from pipeline.watch.secrets import revealed
from shards.storage import Storage

_SHOWN_SECONDS = 10.0
"""The fewest seconds between two rarities that a broker is sent while the alarm stays as it is."""


class Brokers:
    """What the messages of all cameras share: one connection for each broker, and the time to end in."""

    def __init__(self) -> None:
        self._made: dict[str, Broker] = {}
        self._deliveries: list[Delivery] = []

    def of(self, url: str) -> Broker:
        """The connection to a broker."""
        if url not in self._made:
            self._made[url] = Broker(url)
        return self._made[url]

    def wait_for(self, deliveries: Sequence[Delivery]) -> None:
        """Have `close` wait for these."""
        self._deliveries += deliveries

    def close(self) -> None:
        """Deliver what can be delivered soon, of all cameras at once, and say that the program is gone."""
        close_all(self._deliveries)
        for broker in self._made.values():
            broker.close()


class Messages:
    """The sinks of one camera, each with a thread that delivers what the log has.

    Args:
        config: of the camera.
        folder: of the camera, with its log.
        brokers: of all cameras.
    """

    def __init__(self, config: CameraConfig, folder: Storage, brokers: Brokers) -> None:
        self._topics: CameraTopics | None = None
        self._shown: tuple[float, bool] | None = None
        sinks: list[Sink] = []
        if config.webhook is not None:
            secret = config.webhook_secret
            sinks.append(
                Webhook(
                    revealed(config.webhook, "webhook"),
                    None if secret is None else revealed(secret, "webhook_secret"),
                )
            )
        if config.mqtt is not None:
            self._topics = brokers.of(revealed(config.mqtt, "mqtt")).sink(config.name)
            sinks.append(self._topics)
        if config.on_alarm is not None:
            sinks.append(Command(config.on_alarm))
        self._deliveries = [Delivery(folder, sink) for sink in sinks]
        brokers.wait_for(self._deliveries)

    def notify(self, unlogged: Sequence[Event] = ()) -> None:
        """The log has another line, or could not take some events; see `Delivery.notify`."""
        for delivery in self._deliveries:
            delivery.notify(unlogged)

    def show(self, now: float, *, alarm: bool, rarity_hours: float | None) -> None:
        """Keep the state of the camera at its broker."""
        before = self._shown
        if self._topics is None or (
            before is not None and before[1] == alarm and now - before[0] < _SHOWN_SECONDS
        ):
            return
        self._shown = now, alarm
        self._topics.show(alarm=alarm, rarity_hours=rarity_hours)

    @property
    def waiting_bytes(self) -> int:
        """Of the log, that not every sink has been told."""
        return max((delivery.waiting_bytes for delivery in self._deliveries), default=0)

    @property
    def left_out(self) -> int:
        """How many times an event was left out for good by one of the sinks."""
        return sum(delivery.left_out for delivery in self._deliveries)

    def finish(self) -> None:
        """Deliver what can be delivered soon, and end; `Brokers.close` waits for that."""
        for delivery in self._deliveries:
            delivery.finish()
