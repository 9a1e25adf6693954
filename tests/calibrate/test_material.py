"""What normal video is to a calibration."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.calibrate.material import files
from pipeline.errors import ConfigError
from pipeline.video.decoding import Decoder
from pipeline.video.pyav_frames import Findings
from tests.helpers.videos import scene, write_images, write_video


def test_an_elementary_stream_counts_at_the_rate_that_it_is_given(tmp_path: Path) -> None:
    paths = [str(write_video(tmp_path / name, scene(20), rate=10)) for name in ("a.h264", "b.mp4")]
    with Decoder() as decoder:
        stream, film = files(paths, (32, 32), 10, 20, decoder, Findings(), [])
        with stream.opened() as frames:
            assert [frame.seconds for frame in frames] == [number / 10 for number in range(10)]
        with film.opened() as frames:
            assert len([*frames]) == 20
        assert (stream.identity[-3:], "@" in film.identity) == ("@20", False)
        without, _ = files(paths, (32, 32), 10, None, decoder, Findings(), [])
        assert "@" not in without.identity
        with pytest.raises(
            ConfigError, match="does not say its frame rate, expected one; give it with --rate"
        ):
            without.opened().__enter__()


def test_images_of_16_bits_are_what_the_model_saw_of_them(tmp_path: Path) -> None:
    values = np.linspace(20_000, 21_000, 64).astype(np.uint16).reshape(8, 8)
    folder = write_images(tmp_path / "deep", [values] * 2)
    grays: list[tuple[int, int]] = []
    with Decoder() as decoder:
        for depth in (None, (20_000, 21_000)):
            (images,) = files([str(folder)], (8, 8), 10, 10, decoder, Findings(), depth=depth)
            with images.opened() as frames:
                picture = next(frames).picture
            grays.append((int(picture.min()), int(picture.max())))
    assert grays == [(78, 82), (0, 255)]
