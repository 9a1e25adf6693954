"""A real S3-compatible object store on loopback for as long as a test needs it."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pyarrow import fs

from shards.bucket import Bucket
from shards.storage import Storage
from tests.helpers.commands import TIMEOUT
from tests.helpers.servers import KEY, SECRET, seaweedfs

SECRETS = (KEY, SECRET, quote(SECRET, ""), "endpoint_override")
"""What of a location nobody may see."""


def leaks(storage: Storage) -> list[str]:
    """Names of the files in `storage` that hold a secret."""
    return [
        name
        for name, _, _ in storage.walk()
        if any(s.encode() in storage.read(name, most=1 << 30) for s in SECRETS)
    ]


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


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start a store that keeps its data in `folder`; skips the test where none is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    with seaweedfs(folder) as port:
        store = ObjectStore(port)
        store.files().create_dir("tests")
        _wait_until_it_takes_files(store)
        yield store


def _wait_until_it_takes_files(store: ObjectStore) -> None:
    """A store says that it is ready some seconds before there is a volume for objects."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            with store.files().open_output_stream("tests/probe") as file:
                file.write(b"x")
            store.files().delete_file("tests/probe")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def bucket_of_files(folder: Path) -> Storage:
    """A bucket whose objects are the files of a folder, without a store; folders in it must be there."""
    storage = Storage("mock:///")
    storage._bucket = Bucket(fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()), "")
    return storage
