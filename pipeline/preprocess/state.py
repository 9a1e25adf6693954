"""What earlier runs left in a shard set, and what of it still holds."""

from dataclasses import dataclass, replace
from typing import Any

from pipeline.config import dump_config, option_text, parse_toml
from pipeline.errors import ConfigError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.jobs import PART_SUFFIX, Beat, Part, fingerprint, part_from_json, part_name, stamp
from pipeline.preprocess.source import Source
from pipeline.preprocess.videos import SourceVideo
from shards.errors import CorruptShardError, ShardError, StorageError
from shards.jsonfile import read_json
from shards.manifest import MANIFEST, load_manifest
from shards.storage import Storage

CONFIG = "config.toml"
STAMPS = "stamps.json"
"""Beside the manifest: stamps of the source files, which spare the next run reading them. Not part of the
set, for it differs from machine to machine."""
_PIXEL_OPTIONS = ("size", "codec", "quality", "window", "decoder", "depth_range")
"""Options that decide what the bytes of a shard are."""

Key = tuple[str, str]
"""Split and name of a video."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A shard set as earlier runs left it.

    Attributes:
        parts: videos that were finished, by split and name.
        sizes: bytes of the files that are there.
        suspect: shards that were changed after the manifest was written.
        damage: what was damaged and is made again, in sentences.
    """

    parts: dict[Key, Part]
    sizes: dict[str, int]
    suspect: frozenset[str]
    damage: tuple[str, ...]

    def file_names(self) -> dict[Key, str]:
        """The file that each video was made from, of those that were made from a video file."""
        return {
            key: part.video.source["file"] for key, part in self.parts.items() if "file" in part.video.source
        }

    def finished(self, source: Source, video: SourceVideo, beat: Beat) -> Part | None:
        """The video's part if its shards are there and its source is the one they were made from."""
        part = self.parts.get((video.split, video.name))
        if part is None:
            return None
        stored = {shard.name: shard.bytes for shard in part.video.shards}
        if part.video.masks is not None:
            stored[part.video.masks.name] = part.video.masks.bytes
        if any(self.sizes.get(name) != size or name in self.suspect for name, size in stored.items()):
            return None
        if (part.video.masks is None) != (video.masks is None):
            return None
        if not video.is_images and "track" not in part.video.source:
            return None  # decoded before there was one rule for track, decoder and mirroring
        now = stamp(video)
        if part.stamp == now:
            return part
        found = fingerprint(source, video, beat)
        return replace(part, stamp=now) if found.items() <= part.video.source.items() else None


def load_state(storage: Storage, config: PreprocessConfig) -> State:
    """Read what is there. What is damaged counts as not there: it is made again.

    Raises:
        ConfigError: it was made with other options.
    """
    files = {name: (size, modified) for name, size, modified in storage.walk()}
    part_files = [name for name in files if name.endswith(PART_SUFFIX)]
    parts: dict[Key, Part] = {}
    suspect: set[str] = set()
    damage: list[str] = []
    if part_files or MANIFEST in files:
        _refuse_other_options(storage, config)
    if MANIFEST in files:
        parts = _of_manifest(storage, STAMPS in files, damage)
        suspect = {name for name, (_, modified) in files.items() if modified > files[MANIFEST][1]}
    for name in part_files:
        try:
            part = part_from_json(storage.read(name), f"{storage}/{name}")
        except CorruptShardError as error:
            damage.append(_made_again(error, "its video was decoded again"))
        else:
            parts[part.video.split, part.video.name] = part
    return State(
        parts=parts,
        sizes={name: size for name, (size, _) in files.items()},
        suspect=frozenset(suspect),
        damage=tuple(damage),
    )


def _of_manifest(storage: Storage, has_stamps: bool, damage: list[str]) -> dict[Key, Part]:
    """The videos that the manifest lists; what is wrong goes to `damage`."""
    try:
        videos = load_manifest(storage).videos
    except StorageError:
        raise  # it may be whole
    except ShardError as error:
        damage.append(_made_again(error, "the videos that only it knew were decoded again"))
        return {}
    stamps: Any = {}
    if has_stamps:
        try:
            stamps = read_json(storage, STAMPS)
            if not isinstance(stamps, dict) or not all(type(value) is str for value in stamps.values()):
                raise ValueError(f"{storage}/{STAMPS}: not stamps of source files")
        except ValueError as error:
            damage.append(_made_again(error, "the source files were read again"))
            stamps = {}
    bare = (replace(video, abnormal=None, label_source=None) for video in videos)
    return {
        (video.split, video.name): Part(video=video, stamp=stamps.get(part_name(video.split, video.name), ""))
        for video in bare
    }


def _made_again(error: Exception, what: str) -> str:
    return f"{str(error).removesuffix('; preprocess again')}: {what}"


def _refuse_other_options(storage: Storage, config: PreprocessConfig) -> None:
    if not storage.exists(CONFIG):
        raise ConfigError(f"{storage}: holds shards but no {CONFIG}; choose an empty folder")
    recorded = parse_toml(storage.read(CONFIG), f"{storage}/{CONFIG}").get("preprocess")
    if not isinstance(recorded, dict):
        raise ConfigError(f"{storage}/{CONFIG}: holds no options of preprocess; choose an empty folder")
    wanted = parse_toml(recorded_config(config), CONFIG)["preprocess"]
    for option in _PIXEL_OPTIONS:
        if recorded.get(option) != wanted.get(option):
            raise ConfigError(
                f"{storage}: was made with --{option.replace('_', '-')} {option_text(recorded.get(option))}, "
                f"now asked for {option_text(wanted.get(option))}; use the same or choose another folder"
            )


def recorded_config(config: PreprocessConfig) -> bytes:
    """The resolved options as they are written beside the shards, without credentials."""
    return dump_config("preprocess", config).encode()
