"""Zones name places and make them less touchy; whatever else a file holds is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.video.zones import Zones, read_zones
from tests.helpers.mutation import mutated_bytes

GOOD = b"""
[zones.left]
polygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[zones.corner]
polygon = [[0.0, 0.0], [0.25, 0.0], [0.25, 0.25], [0.0, 0.25]]
gain = -3
"""


def read(path: Path, data: bytes, size: tuple[int, int] = (16, 32)) -> Zones:
    path.write_bytes(data)
    return read_zones(str(path), size)


def test_the_later_zone_is_where_two_overlap(tmp_path: Path) -> None:
    zones = read(tmp_path / "zones.toml", GOOD)
    assert [zones.at(*point) for point in ((0.1, 0.1), (0.4, 0.9), (0.9, 0.1), (1.0, 1.0))] == [
        "corner",
        "left",
        None,
        None,
    ]
    assert zones.gain[2, 3] == -3
    assert set(np.unique(zones.gain)) == {-3.0, 0.0}
    assert zones.gain.dtype == np.float32


def test_a_zone_that_states_no_gain_leaves_that_of_an_earlier_one(tmp_path: Path) -> None:
    whole = b"polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n"
    quiet, name = b"[zones.quiet]\n" + whole + b"gain = -60\n", b"[zones.name]\n" + whole
    zones = read(tmp_path / "zones.toml", quiet + name)
    assert zones.at(0.5, 0.5) == "name"
    assert set(np.unique(zones.gain)) == {-60.0}
    assert not read(tmp_path / "zones.toml", quiet + name + b"gain = 0\n").gain.any()


def test_the_digest_tells_zones_apart(tmp_path: Path) -> None:
    first = read(tmp_path / "zones.toml", GOOD)
    assert read(tmp_path / "zones.toml", GOOD + b"# the same\n").digest == first.digest
    assert read(tmp_path / "zones.toml", GOOD.replace(b"-3", b"-4")).digest != first.digest
    assert read(tmp_path / "zones.toml", GOOD.replace(b"left", b"right")).digest != first.digest


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "found nothing, expected zones alone"),
        (b"[other]", "found other, expected zones alone"),
        (b"zones = 3", "expected 1 to 250 tables"),
        (b"[zones]\na = 3", "found zone 'a' with no fields"),
        (b"[zones.a]\ngain = -3", "found zone 'a' with no polygon"),
        (GOOD.replace(b"-3", b"3"), "found zone 'corner' with gain 3, expected -60 to 0 dB"),
        (GOOD.replace(b"-3", b"nan"), "with gain nan"),
        (GOOD.replace(b"gain", b"pain"), "with 'pain', expected polygon and gain alone"),
        (GOOD.replace(b"0.5, 1]", b"1.5, 1]"), r"with point \[1.5, 1\], expected \[x, y\] in 0 to 1"),
        (b"zones", "not TOML"),
    ],
)
def test_what_is_no_zone_is_one_line(tmp_path: Path, data: bytes, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as caught:
        read(tmp_path / "zones.toml", data)
    assert str(caught.value).startswith(f"{tmp_path / 'zones.toml'}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.toml: not found"):
        read_zones(str(tmp_path / "nowhere.toml"), (16, 32))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutated_bytes(GOOD))
def test_no_mutated_file_does_more_than_fail(tmp_path: Path, data: bytes) -> None:
    try:
        zones = read(tmp_path / "zones.toml", data)
    except SourceError as error:
        assert "\n" not in str(error)
    else:
        assert (zones.gain <= 0).all()
        assert len(zones.names) > zones.index.max()


@given(st.floats(0, 1), st.floats(0, 1))
def test_any_place_in_the_picture_has_an_answer(x: float, y: float) -> None:
    index = np.arange(6, dtype=np.int16).reshape(2, 3) - 1
    zones = Zones(names=tuple("abcde"), index=index, gain=np.zeros((2, 3), np.float32), digest="")
    assert zones.at(x, y) in (None, *"abcde")
