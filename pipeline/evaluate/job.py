"""What an evaluation works with, opened and found to fit together."""

from dataclasses import dataclass

from mnad.networks import STRIDE
from pipeline.errors import CheckpointError, ConfigError, ShardError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.runs.provenance import Provenance
from pipeline.scoring.runtime import Network, int8_record, network_of
from pipeline.scoring.scorer import largest_batch
from pipeline.scoring.settled import settled
from pipeline.scoring.works import works_of
from pipeline.version import code_version
from shards.choices import Split
from shards.manifest import Manifest, load_manifest
from shards.rows import Videos
from shards.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that the processes agree on.

    `works` (V,) has the digest of all that the scores of each of the split's videos depend on.
    """

    config: EvaluateConfig
    storage: Storage
    manifest: Manifest
    checkpoint: Checkpoint
    split: Split
    provenance: Provenance
    network: Network
    device: str
    out: Storage
    works: list[str]

    @property
    def videos(self) -> Videos:
        """All of the split, in order."""
        return self.manifest.split(self.split)


def prepare(config: EvaluateConfig, process: Process, out: Storage) -> Job:
    """Open the shards and the model, and settle what is left to choose.

    Raises:
        ConfigError, CheckpointError, ShardError: they do not fit together, or the options do not fit them.
    """
    if config.memory == "carry" and process.world > 1:
        raise ConfigError(
            "memory carry takes the memory from video to video in order, so it cannot run in "
            f"{process.world} processes; use one process, or --memory video or frozen"
        )
    if config.runtime == "auto" and process.world > 1:
        raise ConfigError(
            f"--runtime auto: found {process.world} processes, which may measure differently, expected one; "
            "name a runtime"
        )
    storage = Storage(config.shards)
    manifest = load_manifest(storage, config.manifest_digest)
    checkpoint = load_checkpoint(config.checkpoint)
    check_fit(checkpoint, manifest, str(storage))
    way = settled(config.wanted, manifest, checkpoint.spec.method)
    split = way.split
    if not manifest.segments(split, checkpoint.spec.window).windows.any():
        raise ShardError(
            f"{storage}: no {split} video with at least {checkpoint.spec.window} frames; "
            "choose another --split or preprocess longer videos"
        )
    size = manifest.geometry.height, manifest.geometry.width
    ready = network_of(checkpoint, size, process.device, config.runtime, config.precision)
    provenance = Provenance(
        code_version=code_version(),
        checkpoint=checkpoint.name,
        checkpoint_sha256=checkpoint.sha256,
        shards=str(storage),
        manifest_sha256=manifest.digest,
        batch_size=largest_batch(config.batch_size, *size, process.device),
        processes=process.world,
        report=config.report,
        maps=config.maps,
        **{**vars(way), "runtime": ready.runtime, "precision": ready.precision},
    )
    scored = manifest.split(split).frames >= checkpoint.spec.window
    exported = int8_record(config.checkpoint) if ready.precision == "int8" else ""
    return Job(
        config=config,
        storage=storage,
        manifest=manifest,
        checkpoint=checkpoint,
        split=split,
        provenance=provenance,
        network=ready,
        device=process.device.type,
        out=out,
        works=works_of(provenance, manifest, split, scored, device=process.device.type, model=exported),
    )


def check_fit(checkpoint: Checkpoint, manifest: Manifest, shards: str) -> None:
    """Refuse shards of frames that the model was not made for.

    A model whose frame size nobody knows, an imported one, takes any that the network does.

    Raises:
        CheckpointError: naming what was found and what the model expects.
    """
    spec, geometry = checkpoint.spec, manifest.geometry
    height, width = spec.height or geometry.height, spec.width or geometry.width
    expected = (height, width, spec.channels, spec.channel_order)
    found = (geometry.height, geometry.width, geometry.channels, geometry.channel_order)
    if found != expected:
        raise CheckpointError(
            f"{shards}: found frames of {_frame(*found)}, expected {_frame(*expected)} for "
            f"{checkpoint.name}; preprocess again with --size {height}x{width}, or take another checkpoint"
        )
    if height % STRIDE or width % STRIDE:
        raise CheckpointError(
            f"{shards}: found frames of {height}x{width}, expected multiples of {STRIDE}; "
            "preprocess again with another --size"
        )
    if spec.window > manifest.window:
        raise CheckpointError(
            f"{shards}: found windows of up to {manifest.window} frames, expected {spec.window} for "
            f"{checkpoint.name}; preprocess again with --window {spec.window}"
        )


def _frame(height: int, width: int, channels: int, order: str) -> str:
    return f"{height}x{width}x{channels} {order}"
