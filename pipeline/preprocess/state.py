"""What earlier runs left in a shard set, and what of it still holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pipeline.config import dump_config, parse_toml
from pipeline.errors import ConfigError
from pipeline.options import Declared, declared_as
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.jobs import MOST_PART_BYTES, PART_SUFFIX, PARTS, Part, fingerprint, stamp
from pipeline.preprocess.partfiles import part_from_json
from pipeline.preprocess.rates import takes_rate
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.processes.heartbeat import Heartbeat
from pipeline.runs.ownership import CONFIG
from shards.choices import Split
from shards.errors import CorruptShardError, NoSetError, ShardError, StorageError, TooLargeError
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.names import table_name
from shards.rows import Videos
from shards.storage import Storage
from shards.tables import Tables, decoded, encoded, stamps_batch, text_column

_PIXEL_OPTIONS = ("size", "codec", "quality", "window", "decoder", "depth_range")
"""Options that decide what the bytes of a shard are."""

_STAMPS_BYTES, _STAMP_BYTES = 4096, 80
"""The most bytes of a file of stamps without a row, and of each row, which takes 64 and 4 to tell where it
ends."""

Key = tuple[Split, str]
"""Split and name of a video."""


class Kept(NamedTuple):
    """A video that is in the set as it is in the source.

    Attributes:
        number: among the videos of the manifest.
        stamp: of its source files now.
    """

    number: int
    stamp: str


@dataclass(frozen=True, kw_only=True)
class State:
    """A shard set as earlier runs left it.

    Attributes:
        manifest: of the set, or None where there is none that can be read.
        stamps: of the source files of the manifest's videos, empty where they are not known.
        parts: videos that were finished after the manifest was written, by split and name.
        names: of all files in the folder of parts.
        lost: numbers of the manifest's videos of which a file is gone, or was changed after the manifest.
        torn: videos that have a part file, but not all of its shards.
        damage: what was damaged and is made again, in sentences.
    """

    manifest: Manifest | None
    stamps: tuple[str, ...]
    parts: dict[Key, Part]
    names: tuple[str, ...]
    lost: frozenset[int]
    torn: frozenset[Key]
    damage: tuple[str, ...]

    @cached_property
    def numbers(self) -> dict[Key, int]:
        """The number of each of the manifest's videos."""
        if self.manifest is None:
            return {}
        return {key: number for number, key in enumerate(self.manifest.videos.titles)}

    def known(self) -> set[Key]:
        """All videos that earlier runs finished."""
        return {*self.parts, *self.numbers}

    def harmed(self) -> set[Key]:
        """Videos whose shards or masks are not as they were left."""
        titles = [*self.numbers] if self.lost else []
        return {*self.torn, *(titles[number] for number in self.lost)}

    def file_of(self, key: Key) -> str | None:
        """The name of the file that a video was made from, None if it was made from images."""
        if key in self.parts:
            return self.parts[key].video.source.get("file")
        assert self.manifest is not None
        return self.manifest.videos.source(self.numbers[key]).get("file")

    def unchanged(
        self, source: Source, videos: Iterable[SourceVideo]
    ) -> tuple[dict[Key, Kept], list[SourceVideo]]:
        """Whole videos of the manifest whose source files have the stamps that they had, and all others."""
        titles = [*self.numbers]
        again = {*self.parts, *(titles[number] for number in self.lost)}
        found: dict[Key, Kept] = {}
        others: list[SourceVideo] = []
        for video in videos:
            key = video.key
            number = self.numbers.get(key)
            if number is not None and key not in again:
                now = stamp(source.location, video)
                if now == self.stamps[number]:
                    found[key] = Kept(number, now)
                    continue
            others.append(video)
        return found, others

    def finished(self, source: Source, video: SourceVideo, heartbeat: Heartbeat) -> Kept | Part | None:
        """What there is of a video, if its shards are there and its source is the one they were made from."""
        key = (video.split, video.name)
        part, number = self.parts.get(key), self.numbers.get(key)
        if part is None and (number is None or number in self.lost):
            return None
        now = stamp(source.location, video)
        if part is not None:
            return replace(part, stamp=now) if _holds(part, now, source, video, heartbeat) else None
        assert number is not None
        assert self.manifest is not None
        known = Part(video=self.manifest.videos[number], stamp=self.stamps[number])
        return Kept(number=number, stamp=now) if _holds(known, now, source, video, heartbeat) else None


