"""MPEG-4 in AVI as DivX writes it: packed B-frames."""

from pathlib import Path

import av

_PICTURE = b"\0\0\1\xb6"
_USER_DATA = b"\0\0\1\xb2DivX503b1393p"
"""What tells a decoder that B-frames are packed."""


def pack_b_frames(source: Path, target: Path, *, trailing: int = 0) -> Path:
    """Rewrite an MPEG-4 AVI with each B-frame in the chunk of the frame that it needs.

    The place where it was holds a picture that is not coded, which keeps the count of chunks.

    Args:
        source: written without such frames.
        target: of the new file.
        trailing: places more at the end, for which there is no picture.
    """
    with av.open(str(source)) as container, av.open(str(target), "w") as copy:
        stream = container.streams.video[0]
        pictures = [bytes(packet) for packet in container.demux(stream) if packet.size]
        first = pictures[0].index(_PICTURE)
        pictures[0] = pictures[0][:first] + _USER_DATA + pictures[0][first:]
        chunks: list[bytes] = []
        for picture in pictures:
            if _is_b_frame(picture):
                chunks[-1] += picture
                chunks.append(_not_coded(len(chunks)))
            else:
                chunks.append(picture)
        chunks += [_not_coded(len(chunks) + number) for number in range(trailing)]
        track = copy.add_stream_from_template(stream)
        assert stream.time_base is not None
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base = track, stream.time_base
            packet.pts = packet.dts = number
            packet.is_keyframe = number == 0
            copy.mux(packet)
    return target


def _is_b_frame(picture: bytes) -> bool:
    return picture[picture.index(_PICTURE) + len(_PICTURE)] >> 6 == 2


def _not_coded(number: int) -> bytes:
    """A P picture at a time (25 ticks a second) that says `vop_coded` 0, with the bits that fill it up."""
    bits = "01" + "0" + "1" + format(number % 25, "05b") + "1" + "0" + "0"
    bits += "1" * (-len(bits) % 8)
    return _PICTURE + int(bits, 2).to_bytes(len(bits) // 8, "big")
