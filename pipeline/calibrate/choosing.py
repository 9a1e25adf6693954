"""Which normal video to calibrate on, and that it counts once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.material import Material, files, overlapping, training_set, whole
from pipeline.errors import CalibrationError
from pipeline.runs.calibration import Belongings, Calibrated
from pipeline.runs.trainedon import depth_of
from pipeline.scoring.instrument import Instrument
from pipeline.video.decoding import Decoder
from pipeline.video.pyav_frames import Findings
from shards.errors import ShardError


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What comes up on the way.

    Attributes:
        findings: what of video files is damaged.
        said: sentences.
    """

    findings: Findings = field(default_factory=Findings)
    said: list[str] = field(default_factory=list)


def chosen(
    config: CalibrateConfig, tool: Instrument, belongs: Belongings, decoder: Decoder, notes: Notes
) -> tuple[list[Material], bool]:
    """What to calibrate on, and whether the model was trained on it."""
    if config.videos:
        depth = depth_of(tool.checkpoint.origin)
        given = files(
            config.videos, tool.size, belongs.rate, config.rate, decoder, notes.findings, notes.said, depth
        )
        if not config.on_training_video:
            _refuse_trained(given, config, tool, notes)
        return given, config.on_training_video
    trained = training_set(tool.checkpoint, config.run, config.shards, config.threads)
    if config.on_training_video:
        return trained.material(trained.trained), True
    if not trained.held_out:
        raise CalibrationError(
            f"{tool.checkpoint.name}: found nothing that train kept aside, expected normal video that it was "
            "not trained on; give such video, train again with --hold-out 0.2, or take --on-training-video, "
            "whose rates are optimistic"
        )
    return trained.material(trained.held_out), False


def _refuse_trained(
    given: Sequence[Material], config: CalibrateConfig, tool: Instrument, notes: Notes
) -> None:
    """Keep training video out, where it can be told."""
    try:
        trained = training_set(tool.checkpoint, config.run, config.shards, config.threads)
    except (CalibrationError, ShardError) as error:
        reason = str(error).partition(";")[0]
        notes.said.append(
            f"whether the model was trained on this video could not be looked up ({reason}); "
            "give the set with --shards"
        )
        return
    trained.refuse_trained(given)


def refuse_twice(material: Sequence[Material], before: Sequence[Calibrated]) -> None:
    """Keep the same hours from counting twice.

    Raises:
        CalibrationError: names the first recording that is in the calibration, or given twice.
    """
    known: dict[str, list[Material | Calibrated]] = {}
    for recording in before:
        known.setdefault(whole(recording.identity), []).append(recording)
    for each in material:
        parts = known.setdefault(whole(each.identity), [])
        for other in parts:
            if overlapping(each.identity, other.identity):
                raise CalibrationError(
                    f"{each.name}: found the frames of {other.name} again, expected others: hours that count "
                    "twice would promise too much; leave it out, or calibrate anew without --add"
                )
        parts.append(each)
