"""Which processes may train a run, and which of its virtual ranks each of them serves."""

from pipeline.errors import CheckpointError
from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.virtualranks import virtual_ranks_of
from pipeline.train.config import TrainConfig
from shards.plan import POOL_SEGMENTS, EpochPlan, Windows, epoch_plan, joined


def virtual_ranks(config: TrainConfig, process: Process, latest: Checkpoint | None) -> int:
    """How many the run has: those of its checkpoint, or as many as a step has batches if it starts now.

    Raises:
        CheckpointError: so many processes cannot go on with the run.
    """
    if latest is None:
        return process.world * config.accumulate
    ranks = _recorded(latest)
    if process.world > ranks:
        raise CheckpointError(
            f"{latest.name}: found {process.world} processes, expected 1 to {ranks}, which is how many "
            "batches each step of the run has; start no more, or train into another run"
        )
    at_start = ranks // config.accumulate
    if config.sync_bn and process.world != at_start:
        raise CheckpointError(
            f"{latest.name}: found {process.world} processes, expected {at_start} as at the start of the "
            "run, over which --sync-bn takes its statistics; start as many, or train into another run"
        )
    return ranks


def _recorded(latest: Checkpoint) -> int:
    ranks = virtual_ranks_of(latest.origin)
    if ranks is None:  # older: a process's batches were cut from one share, which is another order
        processes = latest.origin.get("processes")
        if not isinstance(processes, int) or latest.origin.get("options", {}).get("accumulate") != 1:
            raise CheckpointError(
                f"{latest.name}: found no record of its virtual ranks, expected one in a run with "
                "--accumulate; train into another run"
            )
        ranks = processes
    return ranks


def served(process: Process, ranks: int) -> range:
    """The virtual ranks of this process: a contiguous part of them, as equal as can be."""
    return range(ranks * process.rank // process.world, ranks * (process.rank + 1) // process.world)


def serving_notes(config: TrainConfig, process: Process, ranks: int) -> list[str]:
    """A line where the processes are not as many as at the start of the run."""
    if process.world * config.accumulate == ranks:
        return []
    most = -(-ranks // process.world)
    return [
        f"processes: {process.world}, at the start {ranks // config.accumulate}; each serves up to {most} of "
        f"the run's {ranks} virtual ranks, so that steps have the same batches"
    ]


def process_plan(
    config: TrainConfig, process: Process, ranks: int, windows: Windows, epoch: int
) -> EpochPlan:
    """What this process reads in an epoch: in every step one batch of each virtual rank that it serves.

    Args:
        config: of the run.
        process: this one.
        ranks: virtual ranks of the run.
        windows: how many start in each segment.
        epoch: counted from 0.
    """
    # A process mixes as many segments for all its virtual ranks, at the start, as another does for its one.
    pool = max(1, POOL_SEGMENTS // config.accumulate)
    return joined(
        [
            epoch_plan(
                windows,
                seed=config.seed,
                epoch=epoch,
                rank=rank,
                world=ranks,
                batch=config.batch_size,
                pool=pool,
            )
            for rank in served(process, ranks)
        ]
    )
