"""Whether a model in int8 may stand for that in float32, told without labels: it must raise the same events.

Both are calibrated on the same normal video that was not trained on. Then disturbances are planted into that
video: a block that crosses, a freeze, a flash.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from mnad import MNAD
from mnad.evidence import Standard, causal_mean
from mnad.rates import Calibration, Threshold
from pipeline.errors import CheckpointError
from pipeline.runs.calibration import Trace, evidence
from pipeline.runtimes.exported import Movement
from pipeline.scoring.moments import Gaze, moments
from pipeline.scoring.scorer import Scorer, largest_batch
from pipeline.scoring.watching import Baseline, Watcher
from pipeline.video.timed import TimedFrame

_REMEDY = "export with --precision bf16"


def accepted(
    float32: MNAD, int8: MNAD, clips: Sequence[np.ndarray], *, window: int, rate: float, name: str
) -> Movement:
    """How far the evidence of a model in int8 lies from that in float32.

    Args:
        float32, int8: in eval mode, on the CPU.
        clips: of frames (F, H, W, 3) uint8, normal, at the model's size.
        window: T.
        rate: frames per second.
        name: of the checkpoint, for messages.

    Raises:
        CheckpointError: it does not raise the events that float32 raises; says how many it does, and how far
            it moves.
    """
    models = (float32, int8)
    normal = [[_trace(model, clip, window, rate) for clip in clips] for model in models]
    baselines = [_baseline(traces, name) for traces in normal]
    disturbed = planted(clips, rate)
    events = [
        [_events(_trace(model, clip, window, rate), baseline) for clip in disturbed]
        for model, baseline in zip(models, baselines, strict=True)
    ]
    quantile = _moved(baselines, normal)
    expected, found = (sum(map(len, each)) for each in events)
    if expected == 0:
        raise CheckpointError(
            f"{name}: found no event of planted disturbances in float32, expected some to hold int8 against; "
            f"train longer, or {_REMEDY}"
        )
    if not all(same(some, others) for some, others in zip(*events, strict=True)):
        raise CheckpointError(
            f"{name}: found {found} events of planted disturbances in int8, expected the {expected} of "
            f"float32 at the same times (99 % of the evidence moves by at most {quantile:.2f} standard "
            f"deviations); {_REMEDY}"
        )
    return Movement(quantile_99=quantile, events=expected)


def same(some: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> bool:
    """Whether two lists of events (start, end), each in order, overlap one to one."""
    return len(some) == len(others) and all(
        a[0] <= b[1] and b[0] <= a[1] for a, b in zip(some, others, strict=True)
    )


def planted(clips: Sequence[np.ndarray], rate: float) -> list[np.ndarray]:
    """Copies of the three longest; from the middle on a block crosses one, one freezes, one flashes."""
    longest = sorted(clips, key=len, reverse=True)
    block, frozen, flashing = (longest[index % len(longest)].copy() for index in range(3))
    edge = max(3, min(block.shape[1:3]) // 5)
    for number, frame in enumerate(part := _disturbed(block, rate, seconds=2)):
        left = number * (frame.shape[1] - edge) // len(part)
        top = frame.shape[0] // 2
        frame[top : top + edge, left : left + edge] = 255 * (number % 2)
    # Motion that stops is what the network predicts best; what it shows is the jump where it ends.
    part = _disturbed(frozen, rate, seconds=2)
    part[:] = part[:1]
    _disturbed(flashing, rate, seconds=0.5)[::2] = 255
    return [block, frozen, flashing]


def _disturbed(clip: np.ndarray, rate: float, seconds: float) -> np.ndarray:
    """The part of a clip from its middle on, at least two frames, as a view."""
    start = len(clip) // 2
    return clip[start : start + max(2, round(seconds * rate))]


def _trace(model: MNAD, clip: np.ndarray, window: int, rate: float) -> Trace:
    """The local errors of a clip, as `score` sees them with a memory that stays as it was trained."""
    size = (clip.shape[1], clip.shape[2])
    found = [
        (moment.seconds, moment.local)
        for moment in moments(
            _timed(clip, rate),
            Scorer(model=model, memory="frozen", threshold=-np.inf, bf16=False),
            Gaze.through(torch.ones(size, dtype=torch.bool)),
            window=window,
            size=size,
            batch=largest_batch(32, *size, torch.device("cpu")),
        )
    ]
    seconds, values = zip(*found, strict=True)
    return Trace(seconds=np.array(seconds), values=np.stack(values), restarts=())


def _timed(clip: np.ndarray, rate: float) -> Iterator[TimedFrame]:
    for number, picture in enumerate(clip):
        yield TimedFrame(
            number=number, seconds=number / rate, picture=picture, is_corrupt=False, small=picture
        )


def _baseline(traces: Sequence[Trace], name: str) -> Baseline:
    """Calibrated for the rarest alarm that the video carries."""
    means = [causal_mean(each.seconds, each.values) for each in traces]
    try:
        standard = Standard.fit(np.concatenate([mean[settled] for mean, settled in means]))
        calibration = Calibration.of(evidence(standard, traces))
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}; train with a larger --hold-out, or {_REMEDY}") from error
    threshold = calibration.threshold(1.0001 / calibration.hours, None)
    assert isinstance(threshold, Threshold)  # one alarm in all hours is what they carry
    return Baseline(standard=standard, calibration=calibration, threshold=threshold)


def _events(trace: Trace, baseline: Baseline) -> list[tuple[float, float]]:
    watcher = Watcher(baseline)
    found = [
        watcher.push(frame, seconds, values).is_over
        for frame, (seconds, values) in enumerate(zip(trace.seconds.tolist(), trace.values, strict=True))
    ]
    found.append(watcher.finish())
    return [(each.start, each.end or each.start) for each in found if each is not None]


def _moved(baselines: Sequence[Baseline], normal: Sequence[Sequence[Trace]]) -> float:
    """What 99 % of the evidence of normal video moves less than, each in its own standard deviations."""
    shown = [evidence(base.standard, each) for base, each in zip(baselines, normal, strict=True)]
    moved = [np.abs(some.settled - others.settled) for some, others in zip(*shown, strict=True)]
    return float(np.quantile(np.concatenate(moved), 0.99))
