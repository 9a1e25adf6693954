"""Scores of an earlier version of a set: those of a newer one are taken from them where the work is the same.

The parts of the evaluation that was there, with their exhibits, are copied under `OUT/earlier/` before they
are removed, so that any number of processes can take from them, and another run can after one that was
killed. The copies are removed when the new evaluation is whole.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ReportError
from pipeline.runs.provenance import work_digest
from pipeline.scoring import exhibits as pictures
from pipeline.scoring.exhibits import MOST_EXHIBITS_BYTES, Exhibits
from pipeline.scoring.parts import MOST_PART_BYTES, header_of, schema_of, works_in
from pipeline.scoring.table import read_known
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage

FOLDER = "earlier"
_FILE = re.compile(r"[0-9a-f]{16}\.(?:parquet|npz)")
"""Files that only an evaluation writes, and may remove."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What is known of some videos before any is scored.

    Attributes:
        videos: their scores, by name, with the labels that they had then.
        exhibits: of those videos; None if none were gathered.
        memories: by the work of the last video of a part, the memory (M, D) after it.
    """

    videos: dict[str, VideoScores]
    exhibits: Exhibits | None
    memories: dict[str, np.ndarray]


def set_aside(out: Storage, stale: Collection[str], works: Collection[str], finished: str | None) -> bool:
    """Copy those stale parts that have scores of some works, and forget those copies that have none.

    Args:
        out: the evaluation.
        stale: names of parts that are going to be removed.
        works: that are to be done.
        finished: if the evaluation that is there is whole, the digest of the manifest that is evaluated now.

    Returns:
        Whether any may be taken from: not where an evaluation that is whole is asked for again.
    """
    schemas = {name: schema_of(out, name) for name in stale}
    made = {name: header_of(schema).get("provenance", {}) for name, schema in schemas.items()}
    if finished is not None and any(each.get("manifest_sha256") == finished for each in made.values()):
        forget(out)
        return False
    wanted = {*works}
    for name in _tables(out):
        if wanted.isdisjoint(works_in(schema_of(out, name)).of.values()):
            _forget(out, name)
    for name, schema in schemas.items():
        if not wanted.isdisjoint(works_in(schema).of.values()):
            _copy(out, name, made[name])
    return True


def _copy(out: Storage, part: str, provenance: Mapping[str, object]) -> None:
    name = hashlib.sha256(f"{work_digest(provenance)} {part}".encode()).hexdigest()[:16]
    shown = pictures.beside(part)
    if out.exists(shown) and out.size(shown) <= MOST_EXHIBITS_BYTES:
        out.copy(shown, f"{FOLDER}/{name}.npz", most=MOST_EXHIBITS_BYTES)
    if out.size(part) <= MOST_PART_BYTES:  # else its videos are scored again
        out.copy(part, f"{FOLDER}/{name}.parquet", most=MOST_PART_BYTES)


def forget(out: Storage) -> None:
    """Remove all copies."""
    for name in _tables(out):
        _forget(out, name)
    for name in out.names(FOLDER):
        if _FILE.fullmatch(name):
            out.delete(f"{FOLDER}/{name}")


def _forget(out: Storage, table: str) -> None:
    for name in (table, table.removesuffix("parquet") + "npz"):
        if out.exists(name):
            out.delete(name)


def _tables(out: Storage) -> list[str]:
    names = (name for name in out.names(FOLDER) if _FILE.fullmatch(name))
    return [f"{FOLDER}/{name}" for name in names if name.endswith(".parquet")]


def read_earlier(out: Storage, works: Mapping[str, str], *, with_exhibits: bool) -> Earlier:
    """What is known of videos; damaged files are passed over.

    Args:
        out: the evaluation.
        works: of the videos, by name.
        with_exhibits: whether those are wanted, too.
    """
    known = Earlier(videos={}, exhibits=None, memories={})
    shown: list[Exhibits] = []
    for name in _tables(out):
        schema = schema_of(out, name)
        has = works_in(schema)
        if has.memory is not None:
            known.memories[[*has.of.values()][-1]] = has.memory
        wanted = [
            video for video, work in has.of.items() if works.get(video) == work and video not in known.videos
        ]
        if not wanted:
            continue
        try:
            found = read_known(out, name, wanted)
            if with_exhibits:
                work = work_digest(header_of(schema)["provenance"])
                each = pictures.read_one(out, name.removesuffix("parquet") + "npz", work)
                if each.places is None:
                    continue
                mine = np.isin(each.video, [video.name for video in found])
                shown.append(pictures.chosen(each, np.flatnonzero(mine)))
        except (ReportError, FileNotFoundError, KeyError):
            continue
        known.videos.update((video.name, video) for video in found)
    return Earlier(
        videos=known.videos,
        exhibits=pictures.joined(shown) if shown else None,
        memories=known.memories,
    )
