"""Events to a web server: one POST each, with a key against doubles and a signature."""

import hashlib
import hmac
import re
import time
from urllib.parse import unquote, urlsplit

import urllib3

from pipeline.errors import ConfigError
from pipeline.events.event import Event, to_json
from pipeline.events.sinks.delivery import event_key
from pipeline.events.sinks.sink import UndeliverableError, UnreachableError
from shards.connections import Exchange, pool_of, reason
from shards.locations import shown

_CONNECT_SECONDS = 5.0
_SECONDS = 10.0
"""Seconds in which the head of an answer must come; its body is not read."""
_ABOUT_THE_EVENT = frozenset({400, 410, 413, 415, 422})
"""Answers that another try does not change. Others, such as 401 or 404, a person mends at the other end."""
SIGNATURE = "X-MNAD-Signature"
TIMESTAMP = "X-MNAD-Timestamp"


class Webhook:
    """A web server that takes events as JSON.

    The body is the event. `Idempotency-Key` is the same whenever the same state of an event is sent. With a
    secret, `X-MNAD-Signature` is `sha256=` and the hexadecimal HMAC-SHA256, under the secret, of the value of
    `X-MNAD-Timestamp` (seconds since 1970), a full stop, and the body. Redirects are not followed.

    Args:
        url: `http[s]://[user:password@]host[:port]/path`.
        secret: of the signature; None sends none.

    Raises:
        ConfigError: it is no such URL.
        StorageError: the proxy that the environment names is no HTTP proxy.
    """

    name = "webhook"

    def __init__(self, url: str, secret: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
            raise ConfigError(f"webhook: found {shown(url)}, expected a URL as https://host/path")
        self._url = url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if parts.username else url
        self._secret = secret
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        self._headers = dict(urllib3.make_headers(basic_auth=login, user_agent="mnad"))
        self._pool = pool_of(
            parts.scheme,
            parts.netloc.rpartition("@")[2],
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_SECONDS),
            retries=False,
        )

    def send(self, event: Event) -> None:
        """POST an event; see `Sink.send`."""
        body = to_json(event).encode()
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "Idempotency-Key": event_key(event),
            **self._signature(body),
        }
        exchange = Exchange(0, connect=_CONNECT_SECONDS, silence=_SECONDS, slowest=1.0)
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"{shown(self._url)}: {exchange.failure or reason(error)}") from None
        except OSError as error:
            raise UnreachableError(f"{shown(self._url)}: {exchange.failure or error}") from None
        response.close()
        if 200 <= response.status < 300:
            return
        refused = f"{shown(self._url)}: the server answers {response.status}"
        raise (UndeliverableError if response.status in _ABOUT_THE_EVENT else UnreachableError)(refused)

    def _signature(self, body: bytes) -> dict[str, str]:
        if self._secret is None:
            return {}
        now = str(int(time.time()))
        signed = hmac.new(self._secret.encode(), f"{now}.".encode() + body, hashlib.sha256)
        return {TIMESTAMP: now, SIGNATURE: f"sha256={signed.hexdigest()}"}