def _holds(part: Part, now: str, source: Source, video: SourceVideo, heartbeat: Heartbeat) -> bool:
    """Whether a finished video is that of the source files, which are read if their stamp is another."""
    if (part.video.masks is None) != (video.masks is None):
        return False
    return part.stamp == now or fingerprint(source, video, heartbeat).items() <= part.video.source.items()


def load_state(storage: Storage, config: PreprocessConfig, recorded: bytes | None) -> State:
    """Read what is there. What is damaged counts as not there: it is made again.

    In a bucket, the files that the manifest lists are believed to be there: to look for 100,000 takes 100
    requests. `--recheck` looks.

    Args:
        storage: of the set.
        config: the options now.
        recorded: `config.toml` of earlier runs, None if there is none.

    Raises:
        ConfigError: it was made with other options.
    """
    names = tuple(f"{PARTS}/{name}" for name in storage.names(PARTS))
    parts: dict[Key, Part] = {}
    torn: set[Key] = set()
    damage: list[str] = []
    manifest = _manifest(storage, damage)
    if manifest is not None or damage or names:
        _refuse_other_options(storage, config, recorded)
    lost: frozenset[int] = frozenset()
    if manifest is not None and (storage.is_local or config.recheck):
        lost = _lost(manifest, list(storage.walk()))
    for name in names:
        if not name.endswith(PART_SUFFIX):
            continue
        try:
            part = part_from_json(storage.read(name, most=MOST_PART_BYTES), f"{storage}/{name}")
        except (CorruptShardError, TooLargeError) as error:
            damage.append(_made_again(error, "its video was decoded again"))
        else:
            key = (part.video.split, part.video.name)
            if _is_there(storage, part):
                parts[key] = part
            else:
                torn.add(key)
    return State(
        manifest=manifest,
        stamps=_stamps(storage, manifest, damage),
        parts=parts,
        names=names,
        lost=lost,
        torn=frozenset(torn),
        damage=tuple(damage),
    )


def _is_there(storage: Storage, part: Part) -> bool:
    """Whether all files of a finished video are there, in their size."""
    masks = part.video.masks
    files = [(part.place(shard.name), shard.bytes) for shard in part.video.shards]
    files += [] if masks is None else [(masks.name, masks.bytes)]
    try:
        return all(storage.size(name) == size for name, size in files)
    except FileNotFoundError:
        return False


def _manifest(storage: Storage, damage: list[str]) -> Manifest | None:
    """The manifest, None if there is none that is whole; what is wrong with it goes to `damage`."""
    try:
        return load_manifest(storage)
    except StorageError:
        raise  # it may be whole
    except NoSetError:
        return None
    except ShardError as error:
        damage.append(_made_again(error, "the videos that only it knew were decoded again"))
        return None


def _lost(manifest: Manifest, files: Sequence[tuple[str, int, int]]) -> frozenset[int]:
    """Numbers of videos of which a file has another size, or was written after the manifest.

    Args:
        manifest: of the set.
        files: name of each file that is there, its bytes, and when it was written.
    """
    written = next(modified for name, _, modified in files if name == MANIFEST)
    whole = {name: size for name, size, modified in files if modified <= written}
    lost: set[int] = set()
    for number, tables in enumerate(manifest.videos.parts):
        sizes = np.array([whole.get(name, -1) for name in tables.shard_names()], np.int64)
        shards = sizes != tables.shard_bytes.astype(np.int64)
        rows = set()
        if shards.any():
            rows = set(tables.column("video")[shards[tables.column("shard")]].tolist())
        masks = text_column(tables.videos, "masks") if tables.has_masks else []
        rows |= {row for row, mask in enumerate(masks) if mask and whole.get(mask["name"]) != mask["bytes"]}
        videos = manifest.videos
        lost.update(np.flatnonzero((videos.part == number) & np.isin(videos.row, list(rows))).tolist())
    return frozenset(lost)


