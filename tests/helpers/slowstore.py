"""An object store on loopback that answers when it is told to."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "b"
_WHEN = "2024-01-01T00:00:00.000Z"


@dataclass(kw_only=True)
class SlowStore:
    """A running store.

    Attributes:
        files: bytes by their path in the bucket; what is uploaded is counted, and not kept.
        location: of the bucket; `location.format(folder)` is one of a folder.
        before: is called with the method and the path before an object's bytes are given or taken.
        sent: bytes of objects that were given.
        taken: paths of the objects that were uploaded.
    """

    files: dict[str, bytes]
    location: str = ""
    before: Callable[[str, str], None] = lambda method, path: None
    sent: int = 0
    taken: list[str] = field(default_factory=list)


@contextlib.contextmanager
def slow_store(files: dict[str, bytes]) -> Iterator[SlowStore]:
    """A store of so many files, for as long as the block lasts."""
    store = SlowStore(files=files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            data = store.files.get(self.key())
            self.answer(404 if data is None else 200, b"", length=len(data or b""))

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            if "list-type" in query:
                (prefix,) = query.get("prefix", [""])
                found = {path: data for path, data in store.files.items() if path.startswith(prefix)}
                self.answer(200, _listing(found))
                return
            data = store.files.get(self.key())
            if data is None:
                self.answer(404, b"")
                return
            store.before("GET", self.key())
            first, last = re.findall("[0-9]+", self.headers.get("Range", f"0-{len(data) - 1}"))
            part = data[int(first) : int(last) + 1]
            store.sent += len(part)
            self.answer(206, part, ("Content-Range", f"bytes {first}-{last}/{len(data)}"))

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            store.before("PUT", self.key())
            store.taken.append(self.key())
            self.answer(200, b"")

        def key(self) -> str:
            return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}").strip("/")

        def answer(
            self, status: int, body: bytes, *headers: tuple[str, str], length: int | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("ETag", '"x"')
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"endpoint_override=127.0.0.1:{server.server_port}"
        store.location = f"s3://key:secret@{BUCKET}/{{}}?scheme=http&{host}&region=us-east-1"
        try:
            yield store
        finally:
            server.shutdown()


def _listing(files: dict[str, bytes]) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(path)}</Key><LastModified>{_WHEN}</LastModified>"
        f'<ETag>"x"</ETag><Size>{len(data)}</Size></Contents>'
        for path, data in files.items()
    )
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><KeyCount>{len(files)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    ).encode()
