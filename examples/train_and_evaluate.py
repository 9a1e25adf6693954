"""Preprocess, train and evaluate from Python, as the commands do.

    python examples/train_and_evaluate.py SOURCE OUT [SIZE] [EPOCHS]

SOURCE holds videos in `training/` and `testing/`. Each stage takes a config, whose fields are the options
of its command (docs/options.md). Run again, preprocess and train do only what is missing.
"""

import sys

from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.train.config import train_config
from pipeline.train.run import train


def main(source: str, out: str, size: str = "64", epochs: str = "3") -> None:
    """Run the three stages, and print what each of them found or made."""
    shards, run = f"{out}/shards", f"{out}/run"
    stored = preprocess(PreprocessConfig(source=source, shards=shards, size=(int(size), int(size))))
    print(f"{len(stored.manifest.videos)} videos, {stored.manifest.dataset}: {stored.reason}")

    # train_config fills in the published settings of the method, which TrainConfig alone does not.
    trained = train(train_config(shards=shards, run=run, method="pred", epochs=int(epochs)))
    print(f"{trained.steps} steps, checkpoint {trained.checkpoint}")

    result = evaluate(EvaluateConfig(shards=shards, checkpoint=run, out=f"{out}/evaluation"))
    assert result is not None  # under torchrun, every process but the first gets None
    print(f"scores in {result.scores}")
    if result.record.auc is not None:  # None without labels
        print(f"AUC {result.record.auc:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
