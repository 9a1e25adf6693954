"""The command that calibrates a run for what is scored, to be copied into a shell."""

import shlex

from pipeline.runs.calibration import Belongings
from pipeline.video.profiles import CHROMA, profiles
from shards import locations

UNASKED = {"score": "local", "memory": "frozen", "runtime": "torch", "precision": "fp32"}
"""What `calibrate` takes where nothing is asked for."""


def calibrate_command(
    checkpoint: str,
    belongs: Belongings | None = None,
    *,
    profile: str | None = None,
    mask: str | None = None,
    adds: bool = False,
    **asked: str | None,
) -> str:
    """A command that makes what a calibration is, or adds to it.

    Args:
        checkpoint: location of the run, or of its checkpoint.
        belongs: of the calibration; None where there is none yet.
        profile: of the calibration, or of what is scored.
        mask: location of the mask through which the model looks, where it is known.
        adds: whether it adds the hours of video to the calibration that is there.
        asked: without a calibration, options of `UNASKED` by which is scored.
    """
    if belongs is not None:
        asked = {name: getattr(belongs, name) for name in UNASKED}
        mask = None if belongs.mask is None else mask or "MASK.png"
    options = {name: value for name, value in asked.items() if value not in (None, UNASKED[name])}
    if mask is not None:
        options["mask"] = locations.shown(mask)
    if profile is not None:
        options["profile"] = CHROMA if profile in profiles(CHROMA) else profile
    words = ["python", "cli.py", "calibrate", shlex.quote(locations.shown(checkpoint))]
    words += ["VIDEO...", "--add"] if adds else []
    words += [f"--{name} {shlex.quote(str(value))}" for name, value in options.items()]
    return " ".join(words)
