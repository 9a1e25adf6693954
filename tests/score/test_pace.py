"""At which rate a video is scored."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.score.pace import Pace, Steadiness, pace
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage
from pipeline.video.pyav_frames import Findings
from tests.helpers.videos import scene, write_video


def found(path: Path, *, model: float = 10, rate: float | None = None) -> tuple[Pace, list[str]]:
    """How a calibrated model goes through a file, and what is said of its steadiness."""
    config = SimpleNamespace(rate=rate, every="auto", any_rate=False)
    job: Any = SimpleNamespace(config=config, rate=model, alarms=object())
    footage = Footage(name="a", location=str(path))
    steadiness = Steadiness(model)
    with Decoder() as decoder:
        plan = pace(job, footage, path, decoder)
        for frame in decoder.frames(footage, path, Findings(), rate=rate, stride=plan.stride):
            steadiness.push(frame.seconds, restart=False)
    return plan, list(steadiness.notes())


@pytest.mark.parametrize("name", ["a.flv", "a.mkv"])
def test_a_file_is_scored_at_the_rate_of_its_times_where_its_header_states_another(
    name: str, tmp_path: Path
) -> None:
    path = write_video(tmp_path / name, scene(30), times=range(0, 3000, 100))  # the header says 25
    assert found(path) == (Pace(stride=1, rate=10.0, is_calibrated=True), [])
    with pytest.raises(ConfigError, match="found 10 frames/s, expected the 25"):
        found(path, model=25)


def test_an_elementary_stream_is_scored_at_the_rate_that_it_is_given(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", scene(30), rate=10)
    plan, _ = found(path)
    assert (plan.rate, plan.is_calibrated) == (None, False)
    assert plan.notes == ("its rate is not known, so no alarm can be raised: give --rate",)
    assert found(path, rate=20) == (Pace(stride=2, rate=10.0, is_calibrated=True), [])
