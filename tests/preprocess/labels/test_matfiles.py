"""The reader of MATLAB cells against scipy, and against files that claim more than they hold."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import SourceError
from pipeline.preprocess.labels.bytestream import ByteStream
from pipeline.preprocess.labels.matfiles import open_cell
from tests.helpers.datasets import cell

WRITTEN_BY_MATLAB = Path(scipy.io.matlab.__file__).parent / "tests" / "data"
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"


def read(data: bytes, key: str = "gt", *, piece: int = 1000, inflated: int = 1 << 20) -> list[np.ndarray]:
    pieces = (data[at : at + piece] for at in range(0, len(data), piece))
    found = open_cell(ByteStream(pieces, "a.mat"), key, values=10_000, inflated=inflated)
    matrices = list(found.elements)
    assert len(matrices) == found.count
    return matrices


def by_scipy(data: bytes, key: str) -> list[np.ndarray]:
    value = scipy.io.loadmat(io.BytesIO(data))[key]
    return [np.asarray(element) for element in value.reshape(-1)] if value.dtype == object else [value]


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, dims: tuple[int, ...], name: bytes, body: bytes) -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(dims)}i", *dims))
    return element(14, head + element(1, name) + body)


ARRAYS = st.one_of(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)),
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=3, max_side=4)),
    hnp.arrays(np.int32, (2, 3)),
    hnp.arrays(np.bool_, (3, 2)),
)


@settings(max_examples=200, deadline=None)
@given(
    arrays=st.lists(ARRAYS, min_size=1, max_size=5),
    is_compressed=st.booleans(),
    is_column=st.booleans(),
    piece=st.sampled_from([1, 7, 1000]),
)
def test_cells_come_out_as_scipy_wrote_them(
    arrays: list[np.ndarray], is_compressed: bool, is_column: bool, piece: int
) -> None:
    row = cell(arrays)
    buffer = io.BytesIO()
    variables = {"before": "text", "gt": row.T if is_column else row, "after": np.zeros(3)}
    scipy.io.savemat(buffer, variables, do_compression=is_compressed)
    found = read(buffer.getvalue(), piece=piece)
    assert len(found) == len(arrays)
    for mine, theirs in zip(found, arrays, strict=True):
        assert mine.size == theirs.size
        if mine.size:
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *(
            (f"testmatrix_{version}.mat", "testmatrix")
            for version in ("6.1_SOL2", "6.5.1_GLNX86", "7.4_GLNX86")
        ),
        *((f"testdouble_{version}.mat", "testdouble") for version in ("6.1_SOL2", "7.1_GLNX86")),
        *((f"testemptycell_{version}.mat", "testemptycell") for version in ("5.3_SOL2", "7.4_GLNX86")),
        ("testmulti_7.4_GLNX86.mat", "a"),
        ("testmulti_7.4_GLNX86.mat", "theta"),
        ("test3dmatrix_6.1_SOL2.mat", "test3dmatrix"),
        ("testbool_8_WIN64.mat", "testbools"),
        ("miutf8_array_name.mat", "array_name"),
    ],
)
def test_files_that_matlab_wrote_come_out_as_scipy_reads_them(name: str, key: str) -> None:
    data = (WRITTEN_BY_MATLAB / name).read_bytes()
    for mine, theirs in zip(read(data, key), by_scipy(data, key), strict=True):
        assert mine.size == theirs.size
        if mine.size:
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("testcell_7.4_GLNX86.mat", "testcell", "testcell holds text, expected matrices of numbers"),
        ("testcellnest_7.4_GLNX86.mat", "testcellnest", "testcellnest holds another cell"),
        ("testsparse_7.4_GLNX86.mat", "testsparse", "testsparse holds a sparse matrix"),
        ("testcomplex_7.4_GLNX86.mat", "testcomplex", "testcomplex holds complex numbers"),
        ("teststruct_7.4_GLNX86.mat", "teststruct", "teststruct holds a struct"),
        ("testdouble_4.2c_SOL2.mat", "testdouble", "not a MATLAB file of version 5 to 7"),
        ("testhdf5_7.4_GLNX86.mat", "testdouble", "a MATLAB 7.3 file; save it again with -v7"),
        ("testdouble_7.4_GLNX86.mat", "gt", "has no variable 'gt'"),
    ],
)
def test_what_is_no_cell_of_numbers_is_named(name: str, key: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        read((WRITTEN_BY_MATLAB / name).read_bytes(), key)
    assert str(caught.value).startswith(f"a.mat: {message}")


def test_a_flipped_bit_in_compressed_data_is_found_by_the_checksum_at_its_end() -> None:
    body = zlib.compressobj(0)
    data = bytearray(body.compress(matrix(1, (1, 1), b"gt", matrix(9, (1, 8), b"", element(2, bytes(8))))))
    data += body.flush()
    data[-6] ^= 1
    with pytest.raises(SourceError, match="damaged compressed data"):
        read(HEADER + struct.pack("<II", 15, len(data)) + bytes(data))


def bomb() -> bytes:
    """300 MB in 300 kB: numbers that fit the limit of each matrix."""
    one = matrix(9, (100, 100), b"", element(2, bytes(10_000)))
    count = 30_000
    packer = zlib.compressobj(9)
    head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<2i", 1, count)) + element(1, b"gt")
    data = packer.compress(struct.pack("<II", 14, len(head) + count * len(one)) + head)
    data += b"".join(packer.compress(one * 1000) for _ in range(count // 1000)) + packer.flush()
    return HEADER + struct.pack("<II", 15, len(data)) + data


def nested(depth: int) -> bytes:
    """Cells in one another; scipy 1.17 ends with a segmentation fault at 30,000."""
    heads: list[bytes] = []
    size = 0
    for level in range(depth):
        name = b"gt" if level == depth - 1 else b""
        head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<2i", 1, 1)) + element(1, name)
        heads.append(struct.pack("<II", 14, len(head) + size) + head)
        size += len(heads[-1])
    return HEADER + b"".join(reversed(heads))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bomb(), "inflates to more than 1048576 bytes"),
        (nested(50_000), "gt holds another cell"),
        (HEADER + matrix(1, (1, 2**31 - 1), b"gt", b""), "cut short"),
        (HEADER + matrix(6, (2**31 - 1, 2**31 - 1), b"gt", b""), "expected at most 10000 numbers"),
        (
            HEADER + matrix(6, (10, 10), b"gt", struct.pack("<II", 9, 2**32 - 1)),
            "an element of 4294967295 bytes",
        ),
        (HEADER + matrix(6, (1, 1), b"gt", element(9, bytes(16))), "damaged, an element of 16 bytes"),
        (HEADER + matrix(6, (1, 2), b"gt", element(9, bytes(8))), "8 bytes of type 9 for (1, 2) in gt"),
        (HEADER + matrix(6, (-1, 2), b"gt", b""), "a MATLAB matrix of dimensions (-1, 2)"),
        (HEADER + matrix(1, (2, 2), b"gt", b""), "gt is a cell (2, 2), expected a cell vector"),
        (HEADER + element(6, bytes(8)), "an element of type 6 for a variable"),
        (
            HEADER + struct.pack("<II", 15, 100) + zlib.compress(matrix(6, (1, 1), b"gt", b""))[:9],
            "cut short",
        ),
        (HEADER + b"\0\0", "cut short within a MATLAB variable"),
        (b"", "not a MATLAB file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_claims_of_a_file_are_not_believed(data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(data, piece=1 << 16)
    assert message in str(caught.value)


def test_a_bomb_in_another_variable_is_not_inflated() -> None:
    data = bomb().replace(HEADER, b"")
    wanted = matrix(6, (1, 1), b"wanted", element(9, struct.pack("<d", 7)))
    assert read(HEADER + data + wanted, "wanted")[0].item() == 7
