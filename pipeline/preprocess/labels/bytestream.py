"""Bytes that come in pieces, read by count: what a file claims about its size is never allocated on faith."""

from collections.abc import Iterable, Iterator

from pipeline.errors import SourceError


class ByteStream:
    """Reads pieces of bytes as a file that can only be read forward.

    Args:
        pieces: of the bytes, in order.
        where: the file, for messages.
    """

    def __init__(self, pieces: Iterable[bytes], where: str) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self.where = where
        self.position = 0

    def read(self, count: int) -> bytes:
        """The next `count` bytes, or fewer where the bytes end."""
        return b"".join(self.take(count))

    def take(self, count: int) -> Iterator[bytes]:
        """The next `count` bytes, or fewer where the bytes end, in pieces."""
        while count > 0:
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    return
            piece, self._rest = bytes(self._rest[:count]), self._rest[count:]
            count -= len(piece)
            self.position += len(piece)
            yield piece

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            SourceError: the bytes end before.
        """
        data = self.read(count)
        if len(data) < count:
            raise SourceError(
                f"{self.where}: found {len(data)} bytes where {count} are announced; the file is cut short, "
                "fetch it again"
            )
        return data

    def skip(self, count: int) -> None:
        """Leave out `count` bytes, or as many as there are."""
        for _ in self.take(count):
            pass
