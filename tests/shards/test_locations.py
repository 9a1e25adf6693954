"""Folders and names in locations: what identifies a bucket's user and endpoint stays with every name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.locations import inside, is_plain, shown, split

QUERY = "?scheme=http&endpoint_override=127.0.0.1:8333"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("run", "run/x"),
        ("run/", "run/x"),
        (".", "./x"),
        ("/", "/x"),
        ("odd?name", "odd?name/x"),
        (f"s3://key:secret@bucket/run{QUERY}", f"s3://key:secret@bucket/run/x{QUERY}"),
        (f"s3://bucket/run/{QUERY}", f"s3://bucket/run/x{QUERY}"),
        ("s3://bucket", "s3://bucket/x"),
        ("https://host/run?token=t", "https://host/run/x?token=t"),
    ],
)
def test_a_name_inside_a_folder_is_split_off_again(folder: str, expected: str) -> None:
    assert inside(folder, "x") == expected
    again, name = split(expected)
    assert (inside(again, name), name) == (expected, "x")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("x", (".", "x")),
        ("/x", ("/", "x")),
        ("run/x/", ("run", "x")),
        (f"s3://bucket{QUERY}", (f"s3://bucket{QUERY}", "")),
    ],
)
def test_what_lies_in_no_named_folder(location: str, expected: tuple[str, str]) -> None:
    assert split(location) == expected


def test_credentials_and_query_are_not_shown() -> None:
    assert shown(f"s3://key:sec/ret@bucket/run{QUERY}") == "s3://bucket/run"
    assert shown("run?") == "run?"
    assert shown("http://bob:p@ss?@host/run") == "http://***"  # the password may end at either @
    assert shown("http://bob:p@host/run?mail=a@b") == "http://***"


@given(
    st.sampled_from(("run", f"s3://key:secret@bucket/run{QUERY}", "https://host/run?token=t", "gs://bucket")),
    st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1),
)
def test_any_name_comes_back_and_changes_neither_folder_nor_query(folder: str, name: str) -> None:
    assert split(inside(folder, name)) == (folder, name)


@pytest.mark.parametrize(
    "location",
    [
        "set",
        "/data/set?x",
        "file:///data/set",
        "s3://bucket/set",
        "gs://bucket/a%20b/",
        "https://host:80/set",
    ],
)
def test_a_location_without_anything_to_hide_is_plain(location: str) -> None:
    assert is_plain(location)


@pytest.mark.parametrize(
    "location",
    [
        f"s3://bucket/set{QUERY}",
        "gs://bucket/set#x",
        "s3://key:secret@bucket/set",
        "https://bob:p@host/set",
        "https://host/set?token=t",
        "s3://bucket:8333/set",
        "abfs://account@host:8333/container/set",
        "hdfs://host:8333/set",
        "s3:/bucket/set?x",
    ],
)
def test_credentials_queries_and_servers_of_stores_are_not_plain(location: str) -> None:
    assert not is_plain(location)
