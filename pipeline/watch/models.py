"""The models of all cameras, each loaded once, whatever the number of cameras that it looks at."""

import torch

from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.scoring.choices import BATCH
from pipeline.scoring.instrument import Instrument, frame_size, instrument
from pipeline.scoring.runtime import network_asked
from pipeline.video.masks import read_mask
from pipeline.video.zones import read_zones
from pipeline.watch.config import CameraConfig, WatchConfig
from shards.storage import Storage


class Models:
    """The models of all cameras, each loaded once.

    Args:
        config: of all.
        process: where they compute.
    """

    def __init__(self, config: WatchConfig, process: Process) -> None:
        self._config, self._process = config, process
        self._loaded: dict[str, Checkpoint] = {}
        self._tools: list[tuple[tuple[object, ...], Instrument]] = []

    def of(self, camera: CameraConfig, home: Storage) -> tuple[Instrument, int]:
        """What a camera's frames are measured with, and the number of its model."""
        assert camera.checkpoint is not None
        checkpoint = self._loaded.get(camera.checkpoint)
        if checkpoint is None:
            checkpoint = self._loaded[camera.checkpoint] = load_checkpoint(camera.checkpoint)
        size, device = frame_size(checkpoint), self._process.device
        mask = None if camera.mask is None else read_mask(camera.mask, size)
        zones = None if camera.zones is None else read_zones(camera.zones, size)
        gain = None if zones is None else torch.from_numpy(zones.gain).to(device)
        config = self._config
        runtime, precision = network_asked(config.runtime, config.precision, home, camera.profile)
        key = checkpoint.sha256, runtime, precision
        for number, (other, tool) in enumerate(self._tools):
            if other == key:
                return tool.looking(mask, gain, camera.profile), number
        tool = instrument(
            checkpoint,
            device,
            memory=config.memory,
            precision=precision or "fp32",
            batch_size=BATCH,
            runtime=runtime or "torch",
            mask=mask,
            gain=gain,
            profile=camera.profile,
        )
        self._tools.append((key, tool))
        return tool, len(self._tools) - 1
