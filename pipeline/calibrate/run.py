"""The stage: score normal video, and record how unusual it gets.

`calibration.json` is written once, at the end and whole. A calibration that is killed leaves the one that was
there before, and the recordings that it has scored; the same command goes on with the others.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mnad.evidence import GAP
from mnad.rates import Refusal, Threshold
from pipeline.calibrate.choosing import Notes, chosen, refuse_twice
from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.fitting import fitted, listed
from pipeline.calibrate.material import Material
from pipeline.calibrate.traces import Meter, trace
from pipeline.errors import CalibrationError, ConfigError
from pipeline.processes.distributed import Process, processes
from pipeline.processes.locking import sole
from pipeline.runs.calibration import (
    Belongings,
    Calibrated,
    CalibrationRecord,
    Trace,
    delta_of,
    load_calibration,
    record_name,
)
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.layout import home_of
from pipeline.runs.ownership import refuse_links
from pipeline.runs.promises import duration
from pipeline.scoring.choices import Score
from pipeline.scoring.fitting import EMPTY
from pipeline.scoring.instrument import Instrument, frame_size, instrument
from pipeline.scoring.keeping import FOLDER, Keeper
from pipeline.scoring.scorer import full_float32
from pipeline.scoring.signals import Signals
from pipeline.terminal.progress import progress
from pipeline.video.decoding import Decoder
from pipeline.video.masks import read_mask
from pipeline.video.profiles import profiles
from pipeline.video.pyav_frames import Findings
from shards.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was done.

    Attributes:
        file: the calibration.
        record: what it holds.
        answer: the threshold that was asked for, or what is missing for it.
        notes: what whoever uses it must know.
    """

    file: str
    record: CalibrationRecord
    answer: Threshold | Refusal
    notes: tuple[str, ...]


def calibrate(config: CalibrateConfig) -> list[Summary]:
    """Calibrate a model on normal video, each profile for itself.

    Returns:
        At least one; the last one has the notes of all.

    Raises:
        UserError, ShardError: it cannot be done as asked.
    """
    home = Storage(home_of(config.run))
    if not home.can_list:
        raise ConfigError(f"{home}: a web server takes no calibration; copy the run to a folder or bucket")
    with processes(config.device) as process:
        if process.world > 1:
            raise ConfigError(
                f"calibrate: found {process.world} processes, expected one; start it without torchrun"
            )
        tool = _instrument(config, process)  # first, for the lock makes the folder
        with sole("calibration or training", home), Decoder() as decoder:
            return _calibrated(config, tool, home, decoder)


def _instrument(config: CalibrateConfig, process: Process) -> Instrument:
    checkpoint = load_checkpoint(config.run)
    return instrument(
        checkpoint,
        process.device,
        memory=config.memory,
        runtime=config.runtime,
        precision=config.precision,
        batch_size=config.batch_size,
        mask=None if config.mask is None else read_mask(config.mask, frame_size(checkpoint)),
        profile=config.profile,
    )


def _calibrated(config: CalibrateConfig, tool: Instrument, home: Storage, decoder: Decoder) -> list[Summary]:
    """Calibrate a model that is ready, and record it in its run, which nobody else works in."""
    belongs = tool.belongings(config.score)
    if belongs.rate * GAP < 1:
        raise CalibrationError(
            f"{tool.checkpoint.name}: found {belongs.rate:g} frames/s, expected at least {1 / GAP:g}: "
            f"after {GAP:g} s without a frame evidence begins anew; train on video of a higher rate"
        )
    refuse_links(home, (FOLDER,))
    notes = Notes()
    if config.runtime == "auto":
        notes.said.append(f"scored with {tool.runtime}")
    before = {profile: _before(config, home, belongs, profile) for profile in profiles(config.profile)}
    material, is_trained = chosen(config, tool, belongs, decoder, notes)
    records = {profile: _answered(config, one, material, notes) for profile, one in before.items()}
    if None in records.values():
        records = _scored(config, tool, home, before, material, notes)
    done = []
    for profile, record in records.items():
        if record is None:
            notes.said.append(f"none of the video is {profile}")
            continue
        alarms_per_hour, confidence = config.promised(record.alarms_per_hour, record.confidence)
        whole = dataclasses.replace(
            record,
            checkpoint=tool.checkpoint.name,
            optimistic=record.optimistic or is_trained,
            alarms_per_hour=alarms_per_hour,
            confidence=confidence,
        )
        whole.save(home)
        done.append(
            Summary(
                file=f"{home}/{record_name(profile)}",
                record=whole,
                answer=whole.calibration.threshold(whole.alarms_per_hour, delta_of(whole.confidence)),
                notes=(),
            )
        )
    Keeper(home, belongs).clear()
    return [*done[:-1], dataclasses.replace(done[-1], notes=tuple(notes.said))]


