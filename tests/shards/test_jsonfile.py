"""Foreign JSON is a value or one line."""

import json
from pathlib import Path

import pytest
from hypothesis import given

from shards.errors import StorageError
from shards.jsonfile import MOST_BYTES, parse_json, read_json
from shards.storage import Storage
from tests.helpers.mutation import mutated_bytes, mutated_json

GOOD = {
    "name": "ä\n",
    "videos": [{"frames": 3, "rate": 25.0, "labels": None, "bad": False}],
    "deep": [[[{}]]],
}


def test_what_the_program_writes_is_read() -> None:
    assert parse_json(json.dumps(GOOD).encode(), "x") == GOOD
    assert parse_json(json.dumps(GOOD, ensure_ascii=False, indent=1).encode(), "x") == GOOD
    assert parse_json(b'"\\ud83d\\ude00"', "x") == "😀"  # a whole pair


def test_a_long_text_has_no_more_values_than_the_longest_usual_one() -> None:
    few = json.dumps(["x" * 1000] * (MOST_BYTES // 1000)).encode()
    assert len(few) > MOST_BYTES
    assert len(parse_json(few, "x", most=2 * MOST_BYTES)) == MOST_BYTES // 1000
    for piece in (b"[],", b"[[[]]],", b"0,"):
        many = b"[" + piece * (MOST_BYTES // len(piece) + 1) + b"0]"
        with pytest.raises(ValueError, match=r"^x: found too many values in \d+ bytes, expected fewer$"):
            parse_json(many, "x", most=2 * MOST_BYTES)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[1] [2]", "Extra data"),
        (b"\xff", "byte 0 is not UTF-8"),
        ("{}".encode("utf-16"), "byte 0 is not UTF-8"),
        (b"[NaN]", "not finite"),
        (b"[-Infinity]", "not finite"),
        (b"[1e999]", "not finite"),
        (b"[" + b"9" * 21 + b"]", "64 bits"),
        (b"[" + b"9" * 5000 + b"]", "64 bits"),
        (b"[18446744073709551616]", "64 bits"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b'["\\ud800"]', "half of a surrogate pair"),
        (b"[" * 66 + b"]" * 66, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    ],
)
def test_anything_else_is_one_line_that_names_the_file(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_json(data, "folder/x.json")
    assert str(caught.value).startswith("folder/x.json: ")
    assert "\n" not in str(caught.value)


def test_a_text_of_64_levels_and_the_largest_integers_are_read() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64, "x")
    assert parse_json(b"[18446744073709551615, -18446744073709551615]", "x")


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json").write_bytes(b"[1]")
    storage = Storage(tmp_path)
    assert read_json(storage, "x.json", most=3) == [1]
    with pytest.raises(ValueError, match=r"x\.json: found 3 bytes, expected JSON of at most 2"):
        parse_json(b"[1]", "x.json", most=2)
    monkeypatch.setattr(Storage, "read", lambda *_: pytest.fail("was read"))
    with pytest.raises(ValueError, match=r"x\.json: found 3 bytes, expected JSON of at most 2"):
        read_json(storage, "x.json", most=2)


def test_a_file_that_is_larger_when_it_is_read_than_when_it_was_looked_at_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.json").write_bytes(b"[1]")
    monkeypatch.setattr(Storage, "size", lambda *_: 2)
    with pytest.raises(StorageError, match=r"x\.json: found 3 bytes, expected at most 2"):
        read_json(Storage(tmp_path), "x.json", most=2)


@given(data=mutated_bytes(json.dumps(GOOD).encode()) | mutated_json(GOOD))
def test_mutated_json_is_a_value_that_can_be_written_again_or_one_line(data: bytes) -> None:
    try:
        value = parse_json(data, "x")
    except ValueError as error:
        assert type(error) is ValueError
        assert "\n" not in str(error)
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
