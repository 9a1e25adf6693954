"""One camera while it is watched: what comes of each frame that was scored, and of frames that do not come.

All of it runs in the thread that scores; what others may see of it is in `Face`.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta

from mnad.automaton import COOLDOWN, HOLD
from pipeline.events.event import Event
from pipeline.events.log import LastingLog
from pipeline.runs.armed import load_armed, save_armed
from pipeline.runs.calibration import record_name
from pipeline.runs.layout import LEARNED
from pipeline.scoring.alarms import Alarms, Watch
from pipeline.scoring.choices import Score
from pipeline.scoring.happenings import CLIPS, Happenings, Subject
from pipeline.scoring.moments import Moment
from pipeline.scoring.telling import known, row_of, tell
from pipeline.video.tape import Tape
from pipeline.video.zones import Zones
from pipeline.watch import normal
from pipeline.watch.assembler import Window
from pipeline.watch.config import CameraConfig
from pipeline.watch.disk import Disk
from pipeline.watch.face import Face
from pipeline.watch.feed import Feed
from pipeline.watch.health import Health
from pipeline.watch.incidents import Incidents
from pipeline.watch.learning import Learner
from pipeline.watch.messages import Messages
from pipeline.watch.parts import Parts
from pipeline.watch.settling import Settling
from shards.storage import Storage

_DRIFT_SECONDS = 60.0
_NEW_VIEW = (
    "it has looked elsewhere than before for so long that this is its usual view now, and alarms are raised "
    "again, by the calibration of the view before: if it was turned, calibrate it again; if infrared light "
    "does this, give it profiles"
)
logger = logging.getLogger(__name__)

Clip = Callable[[str, tuple[float, float]], str | None]
"""Copies seconds of a camera's video into a file of a given stem, and gives its name, or None."""


