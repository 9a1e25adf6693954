"""Which code made an output."""

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@functools.cache
def code_version() -> str:
    """The installed version and a hash of the source, such as `0.1.0+src.3f2a9c71`.

    The hash needs no git and tells an edited checkout from the release it came from.
    """
    try:
        release = version("mnad")
    except PackageNotFoundError:
        release = "0"
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package in ("mnad", "pipeline", "shards"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{release}+src.{digest.hexdigest()[:8]}"
