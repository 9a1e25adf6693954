"""From the signals of recordings to a calibration, anew or with what was there before."""

from collections.abc import Sequence

from pipeline.calibrate.material import Material
from pipeline.errors import CalibrationError
from pipeline.runs.calibration import Belongings, Calibrated, CalibrationRecord, Trace
from pipeline.scoring.choices import USUAL_ALARMS, USUAL_CONFIDENCE
from pipeline.scoring.fitting import fit, hours_of, weighed
from pipeline.scoring.instrument import Instrument
from pipeline.scoring.signals import signals_of


def fitted(
    tool: Instrument,
    belongs: Belongings,
    profile: str | None,
    before: CalibrationRecord | None,
    traces: Sequence[Trace],
) -> CalibrationRecord:
    """The calibration of what was scored, and of what was there before; recordings are listed by `listed`.

    What is asked of it is what was asked before, or the usual.

    Raises:
        CalibrationError: there is too little video, or nothing in it differs.
    """
    try:
        if before is None:
            return fit(
                tool,
                belongs,
                profile,
                traces,
                alarms_per_hour=USUAL_ALARMS,
                confidence=USUAL_CONFIDENCE,
            )
        return before.added(weighed(signals_of(before), traces))
    except ValueError as error:
        of = "" if profile is None else f" of profile {profile}"
        raise CalibrationError(f"{tool.checkpoint.name}: {error}; give more normal video{of}") from error


def listed(
    record: CalibrationRecord, material: Sequence[Material], traces: Sequence[Trace]
) -> tuple[Calibrated, ...]:
    """What is said of the recordings of a calibration."""
    return tuple(
        Calibrated(name=each.name, identity=each.identity, hours=hours_of(record, one))
        for each, one in zip(material, traces, strict=True)
    )
