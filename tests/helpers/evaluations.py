"""Evaluations as tests need them."""

from pipeline.evaluate.scores import Provenance

WORK = Provenance(
    code_version="1",
    checkpoint="c",
    checkpoint_sha256="00",
    shards="s",
    manifest_sha256="11",
    split="testing",
    memory="video",
    alpha=0.6,
    threshold=0.01,
    distance="items",
    precision="fp32",
    batch_size=32,
    processes=2,
    report=False,
    maps=False,
)
