"""preprocess with the settings of most tests: small frames, one worker."""

from pathlib import Path
from typing import Any

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import Summary, preprocess


def config(source: object, shards: object, **options: Any) -> PreprocessConfig:
    """The options of a run, 16x16 pixels and one worker unless others are given."""
    given = {"source": str(source), "shards": str(shards), "size": (16, 16), "workers": 1}
    return PreprocessConfig(**{**given, **options})


def run(source: Path, shards: object = None, **options: Any) -> Summary:
    """Preprocess a source, into the folder `shards` beside it unless another is given."""
    return preprocess(config(source, shards or source.parent / "shards", **options))
