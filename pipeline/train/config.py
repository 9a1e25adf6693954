"""Options of training, their defaults and their rules."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pipeline.config import Device, manifest_digest_option
from pipeline.options import Argument, Custom, Declared, Option, check, described, wrong
from pipeline.runs.spec import Method
from shards.choices import CacheName

MOST_ITEMS = 65_536
"""The most items of a memory, so that checkpoints stay below the size from which they are not read."""
MOST_HELD_OUT = 0.5
"""Share of the training videos; who keeps more aside than is trained on has mistaken the two."""

BatchNormInit = Literal["ones", "uniform"]
MemoryInit = Literal["random", "queries"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
HoldOut = float | Literal["auto"]

METHODS: dict[Method, dict[str, Any]] = {
    "pred": {"window": 5, "lr": 2e-4, "loss_compact": 0.1, "loss_separate": 0.1},
    "recon": {"window": 1, "lr": 2e-5, "loss_compact": 0.01, "loss_separate": 0.01},
}
"""What each method brings with it: the paper's settings."""

_PAPER_EPOCHS = {"ped2": 60, "avenue": 60, "shanghaitech": 10}
PRESETS: dict[str, dict[str, Any]] = {
    f"paper-{dataset}{suffix}": {"method": method, "epochs": epochs, "batch_size": 4, "bn_init": "uniform"}
    | {"hold_out": 0.0}
    for dataset, epochs in _PAPER_EPOCHS.items()
    for method, suffix in (("pred", ""), ("recon", "-recon"))
}
"""The paper's training of each dataset, for one process; BatchNorm starts as in the PyTorch it used."""
_EARLIER = {name.replace("shanghaitech", "shanghai"): name for name in PRESETS if "shanghaitech" in name}
"""What presets were called before they had the name that preprocess gives the dataset; still taken."""


def _parse_hold_out(given: Any) -> HoldOut:
    """The share from `0.2` or 0.2, or `auto`."""
    if given == "auto":
        return "auto"
    share = given if isinstance(given, int | float) else float(given)
    if isinstance(given, bool) or not 0 <= share <= MOST_HELD_OUT:
        raise ValueError(given)
    return float(share)


HOLD_OUT = Custom(
    notation="SHARE | auto",
    parse=_parse_hold_out,
    expected=f"auto, or a share of the frames from 0 to {MOST_HELD_OUT:g}",
    show=str,
)
"""How --hold-out is written."""


