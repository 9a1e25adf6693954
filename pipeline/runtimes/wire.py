"""How much of an ONNX file is other than weights, told from its bytes before they are parsed.

A message of two bytes becomes an object of up to 190: parsing 8 MB of empty ones took 0.75 GB.
"""

MOST_FIELDS = 50_000
"""The most fields of a model, its graph and its weights; those of a step have fewer than 2,000."""
_WEIGHTS = (7, 5, 9)
"""ModelProto.graph, GraphProto.initializer, TensorProto.raw_data."""
_VARINT, _EIGHT, _SOME, _FOUR = 0, 1, 2, 5
"""How a field is stored: as a number of any length, of eight bytes or four, or as a length and its bytes."""


def beside_weights(data: bytes) -> int:
    """Bytes of a model that are not the values of weights.

    Raises:
        ValueError: it is no such model, or has too many parts.
    """
    beside, fields = len(data), 0
    messages = [(0, len(data), 0)]
    while messages:
        place, end, depth = messages.pop()
        while place < end:
            fields += 1
            if fields > MOST_FIELDS:
                raise ValueError(f"found more than {MOST_FIELDS} parts")
            tag, place = _number(data, place)
            length = {_VARINT: 0, _EIGHT: 8, _FOUR: 4}.get(tag & 7)
            if tag & 7 in (_VARINT, _SOME):
                number, place = _number(data, place)
                length = number if length is None else length
            if length is None or place + length > end:
                raise ValueError("found a part that is not whole")
            if tag == _WEIGHTS[depth] << 3 | _SOME:
                if depth == len(_WEIGHTS) - 1:
                    beside -= length
                else:
                    messages.append((place, place + length, depth + 1))
            place += length
        if place != end:
            raise ValueError("found a part that is not whole")
    return beside


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, least first, and the place behind it."""
    found = 0
    for index, byte in enumerate(data[place : place + 10]):
        found |= (byte & 127) << 7 * index
        if byte < 128:
            return found, place + index + 1
    raise ValueError("found a number without an end")
