"""A model made ready to look at any video frame by frame, and what its scores belong to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from mnad.evidence import TAU
from pipeline.errors import CalibrationError, CheckpointError, SourceError
from pipeline.runs.calibration import Belongings, Runtime
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.trainedon import rate_of
from pipeline.scoring.choices import ALPHA, THRESHOLD, OwnMemory, Precision, RuntimeChoice, Score
from pipeline.scoring.moments import Gaze, Moment, MomentStream
from pipeline.scoring.runtime import network_of
from pipeline.scoring.scorer import Scorer, largest_batch
from pipeline.video.masks import Mask
from pipeline.video.profiles import profiler
from pipeline.video.timed import TimedFrame


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """What frames are measured with.

    Attributes:
        checkpoint: the model's.
        scorer: the model, on its device.
        gaze: where in a frame local errors are looked for.
        size: height and width of what the model sees.
        batch: windows scored at a time.
        mask: through which it looks, or None.
        runtime, precision: of the network.
        profile: of all that it looks at, `chroma`, or None.
    """

    checkpoint: Checkpoint
    scorer: Scorer
    gaze: Gaze
    size: tuple[int, int]
    batch: int
    mask: Mask | None
    runtime: Runtime
    precision: Precision
    profile: str | None = None

    @property
    def window(self) -> int:
        """T, frames per window."""
        return self.checkpoint.spec.window

    def moments(self, frames: Iterable[TimedFrame]) -> Iterator[Moment]:
        """The moments of one video, lazily.

        Raises:
            CheckpointError: the model gives something that is no number.
        """
        stream = self.stream(self.batch)
        for frame in frames:
            yield from stream.push(frame)
        yield from stream.finish()

    def stream(self, batch: int = 1) -> MomentStream:
        """One video, to be pushed frame by frame."""
        return MomentStream(
            self.scorer,
            self.gaze,
            window=self.window,
            size=self.size,
            batch=batch,
            profiler=profiler(self.profile),
        )

    def looking(self, mask: Mask | None, gain: torch.Tensor | None, profile: str | None) -> "Instrument":
        """The same model for another camera; arguments as in `instrument`.

        Raises:
            SourceError: the mask leaves no box to look at.
        """
        gaze = _gaze(self.size, self.gaze.boxes.keep.device, mask, gain)
        return replace(self, gaze=gaze, mask=mask, profile=profile)

    def belongings(self, score: Score) -> Belongings:
        """What a calibration of its scores belongs to.

        Raises:
            CalibrationError: nobody knows at what rate frames are to be scored.
        """
        rate = rate_of(self.checkpoint.origin)
        if rate is None:
            raise CalibrationError(
                f"{self.checkpoint.name}: found no frame rate, expected that of the video it was trained on; "
                "give folders of images one with preprocess --rate, and train again"
            )
        return Belongings(
            checkpoint=self.checkpoint.sha256,
            score=score,
            alpha=ALPHA[self.checkpoint.spec.method] if score == "paper" else None,
            tau=TAU,
            mask=None if self.mask is None else self.mask.digest,
            height=self.size[0],
            width=self.size[1],
            rate=rate,
            runtime=self.runtime,
            precision=self.precision,
            memory="video" if self.scorer.memory == "video" else "frozen",
        )


def frame_size(checkpoint: Checkpoint) -> tuple[int, int]:
    """Height and width of what a checkpoint's model sees.

    Raises:
        CheckpointError: nobody knows, or its frames are not BGR.
    """
    spec = checkpoint.spec
    if spec.height is None or spec.width is None:
        raise CheckpointError(
            f"{checkpoint.name}: found no frame size, expected that of the training video; import it again "
            "with --size"
        )
    if (spec.channels, spec.channel_order) != (3, "BGR"):
        raise CheckpointError(
            f"{checkpoint.name}: found a model for {spec.channels} channels {spec.channel_order}, expected 3 "
            "channels BGR; take another checkpoint"
        )
    return spec.height, spec.width


def _gaze(size: tuple[int, int], device: torch.device, mask: Mask | None, gain: torch.Tensor | None) -> Gaze:
    keep = torch.ones(size, dtype=torch.bool) if mask is None else torch.from_numpy(mask.keep)
    try:
        return Gaze.through(keep.to(device), gain)
    except ValueError as error:
        raise SourceError(f"--mask: {error}; leave more of it white") from error


def instrument(
    checkpoint: Checkpoint,
    device: torch.device,
    *,
    memory: OwnMemory,
    precision: Precision,
    batch_size: int,
    runtime: RuntimeChoice = "torch",
    mask: Mask | None = None,
    gain: torch.Tensor | None = None,
    profile: str | None = None,
) -> Instrument:
    """Make a model ready.

    Args:
        checkpoint: its weights.
        device: where it computes.
        memory, precision: of the scores.
        batch_size: the most windows scored at a time.
        runtime: what computes the network, see `pipeline.scoring.runtime`.
        mask: of the frames' size.
        gain: (H, W) dB, of zones.
        profile: of all that it looks at, or `chroma`.

    Raises:
        ConfigError: the runtime cannot be taken.
        CheckpointError: as `frame_size`.
        SourceError: the mask leaves no box to look at.
    """
    size = frame_size(checkpoint)
    ready = network_of(checkpoint, size, device, runtime, precision)
    gaze = _gaze(size, device, mask, gain)
    return Instrument(
        checkpoint=checkpoint,
        scorer=Scorer(
            model=ready.model,
            memory=memory,
            threshold=THRESHOLD[checkpoint.spec.method],
            bf16=ready.autocasts,
        ),
        gaze=gaze,
        size=size,
        batch=largest_batch(batch_size, *size, device),
        mask=mask,
        runtime=ready.runtime,
        precision=ready.precision,
        profile=profile,
    )
