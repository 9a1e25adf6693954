"""What a scored frame changes: events that begin or are over, and its row in the table."""

import math
from datetime import datetime

import numpy as np

from mnad.local_error import Place
from pipeline.events import event
from pipeline.scoring.alarms import Watch
from pipeline.scoring.happenings import Happenings, Look
from pipeline.scoring.moments import Moment
from pipeline.scoring.rows import Row
from pipeline.scoring.watching import Watched
from pipeline.video.overlay import thumbnail
from pipeline.video.zones import Zones


def tell(
    happenings: Happenings,
    watch: Watch,
    watched: Watched,
    moment: Moment,
    place: Place,
    zones: Zones | None,
    *,
    is_suppressed: bool = False,
) -> list[event.Event]:
    """Write down what a frame has changed; returns the events that were written.

    Args:
        happenings: of the video.
        watch: that has just taken the moment.
        watched: what the moment means.
        moment: the frame.
        place: its most abnormal place.
        zones: of the picture.
        is_suppressed: whether nobody is to be told of an event that begins now.
    """
    told = []
    if watched.is_over is not None:
        told.append(happenings.end(watched.is_over))
    if watched.is_top:
        picture = thumbnail(moment.picture, heat(moment, watch.box(watched)), place.box)
        zone = None if zones is None else zones.at(place.x, place.y)
        happenings.see(Look(box=place.box, local_error=moment.local_error, zone=zone, picture=picture))
    if watched.change == "raised" and watch.episode is not None:
        told.append(happenings.begin(watch.episode, _threshold(watch), is_suppressed=is_suppressed))
    return told


def _threshold(watch: Watch) -> event.Threshold:
    alarms = watch.alarms
    assert alarms is not None and alarms.threshold is not None  # it has raised an alarm
    threshold = alarms.threshold
    return event.Threshold(
        evidence=threshold.on,
        alarms_per_hour=threshold.alarms_per_hour,
        confidence=None if threshold.delta is None else 1 - threshold.delta,
        calibration_hours=threshold.hours,
        profile=alarms.record.profile,
    )


def row_of(
    video: str,
    moment: Moment,
    watched: Watched,
    place: Place,
    happenings: Happenings | None,
    time: datetime | None = None,
) -> Row:
    """The row of a frame in the table."""
    x, y, w, h = place.box
    return Row(
        video=video,
        frame=moment.frame,
        time=time,
        seconds=moment.seconds,
        psnr=moment.psnr,
        feature_distance=moment.feature_distance,
        point_score=moment.point_score,
        memory_updated=moment.memory_updated,
        local_error=moment.local_error,
        evidence=watched.evidence,
        rarity_hours=known(watched.rarity_hours),
        p=known(watched.share_above),
        alarm=watched.alarm,
        event=happenings.current if happenings is not None and watched.alarm else None,
        x=x,
        y=y,
        w=w,
        h=h,
        profile=moment.profile,
        gap=moment.gap,
    )


def known(value: float) -> float | None:
    """A value, or None of NaN."""
    return None if math.isnan(value) else value


def heat(moment: Moment, box: int | None) -> np.ndarray:
    """Local errors (H, W) of a moment, dB, in one of its boxes; None is the one of the column."""
    gaze = moment.gaze.table if box is None else moment.gaze.boxes
    levels: np.ndarray = gaze.levels(moment.error[None])[0, box or 0].cpu().numpy()
    return levels
