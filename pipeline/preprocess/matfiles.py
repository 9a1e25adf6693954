"""MATLAB files as label archives use them: the owner of scipy. Reading one never runs code from it."""

import io

import numpy as np

from pipeline.errors import SourceError


def read_cell(data: bytes, key: str, name: str) -> list[np.ndarray]:
    """The arrays in a cell vector.

    Args:
        data: a .mat file of version 5 to 7.
        key: the variable.
        name: of the file, for messages.

    Raises:
        SourceError: it is no such file, or has no such variable.
    """
    import scipy.io  # takes 0.3 s, and most sources need it not at all

    try:
        variables = scipy.io.loadmat(io.BytesIO(data), variable_names=[key])
    except NotImplementedError as error:
        raise SourceError(f"{name}: a MATLAB 7.3 file; save it again with -v7") from error
    except Exception as error:  # scipy raises whatever the damage leads to
        raise SourceError(f"{name}: not a MATLAB file: {error}") from error
    if key not in variables:
        raise SourceError(f"{name}: has no variable {key!r}")
    cell = variables[key]
    if cell.dtype != object:
        return [np.asarray(cell)]  # a cell of one element, saved as the element
    return [np.asarray(element) for element in cell.reshape(-1)]
