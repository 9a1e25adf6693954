"""What a running watch says to Prometheus: its text format, version 0.0.4."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.watch.view import Snapshot
from pipeline.watch.web.standing import is_armed

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Value = Callable[[Snapshot], float | None]


@dataclass(frozen=True)
class _Metric:
    """One metric: its name, type and help, and its value by the labels beside the camera."""

    name: str
    kind: str
    about: str
    values: Mapping[str, _Value]


_METRICS = (
    _Metric("mnad_camera_up", "gauge", "Whether pictures come.", {"": lambda s: s.state == "up"}),
    _Metric("mnad_armed", "gauge", "Whether alarms are raised, and somebody is told.", {"": is_armed}),
    _Metric("mnad_alarm", "gauge", "Whether an alarm is open.", {"": lambda s: s.alarm}),
    _Metric("mnad_snoozed", "gauge", "Whether nobody is told.", {"": lambda s: s.snoozed_until is not None}),
    _Metric("mnad_rarity_hours", "gauge", "Of the last scored frame.", {"": lambda s: s.rarity_hours}),
    _Metric(
        "mnad_last_frame_timestamp_seconds",
        "gauge",
        "When the last scored frame was shown.",
        {"": lambda s: None if s.time is None else s.time.timestamp()},
    ),
    _Metric("mnad_frames_scored_total", "counter", "Frames that were scored.", {"": lambda s: s.scored}),
    _Metric("mnad_frames_skipped_total", "counter", "Frames that were skipped.", {"": lambda s: s.skipped}),
    _Metric("mnad_reconnects_total", "counter", "Connections after drops.", {"": lambda s: s.reconnects}),
    _Metric(
        "mnad_messages_waiting_bytes",
        "gauge",
        "Of events that have not reached everybody.",
        {"": lambda s: s.waiting_bytes},
    ),
    _Metric(
        "mnad_messages_left_out_total",
        "counter",
        "Events that a receiver refused for good.",
        {"": lambda s: s.left_out},
    ),
    _Metric(
        "mnad_write_failures_total",
        "counter",
        "Results that could not be written.",
        {"": lambda s: s.write_failures},
    ),
    _Metric(
        "mnad_results_written", "gauge", "Whether results can be written.", {"": lambda s: not s.unwritten}
    ),
    _Metric(
        "mnad_latency_seconds",
        "gauge",
        "From the arrival of a frame to what is said of it, of the last 1000 frames.",
        {'quantile="0.5"': lambda s: s.latency_p50, 'quantile="0.95"': lambda s: s.latency_p95},
    ),
)


def metrics(snapshots: Sequence[Snapshot]) -> str:
    """The metrics of all cameras."""
    return "".join(f"{line}\n" for metric in _METRICS for line in _lines(metric, snapshots))


def _lines(metric: _Metric, snapshots: Sequence[Snapshot]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.about}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for snapshot in snapshots:
        for more, value in metric.values.items():
            found = value(snapshot)
            labels = ",".join(filter(None, (f'camera="{_escaped(snapshot.name)}"', more)))
            if found is not None:
                yield f"{metric.name}{{{labels}}} {float(found)!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
