"""Arithmetic on locations: local paths, and URIs whose credentials and query go with every file in them."""

import os
import re
from urllib.parse import unquote

from shards.text import printable


def without_secrets(location: str) -> tuple[str, list[str]]:
    """A location to show, and the parts of it that nobody may see, longest first.

    What is shown can be written down: bytes of a local path that are not UTF-8 are escapes.
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        return printable(location), []
    rest, _, query = rest.partition("?")
    # An object store's secret that was not quoted may hold a slash: it ends at the last @.
    credentials = re.match(r"[^/@]*@" if scheme in ("http", "https") else r"[^/@]*:.*@|[^/@]*@", rest)
    parts = re.split("[&=]", query) if scheme in ("http", "https") else []
    if credentials:
        parts += credentials[0][:-1].split(":", 1)
        rest = rest[credentials.end() :]
    # Shorter parts are no secrets, but words that messages may well contain.
    secrets = {form for part in parts for form in (part, unquote(part)) if len(form) >= 8}
    return f"{scheme}://{rest.rstrip('/')}", sorted(secrets, key=len, reverse=True)


def shown(location: str) -> str:
    """A location as messages and metadata may show it: without credentials and query."""
    return without_secrets(location)[0]


def absolute(location: str) -> str:
    """A location that means the same in any folder: a local path from the root on, without `.` and `..`."""
    return location if "://" in location else os.path.abspath(location)  # noqa: PTH100, keeps links as they are


def inside(folder: str, name: str) -> str:
    """The location of `name` in `folder`, with the folder's credentials and query."""
    path, query = _split_query(folder)
    return f"{path}/{name}{query}"


def split(location: str) -> tuple[str, str]:
    """The folder that a location lies in, with the location's credentials and query; and the name in it.

    A bucket or host alone lies in nothing and is its own folder, with an empty name.
    """
    path, query = _split_query(location)
    scheme, separator, rest = path.rpartition("://")
    folder, slash, name = rest.rpartition("/")
    if separator:
        return (f"{scheme}://{folder}{query}", name) if slash else (path + query, "")
    return folder or slash or ".", name


def _split_query(location: str) -> tuple[str, str]:
    """Path without a slash at its end, and the query with its question mark; local paths have none."""
    if "://" not in location:
        return location.rstrip("/"), ""
    path, mark, query = location.partition("?")
    return path.rstrip("/"), mark + query
