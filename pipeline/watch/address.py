"""Where the status page listens: `HOST:PORT`, and who can reach it there."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)):(?P<port>\d{1,5})"
)
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_.-]+))(?::\d{1,5})?")


@dataclass(frozen=True)
class Address:
    """A host and a port.

    Attributes:
        host: a name, or an address without brackets.
        port: 0 takes one that is free.
    """

    host: str
    port: int

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def address(text: Any) -> Address:
    """The address of a text such as `127.0.0.1:8080` or `[::1]:8080`.

    Raises:
        ValueError: it is none.
    """
    found = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found["port"]) > 65535:
        raise ValueError(text)
    if found["six"] is not None:
        ipaddress.IPv6Address(found["six"])
    return Address(found["six"] or found["host"], int(found["port"]))


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is this machine and nobody else can reach it."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def named(header: str) -> str | None:
    """The host that the header `Host` of a request names, without port and brackets; None if it is none."""
    found = _HOST.fullmatch(header)
    return None if found is None else found["six"] or found["host"]
