"""What every place that events are sent to has in common."""

from typing import Protocol

from pipeline.events.event import Event


class UnreachableError(Exception):
    """The event did not arrive, and may if it is sent again. The message shows no secret."""


class DoubtfulError(Exception):
    """The event did not arrive, and nobody can say whether that is its own fault: it is to be sent again for
    a while. The message shows no secret."""


class UndeliverableError(Exception):
    """The event is refused for what it is; sending it again changes nothing. The message shows no secret."""


class Sink(Protocol):
    """A place that events are sent to.

    Attributes:
        name: of letters, digits and `-`; with it goes what was delivered so far.
    """

    name: str

    def send(self, event: Event) -> None:
        """Send an event; returns when it has arrived. An event may come twice.

        Raises:
            UnreachableError: it is to be sent again, until it arrives.
            DoubtfulError: it is to be sent again for a while, and then left out.
            UndeliverableError: it is to be left out.
        """
        ...