class WatchedCamera:
    """One camera.

    Args:
        config: of the camera.
        folder: of its results.
        log: in it.
        subject: whose events they are.
        zones: of its picture, or None.
        feed, face, messages: of the camera.
        clip: copies a part of its video.
        tapes: of its packets; none of a file, which has no clock.
    """

    def __init__(
        self,
        config: CameraConfig,
        folder: Storage,
        log: LastingLog,
        subject: Subject,
        zones: Zones | None,
        feed: Feed,
        face: Face,
        messages: Messages,
        clip: Clip,
        tapes: Sequence[Tape],
    ) -> None:
        self.face, self.feed = face, feed
        self._config, self._folder, self._log, self._subject = config, folder, log, subject
        self._zones, self._messages, self._clip, self._tapes = zones, messages, clip, tapes
        self._disk = face.disk = Disk(config.name, folder)
        self._parts = Parts(folder, self._disk)
        self._health, self._settling = Health(), Settling()
        self._incidents = Incidents(log, subject)
        self._watch = Watch(None)
        self._happenings: Happenings | None = None
        self._learner: Learner | None = None
        self._notes: tuple[str, ...] = ()
        self._armed: Callable[[], Alarms | None] = lambda: None
        self._zero: datetime | None = None
        self._seconds = self._drift_at = self._scored_at = 0.0
        self._count = 0

    def arm(self, alarms: Alarms | None, score: Score, missing: str | None) -> None:
        """Hold frames against a calibration from the next one on; None has none."""
        self.face.arm(alarms, missing)
        self._watch = Watch(alarms, score)
        self._happenings = None
        if alarms is None or alarms.threshold is None:
            return
        with self._disk.trying():
            for profile, record in alarms.records.items():
                self._folder.write(record_name(profile), record.to_json())
            armed = load_armed(self._folder).turned(alarms.records.values(), datetime.now(UTC))
            save_armed(self._folder, armed)
        subject = dataclasses.replace(self._subject, calibration=alarms.digest)
        clock = self._clock if self._is_live else None
        self._happenings = Happenings(
            self._folder, self._log, subject, self._clipped, clock, self._disk.trying
        )

    def note(self, text: str) -> None:
        """Say something of what frames are held against, until that changes."""
        self._notes = self.face.remarks = (*self._notes, text)

    def learn(self, learner: Learner, armed: Callable[[], Alarms | None]) -> None:
        """Learn what the camera sees, and raise alarms then.

        Args:
            learner: of the camera.
            armed: gives what frames are to be held against once it is learned.
        """
        self.arm(None, "local", learner.words)
        self._learner, self._armed = learner, armed
        self.face.is_learning = True

    def see(self, window: Window, moment: Moment, now: float) -> None:
        """Take a frame that was scored.

        Args:
            window: that it is of.
            moment: what the model says.
            now: on the clock of this process.
        """
        last, happenings = window.last, self._happenings
        self._seconds, self._count, self._scored_at = moment.seconds, self._count + 1, now
        if last.time is not None:
            if self._zero is None or self._watch.episode is None:  # the times of an event stay in order
                self._zero = last.time - timedelta(seconds=moment.seconds)
            for kind, is_on in self._health.push(moment.seconds, window.frames[-1], window.profile):
                if kind == "moved" and not is_on and self._health.has_new_view:
                    logger.warning("%s: %s", self._config.name, _NEW_VIEW)
                self._told(
                    self._incidents.turn(
                        kind, is_on, moment.seconds, last.time, is_suppressed=self._is_suppressed
                    )
                )
        watched = self._watch.push(moment)
        place = self._watch.place(moment, watched)
        if self._is_live and self._settling.push(now, self.face.skipped, is_settled=watched.is_settled):
            logger.warning("%s: %s", self._config.name, self._settling.blind or "alarms can be raised again")
        if self._learner is not None and self._is_learned(self._learner, moment):
            self._learner, self.face.is_learning, self._notes = None, False, ()
            logger.info("%s: learned", self._config.name)
            alarms = self._armed()
            for note in () if alarms is None else alarms.notes:
                logger.warning("%s: %s", self._config.name, note)
            self.arm(alarms, "local", None)
        if happenings is not None:
            is_suppressed = self._is_suppressed or bool(self._health.pausing) or self.feed.is_off_rate
            self._told(
                tell(
                    happenings, self._watch, watched, moment, place, self._zones, is_suppressed=is_suppressed
                )
            )
        time = None if last.time is None else self._clock(moment.seconds)
        self._parts.append(row_of(self._config.name, moment, watched, place, happenings, time))
        shown = last.time or datetime.now(UTC)
        self.face.saw(watched, place, moment.profile, shown, now - last.at)
        self._messages.show(now, alarm=watched.alarm, rarity_hours=known(watched.rarity_hours))

    def tick(self, now: float) -> None:
        """Do what is due without a frame: now and then, at least once a second.

        Args:
            now: on the clock of this process.
        """
        self._say()
        if self._is_live:
            waited = now - (self.feed.since if self.feed.seen is None else self.feed.seen)
            moment = datetime.now(UTC)
            for kind, is_on in self._health.wait(waited):
                if is_on:
                    self._cut(now)
                self._told(
                    self._incidents.turn(
                        kind, is_on, self._seconds + waited, moment, is_suppressed=self._is_suppressed
                    )
                )
            # Frames would have closed it by then; where none is scored, as of damaged video, none does.
            if self._watch.episode is not None and now - self._scored_at >= HOLD + COOLDOWN:
                self._cut(now)
        self.face.blocked = self._blocked
        self.face.remarks = (*self._notes, *([_NEW_VIEW] if self._health.has_new_view else []))
        if now - self._drift_at >= _DRIFT_SECONDS:
            self._drift_at = now
            self._tell_drift()
            if self._learner is not None:
                self.face.arm(None, self._learner.words)
            self.face.waiting_bytes = self._messages.waiting_bytes
            self.face.left_out = self._messages.left_out
            self._disk.look()
            if self._log.unwritten and not self._disk.reason:
                self._log.settle()
                self._publish()

    def close(self) -> None:
        """End its events and files."""
        self.face.close()
        self._say()
        episode = self._watch.finish()
        if episode is not None and self._happenings is not None:
            self._told([self._happenings.end(episode)])
        if self._is_live:
            self._told(self._incidents.close(datetime.now(UTC)))
        if self._learner is not None:
            with self._disk.trying(LEARNED):
                self._learner.keep()
        self._parts.close()
        self._messages.finish()

    def _say(self) -> None:
        """Write down what persons have said of events."""
        for shown, label in self.face.asked():
            # The log may know it no more, if others have come since it was asked.
            event = next((each for each in self._log.events if each.id == shown.id), shown)
            if self._happenings is not None and self._happenings.current == event.id:
                self._happenings.label = label
            self._incidents.say(event.id, label)
            labelled = dataclasses.replace(event, label=label)
            self._log.say(labelled)
            self._told([labelled], is_said=True)

    def _cut(self, now: float) -> None:
        """End the event that is open or could be reopened: it cannot be followed any more."""
        episode = self._watch.cut()
        if episode is not None and self._happenings is not None:
            self._told([self._happenings.end(episode)])
        self.face.lost()
        self._messages.show(now, alarm=False, rarity_hours=None)

    def _told(self, events: list[Event], *, is_said: bool = False) -> None:
        """Make events known as the log has them: written down, or labelled by a person."""
        for event in events:
            self.face.told(event, self._log.events)
            with self._disk.trying(normal.FOLDER):
                normal.keep(self.face.folder, event)
            for tape in self._tapes if event.kind == "anomaly" and not is_said else ():
                if event.type == "new":
                    tape.hold()
                else:
                    tape.release()
            if not event.suppressed:
                logger.info("%s: %s %s", event.camera, event.kind, event.type)
        if events:
            self._publish()

    def _publish(self) -> None:
        """Tell everybody what the log has, and what it cannot take: an alarm waits for no disk."""
        self._messages.notify(self._log.unwritten)
        if self._log.refusal is not None:
            self._disk.failed(self._log.refusal)
        else:
            with self._disk.trying():
                self._log.publish()

    def _clipped(self, stem: str, span: tuple[float, float]) -> str | None:
        name = None
        with self._disk.trying(CLIPS):
            name = self._clip(stem, span)
        return name

    def _is_learned(self, learner: Learner, moment: Moment) -> bool:
        is_learned = False
        with self._disk.trying(LEARNED):
            is_learned = learner.push(moment)
        return is_learned

    def _tell_drift(self) -> None:
        drifts = self._watch.drifts
        is_gained = self._zones is not None and bool(self._zones.gain.any())
        if not drifts or is_gained:
            return
        of = {profile: "" if profile is None else f"{profile}: " for profile in drifts}
        self.face.drift = "; ".join(f"{of[name]}{one.words}" for name, one in drifts.items() if one.words)
        if self._is_live:
            self._told(
                self._incidents.turn(
                    "drift",
                    any(one.verdict == "recalibrate" for one in drifts.values()),
                    self._seconds,
                    datetime.now(UTC),
                    is_suppressed=self._is_suppressed,
                )
            )

    def _clock(self, seconds: float) -> datetime:
        assert self._zero is not None
        return self._zero + timedelta(seconds=seconds)

    @property
    def _is_live(self) -> bool:
        return bool(self._tapes)

    @property
    def _blocked(self) -> str:
        """Why no alarm is raised at present, or nobody told of one, whatever the calibration; or empty."""
        if self._settling.blind:
            return self._settling.blind
        if self._health.pausing:
            return f"{self._health.pausing}, alarms pause"
        return "rate off, nobody is told" if self.feed.is_off_rate else ""

    @property
    def _is_suppressed(self) -> bool:
        """Whether nobody is to be told of an event that begins now."""
        return self.face.is_snoozed or is_quiet(self._config.quiet, datetime.now().time())


def is_quiet(times: str | None, now: time) -> bool:
    """Whether a time of the day lies in times such as `22:00-06:00`; None is never."""
    if times is None:
        return False
    start, end = (time.fromisoformat(part) for part in times.split("-"))
    return start <= now < end if start <= end else now >= start or now < end
