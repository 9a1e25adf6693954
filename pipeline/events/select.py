"""Which events are asked for."""

from collections.abc import Iterable
from datetime import datetime

from pipeline.events.event import Event


def selected(
    events: Iterable[Event], *, since: datetime | None = None, camera: str | None = None
) -> list[Event]:
    """The events that are asked for, in their order.

    Args:
        events: to choose from.
        since: with zone; those that were over before are left out, and those of sources without a clock.
            None asks for all.
        camera: whose; None asks for those of all.
    """
    return [
        event
        for event in events
        if (since is None or _lasts_until(event, since)) and camera in (None, event.camera)
    ]


def _lasts_until(event: Event, moment: datetime) -> bool:
    return event.start is not None and (event.end is None or event.end >= moment)