def variable(videos: Videos) -> np.ndarray:
    """Numbers of those videos whose rows may change without their frames: by labels, or by a rate."""
    return np.flatnonzero(videos.gathered(lambda part: part.is_of("testing") | takes_rate(part), bool))


def stamps_name(tables: Tables) -> str:
    """Beside the tables of a part: stamps of the source files, which spare the next run reading them.

    They are not part of the set, for they differ from machine to machine.
    """
    assert tables.part is not None
    return table_name("stamps", tables.part.videos.digest)


def _stamps(storage: Storage, manifest: Manifest | None, damage: list[str]) -> tuple[str, ...]:
    if manifest is None:
        return ()
    found = manifest.videos.gathered(lambda part: np.array(_stamps_of(storage, part, damage), object), object)
    return tuple(found.tolist())


def _stamps_of(storage: Storage, tables: Tables, damage: list[str]) -> list[str]:
    name = stamps_name(tables)
    try:
        data = storage.read(name, most=_STAMPS_BYTES + _STAMP_BYTES * len(tables))
        return text_column(decoded("stamps", data, len(tables)), "stamp")
    except FileNotFoundError:
        pass
    except TooLargeError as error:
        damage.append(_made_again(error, "the source files were read again"))
    except ValueError as error:
        sentence = CorruptShardError(f"{storage}/{name}: {error}")
        damage.append(_made_again(sentence, "the source files were read again"))
    return [""] * len(tables)


def write_stamps(storage: Storage, before: State, manifest: Manifest, stamps: dict[Key, str]) -> None:
    """Write the stamps of each part in which one is new.

    Those of parts that are no more stay as long as the tables of these.

    Args:
        storage: of the set.
        before: the set before this run.
        manifest: the set as it is now.
        stamps: of all its videos.
    """
    known = dict(zip(before.numbers, before.stamps, strict=True))
    changed = {key for key, stamp in stamps.items() if known.get(key) != stamp}
    old = set() if before.manifest is None else {stamps_name(part) for part in before.manifest.videos.parts}
    for tables in manifest.videos.parts:
        name = stamps_name(tables)
        if name not in old or not changed.isdisjoint(tables.titles()):
            found = [stamps[key] for key in tables.titles()]
            storage.write(name, memoryview(encoded(stamps_batch(found))))


def _made_again(error: Exception, what: str) -> str:
    said = str(error).removesuffix("; preprocess again").removesuffix("; give another file, or move it away")
    return f"{said}: {what}"


def _refuse_other_options(storage: Storage, config: PreprocessConfig, found: bytes | None) -> None:
    if found is None:
        raise ConfigError(f"{storage}: holds shards but no {CONFIG}; choose an empty folder")
    recorded = parse_toml(found, f"{storage}/{CONFIG}").get("preprocess")
    if not isinstance(recorded, dict):
        raise ConfigError(f"{storage}/{CONFIG}: holds no options of preprocess; choose an empty folder")
    recorded = recorded | _same(recorded)
    wanted = parse_toml(recorded_config(config), CONFIG)["preprocess"]
    for name in _PIXEL_OPTIONS:
        if recorded.get(name) != wanted.get(name):
            option = declared_as(PreprocessConfig, name)
            raise ConfigError(
                f"{storage}: was made with {option.flag} {_typed(option, recorded.get(name))}, now asked for "
                f"{_typed(option, wanted.get(name))}; use the same or choose another folder"
            )


def _typed(option: Declared, recorded: Any) -> str:
    """A value of config.toml as the command line takes it, or as it stands where no command takes it."""
    try:
        return str(recorded) if recorded is None else option.shown(option.parse(recorded))
    except ConfigError:
        return str(recorded)


def recorded_config(config: PreprocessConfig) -> bytes:
    """The resolved options as they are written beside the shards, without credentials.

    What gives the same bytes is written alike, and --shrink, which is for one run, as if it were not given.
    """
    return dump_config("preprocess", replace(config, shrink=False, **_same(vars(config)))).encode()


def _same(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that another value of theirs would not differ from, with the value for both."""
    found: dict[str, Any] = {}
    if options.get("decoder") == "pyav":
        found["decoder"] = "auto"
    if options.get("codec") != "jpeg":
        found["quality"] = PreprocessConfig.quality
    return found
