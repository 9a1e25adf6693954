"""Archives of arrays that list or unpack to more than they justify: each is refused in little memory."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.runs.arrays import read_arrays
from tests.helpers.limits import limited

MEGABYTES = 40
"""Besides the file."""
SECONDS = 60
NAME = "work.npy"


def _array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.str_("a"))
    return buffer.getvalue()


def many_members() -> bytes:
    """A list of 400,000 members of nothing."""
    member = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    members = (member + b"a") * 400_000
    return members + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 6784, 6784, len(members), 0, 0)


def large_dictionary() -> bytes:
    """LZMA that asks for a dictionary of 4 GB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(NAME, _array())
    data = bytearray(buffer.getvalue())
    start = 30 + sum(struct.unpack_from("<2H", data, 26)) + 5
    data[start : start + 4] = b"\xff" * 4
    return bytes(data)


def more_than_it_says() -> bytes:
    """Deflated zeros, 300 MB of them, that are said to be a small array."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(4_000_000)) for _ in range(75)) + packer.flush()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(NAME, packed)
    data = bytearray(buffer.getvalue())
    listed = data.rfind(b"PK\x01\x02")
    for kind, size in ((8, 22), (listed + 10, listed + 24)):
        struct.pack_into("<H", data, kind, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", data, size, len(_array()))
    return bytes(data)


ATTACKS = {attack.__name__: attack for attack in (many_members, large_dictionary, more_than_it_says)}
IMPORTS = """
import numpy as np
from pipeline.runs.arrays import read_arrays
from pipeline.scoring.maps import has_maps
from shards.errors import CorruptShardError
from shards.masks import Masks, _unpacked
from shards.storage import Storage

masks = Masks(name="", bytes=9, digest="", height=8, width=8, marked=())
"""
READERS = {
    "arrays": "read_arrays(data, {'work': '<U'}, 1000)",
    "maps": "refused(has_maps(Storage(sys.argv[1]), 'a', np.arange(1), 'a'))",
    "masks": "list(_unpacked(data, masks, 1))",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_archive_takes_no_more_memory_than_it_is_large(attack: str, tmp_path: Path) -> None:
    data = ATTACKS[attack]()
    path = tmp_path / "maps" / "a-00000000.npz"
    path.parent.mkdir()
    path.write_bytes(data)
    body = """
    data = pathlib.Path(sys.argv[1], "maps", "a-00000000.npz").read_bytes()
    def refused(found):
        if not found:
            raise ValueError
    """
    body += "".join(
        f"""
    try:
        {reader}
    except (ValueError, CorruptShardError) as refusal:
        assert chr(10) not in str(refusal), refusal
    else:
        raise RuntimeError({name!r} + " were read")
    """
        for name, reader in READERS.items()
    )
    found = limited(body, tmp_path, imports=IMPORTS, seconds=SECONDS)
    assert found.error is None
    assert found.peak < (MEGABYTES << 20) + 2 * len(data)


def test_archives_as_numpy_writes_them_are_read() -> None:
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, work=np.str_("a" * 5000), other=np.zeros((0, 3)))
        found = read_arrays(buffer.getvalue(), {"work": "<U", "other": "<f8"}, 20_000)
        assert (found["work"].tolist(), found["other"].shape) == ("a" * 5000, (0, 3))