@described
@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    shards: Annotated[str, Argument("SHARDS", "The shard set to train on; its training split is used.")]
    run: Annotated[
        str,
        Argument("RUN", "The folder for checkpoints and metrics; a run that is there already is resumed."),
    ]
    method: Annotated[
        Method, Option("Whether the network predicts the next frame or reconstructs a frame.", "Method")
    ] = "pred"
    window: Annotated[
        int,
        Option(
            "Frames per window, the target included.",
            "Method",
            least=1,
            metavar="FRAMES",
            default="pred 5, recon 1",
        ),
    ] = 5
    memory_items: Annotated[
        int,
        Option("Items in the memory, the M of the paper.", "Method", least=2, most=MOST_ITEMS, metavar="M"),
    ] = 10
    loss_compact: Annotated[
        float,
        Option(
            "Weight of the loss that pulls each query to its nearest item.",
            "Method",
            least=0,
            default="pred 0.1, recon 0.01",
        ),
    ] = 0.1
    loss_separate: Annotated[
        float,
        Option(
            "Weight of the loss that keeps the nearest and the second-nearest item apart.",
            "Method",
            least=0,
            default="pred 0.1, recon 0.01",
        ),
    ] = 0.1
    bn_init: Annotated[
        BatchNormInit,
        Option(
            "Initial BatchNorm weights: 1, or drawn from U(0, 1) as by the PyTorch that the paper used.",
            "Method",
        ),
    ] = "ones"
    memory_init: Annotated[
        MemoryInit,
        Option(
            "Initial memory items: random as in the paper, or queries of the first windows that lie far "
            "from one another.",
            "Method",
        ),
    ] = "random"
    epochs: Annotated[
        int,
        Option("Passes over the training windows; 0 writes the untrained network.", "Optimisation", least=0),
    ] = 60
    batch_size: Annotated[
        int, Option("Windows per process and pass through the network.", "Optimisation", least=1)
    ] = 4
    accumulate: Annotated[
        int,
        Option(
            "Batches per process and optimiser step; the memory sees them as one batch, too. A run can go on "
            "with up to this many times the processes that it was started with.",
            "Optimisation",
            least=1,
        ),
    ] = 1
    lr: Annotated[
        float,
        Option(
            "Adam's initial learning rate, which falls along a cosine from epoch to epoch.",
            "Optimisation",
            above=0,
            default="pred 2e-4, recon 2e-5",
        ),
    ] = 2e-4
    average: Annotated[
        int,
        Option(
            "Saves the running average of the weights over about this many steps; 0 saves the weights "
            "themselves.",
            "Optimisation",
            least=0,
            metavar="STEPS",
        ),
    ] = 0
    seed: Annotated[
        int,
        Option(
            "Seed of the initial weights, of the order of windows and of what is kept aside.",
            "Optimisation",
            least=0,
            most=(1 << 63) - 1,
        ),
    ] = 0
    hold_out: Annotated[
        HoldOut,
        Option(
            "Share of the training videos' frames that is kept aside, as normal video that the model has not "
            "seen: whole videos, at least two, or the end of each where they are too few. auto is a fifth of "
            "a folder of one's own video, if it has 500 frames, and nothing of the public datasets; a "
            "resumed run keeps what it had.",
            "Optimisation",
            custom=HOLD_OUT,
        ),
    ] = "auto"
    precision: Annotated[
        Precision,
        Option(
            "Precision of the convolutions; memory and losses are always float32. auto takes bf16 where it "
            "is faster, which is measured on a CPU, and otherwise fp32; a resumed run keeps its precision.",
            "Computation",
        ),
    ] = "auto"
    sync_bn: Annotated[
        bool,
        Option("Computes BatchNorm over the batches of all processes; needs CUDA.", "Computation"),
    ] = False
    compile: Annotated[
        bool,
        Option(
            "Compiles the network first, which takes minutes; how much faster steps then are depends on the "
            "machine (2 % on one CPU).",
            "Computation",
        ),
    ] = False
    device: Annotated[
        Device, Option("Where the network runs; auto takes CUDA where there is a GPU.", "Computation")
    ] = "auto"
    threads: Annotated[
        int, Option("Threads per process that read and decode shards.", "Computation", least=1)
    ] = 2
    cache: Annotated[
        CacheName,
        Option(
            "Where decoded frames are kept after the first epoch: nowhere, in host memory, or on the device.",
            "Computation",
        ),
    ] = "none"
    log_every: Annotated[
        int, Option("Steps between two lines of metrics.jsonl.", "Run", least=1, metavar="STEPS")
    ] = 10
    checkpoint_minutes: Annotated[
        float,
        Option(
            "Minutes between two checkpoints, and so the most work that a killed process loses.",
            "Run",
            least=0,
            metavar="MINUTES",
        ),
    ] = 10.0
    checkpoint_epochs: Annotated[
        int,
        Option("Epochs between two additional checkpoints; 0 writes none.", "Run", least=0, metavar="EPOCHS"),
    ] = 0
    keep: Annotated[int, Option("Number of latest checkpoints that stay on disk.", "Run", least=1)] = 2
    tensorboard: Annotated[
        bool,
        Option("Also writes losses and sample predictions for TensorBoard, to RUN/tensorboard.", "Run"),
    ] = False
    validate: Annotated[
        str | None,
        Option(
            "A shard set whose testing videos are evaluated during training. This is for watching only: a "
            "model that is chosen by these figures has seen the test set.",
            "Run",
            metavar="SHARDS",
        ),
    ] = None
    every: Annotated[
        int, Option("Epochs between two evaluations of --validate.", "Run", least=1, metavar="EPOCHS")
    ] = 1
    manifest_digest: Annotated[str | None, manifest_digest_option("Run")] = None

    def __post_init__(self) -> None:
        check(self)
        if self.method == "pred" and self.window < 2:
            raise wrong(self, "window", "at least 2 for prediction")
        if self.method == "recon" and self.window != 1:
            raise wrong(self, "window", "1 for reconstruction")


PRESET = Declared(
    name="preset",
    kind=Literal[(*PRESETS, *_EARLIER)],
    about=Option(
        f"The paper's settings for training on a dataset, one of {', '.join(PRESETS)}; "
        "options that are given win.",
        "Method",
    ),
    default=None,
)
"""An option of the command that is no field: it sets several of them."""


def train_config(preset: str | None = None, **given: Any) -> TrainConfig:
    """The configuration from options of which some are None, that is, not given.

    What is given wins over the preset, the preset over the method's settings, these over the defaults.

    Args:
        preset: a name in PRESETS or an earlier one, or None.
        given: fields of TrainConfig.

    Raises:
        ConfigError: an option breaks its rule.
    """
    if preset is not None:
        PRESET.check(preset)
    chosen = PRESETS.get(_EARLIER.get(preset or "", preset or ""), {}) | {
        name: value for name, value in given.items() if value is not None
    }
    method = METHODS.get(chosen.get("method", TrainConfig.method), {})
    return TrainConfig(**{**method, **chosen})
