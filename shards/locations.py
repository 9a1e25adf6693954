"""Arithmetic on locations: local paths, and URIs whose credentials and query go with every file in them.

In a URI the name of a file is percent-encoded, so that nothing in a name is taken for a query.
"""

import os
import re
from urllib.parse import parse_qs, quote, unquote

from shards.text import printable

_STORES = "s3[an]?|gs|gcs|abfss?|wasbs?|az|oss"
"""Schemes of object stores: before a bucket's name stands no port, and a secret may hold a slash."""
_OTHERS = "https?|ftps?|sftp|ssh|davs?|hdfs|rtsps?|rtmps?|mqtts?"
_URI = re.compile(
    rf"(?P<start>(?:[^/]*[\s=('\"])?(?P<scheme>{_STORES}|{_OTHERS}):/*|(?:.*?)://)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
"""What is meant as a URI: with `://`, or, however many slashes there are, with a scheme of these."""
_HOST = r"(?:[\w.-]*|\[[0-9a-fA-F:.]*\])"
_PORT = r"(?::\d{1,5})?"
_PLAIN = re.compile(r"(?:file|https?|s3|gc?s|abfss?)://.*", re.IGNORECASE | re.DOTALL)
"""A location on a server that gets no credentials, or in a store that gets them at the address of its
maker."""
HIDDEN = "***"
"""Stands for a part of a location that may be a secret."""


def is_uri(location: str) -> bool:
    """Whether a location is meant as a URI, well written or not."""
    return _URI.fullmatch(location) is not None


def is_plain(location: str) -> bool:
    """Whether a location says no more than where something is: a local path, or a URI with nothing to hide.

    Only such a one may be taken from a file that a stranger may have written. A query as
    `?endpoint_override=host` would choose the server that the user's own credentials are sent to.
    """
    if not is_uri(location):
        return True
    return _PLAIN.fullmatch(location) is not None and shown(location) == location.rstrip("/")


def shown(location: str) -> str:
    """A location as messages and metadata may show it: without credentials and query.

    Bytes of a local path that are not UTF-8 are escapes. Where a secret was not percent-encoded, so that it
    is not clear where it ends, more is left out.
    """
    uri = _URI.fullmatch(location)
    if uri is None:
        return printable(location)
    is_store = re.fullmatch(_STORES, uri["scheme"] or "", re.IGNORECASE) is not None
    port = "" if is_store else _PORT
    rest, *after = re.split("[?#]", uri["rest"], maxsplit=1)
    before, at, _ = rest.rpartition("@")
    if ":" in rest and "@" in "".join(after):  # a password with a ? or #
        rest = HIDDEN
    # In the path of a host, or of a host and port, an @ is a character like others.
    elif at and not re.fullmatch(rf"{_HOST}{port}/[^:]*", before):
        rest = rest[len(before) + 1 :]
    if not re.fullmatch(rf"{_HOST}{port}(?:/.*)?", rest, re.DOTALL):
        rest = HIDDEN
    return f"{uri['start']}{rest.rstrip('/')}"


def absolute(location: str) -> str:
    """A location that means the same in any folder: a local path from the root on, without `.` and `..`."""
    return location if is_uri(location) else os.path.abspath(location)  # noqa: PTH100, keeps links as they are


def hidden(text: str) -> str:
    """A text of words, each of them as `shown`, without the punctuation that follows it."""
    return re.sub(r"(\S+?)([:;,.)]*)(?=\s|$)", lambda word: shown(word[1]) + word[2], text)


def inside(folder: str, name: str) -> str:
    """The location of `name` in `folder`, with the folder's credentials and query; any text may be a name."""
    path, query = _split_query(folder)
    return f"{path}/{quote(name, errors='surrogateescape') if is_uri(folder) else name}{query}"


def split(location: str) -> tuple[str, str]:
    """The folder that a location lies in, with the location's credentials and query; and the name in it,
    which is no longer percent-encoded.

    A bucket or host alone lies in nothing and is its own folder, with an empty name.
    """
    path, query = _split_query(location)
    scheme, separator, rest = path.rpartition("://")
    folder, slash, name = rest.rpartition("/")
    if separator:
        return (f"{scheme}://{folder}{query}", unquote(name)) if slash else (path + query, "")
    return folder or slash or ".", name


def same_store(one: str, other: str) -> bool:
    """Whether two locations are in the same object store, whatever their credentials."""
    return is_uri(one) and is_uri(other) and _store(one) == _store(other)


def _store(location: str) -> tuple[str, list[str]]:
    """The scheme of a URI, and the server in its query if there is one."""
    path, query = _split_query(location)
    return path.partition("://")[0].lower(), parse_qs(query.removeprefix("?")).get("endpoint_override", [])


def _split_query(location: str) -> tuple[str, str]:
    """Path without a slash at its end, and the query with its question mark; local paths have none."""
    if "://" not in location:
        return location.rstrip("/"), ""
    path, mark, query = location.partition("?")
    return path.rstrip("/"), mark + query
