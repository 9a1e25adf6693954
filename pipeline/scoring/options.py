"""Options that several commands which score have in common."""

from pipeline.options import Option
from pipeline.scoring.choices import CONFIDENCE, PRECISION, RUNTIME

_CALIBRATED = "what the calibration was made"

CHECKPOINT_OPTION = Option(
    "A run, whose latest checkpoint and calibration are taken, or a checkpoint file.",
    "Input and output",
    metavar="RUN",
)
MASK_OPTION = Option(
    "An image of the camera's view, black where it is not to be looked at, and white elsewhere; alarms need "
    "a calibration of the same.",
    "Input and output",
    metavar="MASK.png",
)
ZONES_OPTION = Option(
    "Polygons with names, which events are told with, and a gain in dB of at most 0 that makes them less "
    "touchy; no calibration is needed for other ones.",
    "Input and output",
    metavar="ZONES.toml",
)
ALARMS_OPTION = Option(
    "The most alarms on normal video.",
    "Alarms",
    above=0,
    metavar="NUMBER",
    default=f"{_CALIBRATED} for",
)
CONFIDENCE_OPTION = Option(
    "Probability that there are no more; mean keeps the rate on average only.",
    "Alarms",
    custom=CONFIDENCE,
    default=f"{_CALIBRATED} for",
)
RUNTIME_OPTION = Option(RUNTIME, "Speed", default=f"{_CALIBRATED} with, or torch")
PRECISION_OPTION = Option(PRECISION, "Speed", default=f"{_CALIBRATED} with, or fp32")
