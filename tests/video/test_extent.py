"""What a file says about itself, whatever it holds."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from pipeline.errors import SourceError
from pipeline.video.extent import Extent, extent, key_seconds
from tests.helpers.mutation import mutated_bytes
from tests.helpers.videos import scene, write_video


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_file_says_what_it_holds(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    file = write_video(
        tmp_path / f"a.{suffix}", scene(50, size=(48, 64)), codec=codec, rate=10, options={"g": "20"}
    )
    found = extent(file, "a")
    assert (found.height, found.width, found.rate, found.frames) == (48, 64, 10.0, 50)
    assert found.seconds == pytest.approx(5.0, abs=0.2)
    assert key_seconds(file, "a") == pytest.approx(2.0)


def test_what_is_no_video_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    for look in (extent, key_seconds):
        with pytest.raises(SourceError, match="a: found 7 bytes that are no video file"):
            look(tmp_path / "a.mp4", "a")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("whole") / "a.mp4", scene(12, size=(16, 16))).read_bytes()


def test_no_mutated_file_does_more_than_fail(tmp_path: Path, whole: bytes) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=mutated_bytes(whole))
    def look(data: bytes) -> None:
        (tmp_path / "a.mp4").write_bytes(data)
        try:
            found = extent(tmp_path / "a.mp4", "a")
            key_seconds(tmp_path / "a.mp4", "a")
        except SourceError as error:
            assert "\n" not in str(error)
        else:
            assert isinstance(found, Extent)
            assert found.seconds is None or found.seconds > 0

    look()
