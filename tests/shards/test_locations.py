"""Folders and names in locations: what identifies a bucket's user and endpoint stays with every name."""

import pytest

from shards.locations import inside, shown, split

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