def _before(
    config: CalibrateConfig, home: Storage, belongs: Belongings, profile: str | None
) -> CalibrationRecord | None:
    """The calibration of a profile that is there, if it belongs to the same.

    Raises:
        CalibrationError: hours are to be added, and it does not, or cannot be read.
    """
    name = record_name(profile)
    if not home.exists(name):
        return None
    if config.add:
        before = load_calibration(home, name)
        before.refuse_other(belongs, f"{home}/{name}")
        return before
    try:
        before = load_calibration(home, name)
    except CalibrationError:
        return None
    return before if before.belongs == belongs else None


def _answered(
    config: CalibrateConfig, before: CalibrationRecord | None, material: Sequence[Material], notes: Notes
) -> CalibrationRecord | None:
    """The calibration that is there, where all the video is in it: another rate needs no scoring."""
    if before is None or config.add:
        return None
    known = {recording.identity for recording in before.recordings}
    if not all(each.identity in known for each in material):
        return None
    more = len(known) - len({each.identity for each in material})
    others = f", beside {more} other recording{'' if more == 1 else 's'}" if more else ""
    notes.said.append(
        f"the video is in the calibration that is there{others}, which answers; remove "
        f"{record_name(before.profile)} to begin anew"
    )
    return before


def _scored(
    config: CalibrateConfig,
    tool: Instrument,
    home: Storage,
    before: dict[str | None, CalibrationRecord | None],
    material: Sequence[Material],
    notes: Notes,
) -> dict[str | None, CalibrationRecord | None]:
    """By profile the calibration of what is scored now, and of what was there before if it is to be added.

    There is none of a profile that none of the video shows.
    """
    belongs = tool.belongings(config.score)
    kept = {profile: record if config.add else None for profile, record in before.items()}
    for record in kept.values():
        refuse_twice(material, () if record is None else record.recordings)
    traces = _traces(tool, config.score, belongs.rate, material, Keeper(home, belongs))
    records: dict[str | None, CalibrationRecord | None] = {}
    shows = {profile: [one for one in some if len(one.seconds)] for profile, some in traces.items()}
    for profile, shown in shows.items():
        if not shown and any(shows.values()):
            records[profile] = kept[profile]
            continue
        record = fitted(tool, belongs, profile, kept[profile], shown or traces[profile])
        new = listed(record, material, traces[profile])
        records[profile] = dataclasses.replace(record, recordings=record.recordings + new)
        notes.said.extend(_remarks(record, new, notes.findings))
        replaced = before[profile]
        if replaced is not None and not config.add:
            count = len(replaced.labelled)
            called = f" with {count} event{'' if count == 1 else 's'} called normal" if count else ""
            notes.said.append(
                f"in place of the calibration that was there, {duration(replaced.calibration.hours)} of "
                f"other video{called}; --add keeps it"
            )
    return records


def _traces(
    tool: Instrument, score: Score, rate: float, material: Sequence[Material], keeper: Keeper
) -> dict[str | None, list[Trace]]:
    """By profile, of each recording what `Signals.raw` gives; empty where it shows nothing of a profile."""
    traces: dict[str | None, list[Trace]] = {profile: [] for profile in profiles(tool.profile)}
    with progress("calibrate", len(material), "recordings") as advance, full_float32():
        meter = Meter(advance, rate)
        for each in material:
            found = {profile: keeper.load(each.identity, profile) for profile in traces}
            if None in found.values():
                fresh = trace(tool, Signals(score=score), each, meter)
                found = {profile: fresh.get(profile, EMPTY) for profile in traces}
                for profile, shown in fresh.items():
                    keeper.save(each.identity, profile, shown)
            for profile, one in found.items():
                assert one is not None
                traces[profile].append(one)
            advance(1)
    return traces


def _remarks(record: CalibrationRecord, new: Sequence[Calibrated], findings: Findings) -> Iterator[str]:
    """What whoever uses a calibration must know."""
    short = [each.name for each in new if each.hours == 0]
    if short:
        of = "" if record.profile is None else f" of {record.profile}"
        yield f"{len(short)} recordings have too little{of} to count: {', '.join(short)}"
    if findings.damaged or findings.lost:
        yield (
            f"left out {findings.damaged} damaged frames and what could not be decoded of {findings.lost} "
            "packets or images"
        )
    if findings.complaints:
        yield f"of damaged files what could be read counts: {'; '.join(findings.complaints)}"
    if record.calibration.hours < 2:
        yield "with fewer than two hours it cannot be told later whether the camera has changed"
