"""Part files read back; not by workers, which start a quarter sooner without the tables of a manifest."""

from pipeline.preprocess.jobs import MOST_PART_BYTES, Part
from shards.errors import CorruptShardError
from shards.jsonfile import parse_json
from shards.videojson import video_from_json


def part_from_json(data: bytes, where: str) -> Part:
    """Inverse of `Part.to_json`.

    Raises:
        CorruptShardError: naming the file `where`, if it is anything else.
    """
    try:
        record = parse_json(data, where, most=MOST_PART_BYTES)
        part = Part(video=video_from_json(record["video"]), stamp=record["stamp"], waits=record["waits"])
        types = type(part.stamp), type(part.waits)
        if types != (str, bool) or part.video.abnormal is not None:
            raise ValueError(f"{where}: not a part file")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise CorruptShardError(f"{where}: damaged ({reason}); preprocess again") from error
    return part
