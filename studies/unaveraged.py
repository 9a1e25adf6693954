"""The runs that `train --average` would have made without it.

    python studies/unaveraged.py SHARDS AVERAGED OUT

Averaging changes nothing in training (tests/train/test_averaging.py): a sweep with it holds the weights that
the same sweep without it ends with, in its training states. This takes them out of each finished run of the
sweep AVERAGED, writes them to a run of the same name in OUT, and evaluates that, which spares a study of both
half of its trainings.
"""

import argparse
import dataclasses
from pathlib import Path

from pipeline.processes.commands import run_command
from pipeline.runs.checkpoint import load_checkpoint, load_training_state
from pipeline.runs.evaluation import RECORD
from pipeline.runs.layout import METRICS, checkpoint_steps, model_name
from pipeline.runs.metricslines import metrics_lines
from shards.storage import Storage


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", metavar="SHARDS")
    parser.add_argument("averaged", type=Path, metavar="AVERAGED")
    parser.add_argument("out", type=Path, metavar="OUT")
    options = parser.parse_args()
    for averaged in sorted(options.averaged.glob("seed-*")):
        if not (averaged / "evaluation" / RECORD).exists():
            continue
        source, run = Storage(averaged), Storage(options.out / averaged.name)
        step = checkpoint_steps(source)[-1]
        checkpoint = load_checkpoint(str(averaged))
        origin = {**checkpoint.origin, "options": {**checkpoint.origin["options"], "average": 0}}
        tensors = load_training_state(source, step)["model"]
        run.write(
            model_name(step), dataclasses.replace(checkpoint, tensors=tensors, origin=origin).to_bytes()
        )
        run.write(METRICS, b"".join(line for line, _ in metrics_lines(source)))
        run_command("evaluate", options.shards, str(run), "--out", f"{run}/evaluation")


if __name__ == "__main__":
    main()
