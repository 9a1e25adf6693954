"""The stage: score this process's videos, write its part of the table; the first process sums up.

`metrics.json` is written last: an evaluation that has it is whole. Parts of an evaluation that was
killed are kept where they are whole and from the same work, so only the missing ones are redone. Of an
evaluation of another version of the set, the scores of videos that are still the same are taken.
"""

import dataclasses

from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.job import prepare
from pipeline.evaluate.score import score
from pipeline.evaluate.summary import Summary, conclude
from pipeline.evaluate.target import claim, clear, open_target
from pipeline.processes.distributed import held_by_first, processes, together
from pipeline.processes.locking import sole
from pipeline.scoring.parts import is_whole, wait_for_parts
from pipeline.scoring.scorer import full_float32
from shards import locations


def evaluate(config: EvaluateConfig) -> Summary | None:
    """Evaluate a model on a shard set; the summary on the first process, None on the others.

    Raises:
        ConfigError, CheckpointError, ShardError: it cannot be done as asked.
    """
    # Results must say which set they are of wherever they are read.
    config = dataclasses.replace(config, shards=locations.absolute(config.shards))
    with processes(config.device) as process:
        out = open_target(config, process)
        with together(process):
            job = prepare(config, process, out)
        with held_by_first(sole("evaluation", out), process):
            with together(process):
                if process.is_first:
                    claim(config, out)
                    clear(job)
            if not is_whole(out, process.rank, job.provenance):
                with full_float32():
                    score(job, process)
            wait_for_parts(out, job.provenance)
            with together(process):  # which waits for the first one as long as its figures and plots take
                return conclude(job) if process.is_first else None
