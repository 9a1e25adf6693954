"""For how many virtual ranks a run is planned, as its checkpoints record it in their origin.

Each virtual rank has a share of the windows and one batch of every step. Processes serve virtual ranks; how
many processes there are may change, the virtual ranks stay those that the run was started with.
"""

from typing import Any

from pipeline.runs.spec import is_within

FIELD = "virtual_ranks"
_MOST = 1 << 20


def virtual_ranks_of(origin: dict[str, Any]) -> int | None:
    """How many, from the origin of a checkpoint; None in those that are older than the field.

    Raises:
        ValueError: what stands there is no such number.
    """
    value: int | None = origin.get(FIELD)
    if value is not None and not is_within(value, 1, _MOST):
        raise ValueError(f"found {FIELD} {value!r:.100}, expected a whole number from 1 to {_MOST}")
    return value
