"""However frames come, and with whichever other cameras they are scored, scores are those of `score`."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scoring.choices import OwnMemory
from pipeline.scoring.instrument import Instrument, instrument
from pipeline.scoring.moments import Moment, moment_of
from pipeline.video.profiles import profiler
from pipeline.video.timed import TimedFrame
from pipeline.watch.assembler import Arrival, Assembler
from shards.entries import Geometry
from shards.windows import normalise
from tests.helpers.checkpoints import golden_checkpoint
from tests.helpers.videos import scene, tinted

DEVICE = torch.device("cpu")


@pytest.fixture(scope="module", params=["frozen", "video"])
def tool(request: pytest.FixtureRequest) -> Instrument:
    memory: OwnMemory = request.param
    return instrument(
        golden_checkpoint("pred"), DEVICE, memory=memory, precision="fp32", batch_size=8, profile="chroma"
    )


@st.composite
def footage(draw: st.DrawFn) -> list[TimedFrame]:
    """Frames of a camera: some damaged, some late, some gray."""
    pictures = scene(24, size=(32, 32), seed=draw(st.integers(0, 5)))
    seconds, frames = 0.0, []
    for number, picture in enumerate(pictures):
        seconds += draw(st.sampled_from([0.1, 0.1, 0.1, 0.13, 2.0]))
        is_gray = draw(st.booleans()) if number in (8, 16) else number >= 16
        frames.append(
            TimedFrame(
                number=number,
                seconds=seconds,
                picture=tinted(picture[None], is_gray=is_gray)[0],
                is_corrupt=draw(st.integers(0, 9)) == 0,
            )
        )
    return frames


def live(tool: Instrument, cameras: list[list[TimedFrame]]) -> Iterator[tuple[int, Moment]]:
    """Frames of several cameras, one of each at a time, as the engine scores them."""
    makers = [Assembler(tool.window, tool.size, profiler(tool.profile)) for _ in cameras]
    items = [tool.scorer.model.memory.items] * len(cameras)
    for frames in zip(*cameras, strict=True):
        made = [
            (number, maker.push(Arrival(frame=frame, at=0.0, time=None)))
            for number, (maker, frame) in enumerate(zip(makers, frames, strict=True))
        ]
        ready = [(number, window) for number, window in made if window is not None]
        if not ready:
            continue
        stacked = torch.from_numpy(np.stack([np.stack(window.frames) for _, window in ready]))
        windows = normalise(stacked, Geometry(height=tool.size[0], width=tool.size[1]))
        scores, seen, after = tool.scorer.apart(windows, torch.stack([items[number] for number, _ in ready]))
        for index, (number, window) in enumerate(ready):
            items[number] = after[index]
            looks = tool.gaze.looks(seen.error[index : index + 1])
            frame = window.last.frame
            yield number, moment_of(frame, window.profile, looks, scores.at(index), 0, gap=window.gap)


# The same examples each time: in others two items may lie so near each other that rounding chooses.
@settings(max_examples=8, derandomize=True)
@given(st.lists(footage(), min_size=1, max_size=3))
def test_a_camera_among_others_gives_what_its_file_alone_gives(
    tool: Instrument, cameras: list[list[TimedFrame]]
) -> None:
    seen = list(live(tool, cameras))
    for number, frames in enumerate(cameras):
        own = [moment for camera, moment in seen if camera == number]
        alone = list(tool.moments(iter(frames)))
        assert [(m.frame, m.seconds, m.profile, m.gap, m.memory_updated) for m in own] == [
            (m.frame, m.seconds, m.profile, m.gap, m.memory_updated) for m in alone
        ]
        for mine, other in zip(own, alone, strict=True):
            np.testing.assert_allclose(mine.local, other.local, atol=1e-3)
            assert mine.psnr == pytest.approx(other.psnr, abs=1e-3)
            assert mine.feature_distance == pytest.approx(other.feature_distance, rel=1e-4)
