"""Memory-guided video anomaly detection on the command line.

    python cli.py preprocess VIDEOS SHARDS
    torchrun --nproc-per-node 4 cli.py train SHARDS RUN
    python cli.py evaluate SHARDS RUN

Commands parse, call one stage and print. Everything else lives in the stages. Each command imports its stage
itself: torch alone takes seconds that --help and stages without networks should not.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

import click

from pipeline.config import Device, load_config
from pipeline.errors import ConfigError, PeerError, ShardError, UserError
from pipeline.evaluate.config import DistanceChoice, EvaluateConfig, MemoryMode, Precision, SplitChoice
from pipeline.import_reference.config import ImportConfig
from pipeline.output import discard_output, remark, say
from pipeline.preprocess.config import DATASETS, DECODERS, ENGINES, PreprocessConfig
from pipeline.sweep.config import SweepConfig, parse_seeds
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.train.config import PRESETS, TrainConfig, train_config
from shards.choices import CACHES, CODECS, SPLITS
from shards.errors import os_error_line
from shards.locations import hidden
from shards.text import plain

if TYPE_CHECKING:
    from pipeline.preprocess.run import Summary


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in --help."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class Command(click.Command):
    """A command whose --help groups its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, one section per heading, in the order of declaration."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                is_argument = isinstance(parameter, click.Argument)
                heading = "Arguments" if is_argument else getattr(parameter, "heading", "Other")
                sections.setdefault(heading, []).append(row)
        for heading in sorted(sections, key="Other".__eq__):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


class Group(click.Group):
    """The program: user errors become one line and an exit code.

    Of several processes that torchrun started, the first of each machine speaks of options, which are the
    same in all; any other error is raised by the process that is to speak of it.
    """

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if _is_first_of_machine():
                # It quotes what stands where nothing is expected, perhaps a location.
                raise click.UsageError(plain(hidden(error.format_message())), error.ctx) from None
            sys.exit(error.exit_code)
        except ConfigError as error:
            _fail(str(error), error.exit_code, quiet=not _is_first_of_machine())
        except UserError as error:
            _fail(str(error), error.exit_code, quiet=isinstance(error, PeerError))
        except ShardError as error:
            _fail(str(error), 1)
        except OSError as error:
            discard_output()  # it may be what failed
            _fail(os_error_line(error), 1)
        except MemoryError:
            _fail("found too little memory, expected more; free some, or work on less at a time", 1)


def _is_first_of_machine() -> bool:
    others = os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("LOCAL_RANK", "0").isdigit()
    return not others or int(os.environ.get("LOCAL_RANK", "0")) == 0


def _fail(message: str, code: int, *, quiet: bool = False) -> NoReturn:
    """End with an exit code and, unless `quiet`, one line, which says which of several processes speaks."""
    if not quiet:
        several = os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ
        speaker = f"rank {os.environ['RANK']}: " if several else ""
        remark(f"error: {speaker}{hidden(message)}")
    sys.exit(code)


def option(*names: str, heading: str, help: str, **kwargs: Any) -> Callable[[Any], Any]:
    """A grouped option that shows its default."""
    kwargs.setdefault("show_default", True)
    return click.option(*names, cls=GroupedOption, heading=heading, help=help, **kwargs)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="Options from a file, one table per command ([train] epochs = 60); the command line wins.",
)
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Find unusual events in video of a fixed camera by training on normal video alone.

    \b
    preprocess  video or frames in, shards of frame windows out
    train       shards in, checkpoints out; under torchrun on several GPUs
    evaluate    shards and a checkpoint in, scores (Parquet), AUC and a report out
    """
    if config is not None:
        options = {
            name: {str(parameter.name): parameter.nargs != 1 for parameter in command.params}
            for name, command in main.commands.items()
        }
        ctx.default_map = load_config(config, options)


# --- synthesize --------------------------------------------------------------------------------------


@main.command(name="synthesize")
@click.argument("out")
@option(
    "--training-clips",
    heading="Set",
    type=int,
    default=SynthesizeConfig.training_clips,
    help="Videos of ordinary life.",
)
@option(
    "--testing-clips",
    heading="Set",
    type=int,
    default=SynthesizeConfig.testing_clips,
    help="Videos with two unusual events each.",
)
@option("--frames", heading="Set", type=int, default=SynthesizeConfig.frames, help="Frames per video.")
@option("--seed", heading="Set", type=int, default=SynthesizeConfig.seed, help="Same seed, same pixels.")
def synthesize_command(**options: Any) -> None:
    """Make a small surveillance set in folder OUT, to try everything on.

    People walk along a path; in testing videos someone runs, crosses it, or comes on wheels.
    """
    from pipeline.synthesize.run import synthesize

    summary = synthesize(SynthesizeConfig(**options))
    say(
        f"{summary.videos} videos, {summary.frames} frames, {summary.abnormal} abnormal testing frames "
        f"(labels in {summary.labels})"
    )


# --- preprocess, inspect, verify ---------------------------------------------------------------------


class Size(click.ParamType[tuple[int, int]]):
    """`256` for a square, or `HEIGHTxWIDTH`."""

    name = "256 | HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Height and width."""
        parts = value if isinstance(value, list | tuple) else str(value).lower().split("x")
        try:
            edges = [int(part) for part in parts]
        except ValueError:
            edges = []
        if len(edges) not in (1, 2):
            self.fail(f"{value!r} is not a size; give 256, or height x width as 240x360", param, ctx)
        return edges[0], edges[-1]


class DepthRangeOption(click.ParamType["tuple[int, int] | str"]):
    """`LOW:HIGH` or `auto`."""

    name = "LOW:HIGH | auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | str:
        """The two values, or `auto`."""
        if value == "auto":
            return "auto"
        parts = value if isinstance(value, list | tuple) else str(value).split(":")
        try:
            low, high = (int(part) for part in parts)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a range; give LOW:HIGH as 7000:7510, or auto", param, ctx)
        return low, high


@main.command("preprocess")
@click.argument("source")
@click.argument("shards")
@option(
    "--dataset",
    heading="What to read",
    type=click.Choice(DATASETS),
    default=PreprocessConfig.dataset,
    help="The layout that SOURCE must have.",
)
@option(
    "--labels",
    heading="What to read",
    metavar="PATH",
    show_default="looked for in SOURCE",
    help="Label file (.npy, .mat, .m, .csv) or folder of the testing videos; 'none' goes without.",
)
@option(
    "--split",
    heading="What to read",
    type=click.Choice(SPLITS),
    default=PreprocessConfig.split,
    help="What the videos are, if SOURCE is not divided.",
)
@option(
    "--decoder",
    heading="What to read",
    type=click.Choice(DECODERS),
    default=PreprocessConfig.decoder,
    help="Of video files; auto: PyAV; decord: regular MP4, MOV and Matroska only, checked against PyAV.",
)
@option(
    "--size",
    heading="How to store it",
    type=Size(),
    default=PreprocessConfig.size,
    show_default="256",
    help="Height and width of stored frames, pixels, multiples of 8.",
)
@option(
    "--codec",
    heading="How to store it",
    type=click.Choice(CODECS),
    default=PreprocessConfig.codec,
    help="raw and deflate are lossless.",
)
@option(
    "--quality",
    heading="How to store it",
    type=click.IntRange(1, 100),
    default=PreprocessConfig.quality,
    help="Of the jpeg codec.",
)
@option(
    "--window",
    heading="How to store it",
    type=click.IntRange(1),
    default=PreprocessConfig.window,
    help="Longest window the shards must serve, frames.",
)
@option(
    "--depth-range",
    heading="How to store it",
    type=DepthRangeOption(),
    show_default="the highest 8 bits",
    help="Values of 16-bit images that are stored as 0 and 255; auto: each video's lowest and highest.",
)
@option(
    "--workers",
    heading="How to work",
    type=click.IntRange(1),
    default=PreprocessConfig.workers,
    show_default="cores",
    help="Processes that decode.",
)
@option(
    "--engine",
    heading="How to work",
    type=click.Choice(ENGINES),
    default=PreprocessConfig.engine,
    help="Processes of this machine, or a dask.distributed cluster.",
)
@option(
    "--scheduler",
    heading="How to work",
    metavar="ADDRESS",
    help="Of the dask cluster, such as tls://head:8786; over plain tcp, whoever reaches it runs code.",
)
@option(
    "--on-error",
    heading="How to work",
    type=click.Choice(["fail", "skip"]),
    default=PreprocessConfig.on_error,
    help="What a video that cannot be read, or a link to nowhere, does: end the run, or be left out.",
)
@option(
    "--on-damage",
    heading="How to work",
    type=click.Choice(["fail", "keep"]),
    default=PreprocessConfig.on_damage,
    help="What a video with damaged or missing frames is: an error, or kept with its damage counted.",
)
@option(
    "--stall-seconds",
    heading="How to work",
    type=click.FloatRange(0, min_open=True),
    default=PreprocessConfig.stall_seconds,
    help="Without any progress, after which a video is given up.",
)
def preprocess_command(**options: Any) -> None:
    """Decode the dataset or videos in SOURCE once into the shard set SHARDS.

    Both are folders, or locations such as s3://bucket/folder. Run again, it does only what is missing or
    changed.
    """
    from pipeline.preprocess.run import preprocess

    print_preprocess(preprocess(PreprocessConfig(**options)))


def print_preprocess(summary: "Summary") -> None:
    """What was done, on standard output; skipped videos and notes on standard error."""
    manifest = summary.manifest
    say(f"dataset    {manifest.dataset}: {summary.reason}")
    for split in SPLITS:
        videos = manifest.split(split)
        if videos:
            frames = sum(video.frames for video in videos)
            windows = sum(located.windows for located in manifest.segments(split, manifest.window))
            say(f"{split:<10} {len(videos)} videos, {frames} frames, {windows} windows")
    labelled = [(video, video.labels) for video in manifest.videos]
    counts = [(len(labels), int(labels.sum())) for _, labels in labelled if labels is not None]
    if counts:
        known, abnormal = (sum(column) for column in zip(*counts, strict=True))
        sources = ", ".join(
            sorted({video.label_source or "" for video, labels in labelled if labels is not None})
        )
        say(f"labels     {abnormal} of {known} frames abnormal, from {sources}")
    else:
        say("labels     none")
    stored = sum(shard.bytes for video in manifest.videos for shard in video.shards)
    say(f"stored     {stored / 1e6:.1f} MB, {manifest.geometry}, codec {manifest.codec.name}")
    say(
        f"decoded    {summary.done} videos, {summary.frames} frames in {summary.seconds:.1f} s "
        f"({summary.frames / summary.seconds:.0f} frames/s)"
    )
    for name, reason in summary.skipped:
        remark(f"skipped    {name}: {reason}")
    for note in summary.notes:
        remark(f"note       {note}")


@main.command("verify")
@click.argument("shards")
def verify_command(shards: str) -> None:
    """Recompute every hash of a shard set and read every segment.

    Prints the digest of its manifest, which train and evaluate take as --manifest-digest.

    Over http(s):// this is done of what the manifest lists; files beside it cannot be looked for there.
    """
    from pipeline.progress import progress
    from shards.manifest import load_manifest
    from shards.storage import Storage
    from shards.verify import verify

    storage = Storage(shards)
    manifest = load_manifest(storage)
    count = sum(len(video.shards) for video in manifest.videos)
    with progress("verify", count, "shards") as advance:
        problems = verify(storage, manifest, lambda shard: advance(1, shard.name))
    for problem in problems:
        remark(f"error: {problem}")
    if problems:
        sys.exit(1)
    say(f"{storage}: {len(manifest.videos)} videos in {count} shards, all as they were written")
    say(f"manifest digest: {manifest.digest}")
    if not storage.can_list:
        remark("note: a web server does not list its files, so foreign ones were not looked for")


@main.command("inspect")
@click.argument("location", metavar="SHARDS|RUN|CHECKPOINT")
@option(
    "--sheet",
    heading="Contact sheet",
    metavar="FILE.png",
    show_default="SHARDS/contact-sheet.png",
    help="Where to write sample windows; 'none' writes none.",
)
@option(
    "--rows",
    heading="Contact sheet",
    type=click.IntRange(1),
    default=8,
    help="Sample windows per split.",
)
def inspect_command(location: str, sheet: str | None, rows: int) -> None:
    """Print a shard set, a run or a checkpoint in tables.

    Of a shard set, a contact sheet of sample windows is written, too, where that can be done.
    """
    from pipeline.overview import overview
    from pipeline.preprocess.contact import contact_sheet
    from pipeline.preprocess.describe import describe
    from pipeline.tables import print_table
    from shards.manifest import MANIFEST, load_manifest
    from shards.storage import Storage

    storage = Storage(location)
    if not storage.exists(MANIFEST):
        for title, columns, lines in overview(storage):
            print_table(title, columns, lines)
        return
    manifest = load_manifest(storage)
    for title, columns, lines in describe(manifest):
        print_table(title, columns, lines)
    say(f"manifest digest: {manifest.digest}")
    if sheet == "none":
        return
    try:
        picture = contact_sheet(storage, manifest, rows)
        if sheet is None:
            storage.write("contact-sheet.png", picture)
        else:
            Storage(Path(sheet).parent).write(Path(sheet).name, picture)
    except ShardError as error:
        remark(f"note: no contact sheet: {error}")
    else:
        say(f"contact sheet: {sheet or f'{storage}/contact-sheet.png'}")


# --- train -------------------------------------------------------------------------------------------


@main.command(name="train")
@click.argument("shards")
@click.argument("run")
@option(
    "--preset",
    heading="Method",
    type=click.Choice(list(PRESETS)),
    help="The paper's settings for a dataset; options that are given win.",
)
@option(
    "--method",
    heading="Method",
    type=click.Choice(["pred", "recon"]),
    show_default=TrainConfig.method,
    help="Predict the next frame, or rebuild a frame.",
)
@option(
    "--window",
    heading="Method",
    type=int,
    show_default="pred 5, recon 1",
    metavar="FRAMES",
    help="Frames per window, the target included.",
)
@option(
    "--memory-items",
    heading="Method",
    type=int,
    default=TrainConfig.memory_items,
    help="Prototypes in the memory.",
)
@option(
    "--loss-compact",
    heading="Method",
    type=float,
    show_default="pred 0.1, recon 0.01",
    help="Weight of the loss that pulls features to their nearest item.",
)
@option(
    "--loss-separate",
    heading="Method",
    type=float,
    show_default="pred 0.1, recon 0.01",
    help="Weight of the loss that keeps the nearest and the second item apart.",
)
@option(
    "--bn-init",
    heading="Method",
    type=click.Choice(["ones", "uniform"]),
    show_default=TrainConfig.bn_init,
    help="BatchNorm weights at the start: 1, or drawn from U(0, 1) as in the paper's PyTorch.",
)
@option(
    "--memory-init",
    heading="Method",
    type=click.Choice(["random", "queries"]),
    default=TrainConfig.memory_init,
    help="Memory items at the start: random as in the paper, or distinct queries of the first windows.",
)
@option(
    "--average",
    heading="Optimisation",
    type=int,
    default=TrainConfig.average,
    metavar="STEPS",
    help="Save the running average of the weights over about so many steps; 0: the weights.",
)
@option(
    "--epochs",
    heading="Optimisation",
    type=int,
    show_default=str(TrainConfig.epochs),
    help="Passes over the training windows; 0 writes the untrained network.",
)
@option(
    "--batch-size",
    heading="Optimisation",
    type=int,
    show_default=str(TrainConfig.batch_size),
    help="Windows per process and pass through the network.",
)
@option(
    "--accumulate",
    heading="Optimisation",
    type=int,
    default=TrainConfig.accumulate,
    help="Batches per optimiser step; the memory sees them as one batch.",
)
@option(
    "--lr",
    heading="Optimisation",
    type=float,
    show_default="pred 2e-4, recon 2e-5",
    help="Adam's learning rate at the start; falls along a cosine, epoch by epoch.",
)
@option(
    "--seed",
    heading="Optimisation",
    type=int,
    default=TrainConfig.seed,
    help="Of the initial weights and the order of windows.",
)
@option(
    "--precision",
    heading="Computation",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default=TrainConfig.precision,
    help="Of the convolutions; auto is bf16 where that is faster. Memory and losses are float32.",
)
@option(
    "--sync-bn",
    heading="Computation",
    is_flag=True,
    default=TrainConfig.sync_bn,
    help="BatchNorm over the batches of all processes; on CUDA.",
)
@option(
    "--compile",
    heading="Computation",
    is_flag=True,
    default=TrainConfig.compile,
    help="Compile the network first, which takes minutes and makes steps faster.",
)
@option(
    "--device",
    heading="Computation",
    type=click.Choice(get_args(Device)),
    default=TrainConfig.device,
    help="auto is CUDA where there is one.",
)
@option(
    "--threads",
    heading="Computation",
    type=int,
    default=TrainConfig.threads,
    help="That read and decode shards, per process.",
)
@option(
    "--cache",
    heading="Computation",
    type=click.Choice(CACHES),
    default=TrainConfig.cache,
    help="Keep decoded frames after the first epoch: in host memory, or on the device.",
)
@option(
    "--log-every",
    heading="Run",
    type=int,
    default=TrainConfig.log_every,
    metavar="STEPS",
    help="Steps from one line of metrics.jsonl to the next.",
)
@option(
    "--checkpoint-minutes",
    heading="Run",
    type=float,
    default=TrainConfig.checkpoint_minutes,
    metavar="MINUTES",
    help="Work that is lost, at most, when a process is killed.",
)
@option(
    "--checkpoint-epochs",
    heading="Run",
    type=int,
    default=TrainConfig.checkpoint_epochs,
    metavar="EPOCHS",
    help="Besides, a checkpoint every so many epochs; 0 for none.",
)
@option(
    "--keep", heading="Run", type=int, default=TrainConfig.keep, help="Latest checkpoints that stay on disk."
)
@option(
    "--tensorboard",
    heading="Run",
    is_flag=True,
    default=TrainConfig.tensorboard,
    help="Also write losses and sample predictions for TensorBoard, to RUN/tensorboard.",
)
@option(
    "--validate",
    heading="Run",
    metavar="SHARDS",
    help="Evaluate this set's test videos meanwhile, to watch; not to choose a model by.",
)
@option(
    "--every",
    heading="Run",
    type=int,
    default=TrainConfig.every,
    metavar="EPOCHS",
    help="Epochs from one such evaluation to the next.",
)
@option(
    "--manifest-digest",
    heading="Run",
    metavar="SHA-256",
    help="Refuse SHARDS if its manifest is another than the one of which verify printed this digest.",
)
def train_command(**options: Any) -> None:
    """Train on the shard set SHARDS; checkpoints and metrics.jsonl go to RUN.

    A RUN that is there already goes on from its latest checkpoint, also if testing videos or labels of
    SHARDS changed meanwhile. Several processes, one per GPU:

    \b
        torchrun --nproc-per-node N cli.py train SHARDS RUN
    """
    from pipeline.train.run import train

    summary = train(train_config(**options))
    if os.environ.get("RANK", "0") == "0":
        trained = f"{summary.samples} samples in {summary.seconds:.1f} s"
        say(f"{summary.checkpoint}: {summary.steps} steps in {summary.epochs} epochs ({trained})")


@main.command(name="sweep", context_settings={"ignore_unknown_options": True})
@click.argument("shards")
@click.argument("out")
@click.argument("train_options", nargs=-1, type=click.UNPROCESSED, metavar="[TRAIN OPTIONS]")
@option(
    "--seeds",
    heading="Runs",
    default=str(len(SweepConfig.seeds)),
    metavar="N or LIST",
    help="How many, or which (0,3,7; 5, for the one).",
)
def sweep_command(shards: str, out: str, train_options: tuple[str, ...], seeds: str) -> None:
    """Train and evaluate once per seed; report mean and standard deviation of the AUC.

    Options that are not of the sweep go to train. The run of seed N is OUT/seed-N; the last epoch counts.
    """
    from pipeline.sweep.run import sweep

    config = SweepConfig(shards=shards, out=out, seeds=parse_seeds(seeds), train_options=train_options)
    for name, spread in sweep(config).items():
        each = ", ".join(f"{seed}: {100 * value:.2f}" for seed, value in spread.values.items())
        say(f"{name}: {spread} (by seed {each})")


# --- evaluate, report, import-reference --------------------------------------------------------------


@main.command("evaluate")
@click.argument("shards")
@click.argument("checkpoint", metavar="RUN-or-CHECKPOINT")
@option(
    "--out",
    heading="Input and output",
    help="Folder for the results.",
    default=None,
    show_default="evaluation-SHARDS in the run; with a digest of the location if another set has that name",
)
@option(
    "--manifest-digest",
    heading="Input and output",
    metavar="SHA-256",
    help="Refuse SHARDS if its manifest is another than the one of which verify printed this digest.",
)
@option(
    "--split",
    heading="Input and output",
    help="Which videos; auto takes testing videos if there are any.",
    type=click.Choice(get_args(SplitChoice)),
    default=EvaluateConfig.split,
)
@option(
    "--report/--no-report",
    heading="Input and output",
    help="Gather pictures, draw plots for papers, and write report.html, a page for any browser.",
    default=EvaluateConfig.report,
)
@option(
    "--maps/--no-maps",
    heading="Input and output",
    help="Write error maps; where the set has pixel masks, measure localisation on them.",
    default=EvaluateConfig.maps,
)
@option(
    "--memory",
    heading="Method",
    help="carry: updated from video to video, as published; video: trained memory at each video; "
    "frozen: never updated.",
    type=click.Choice(get_args(MemoryMode)),
    default=EvaluateConfig.memory,
)
@option(
    "--alpha",
    heading="Method",
    help="Weight of the PSNR against the feature distance, 0 to 1.",
    type=float,
    default=None,
    show_default="0.6 pred, 0.7 recon",
)
@option(
    "--threshold",
    heading="Method",
    help="Frames whose point score is below it update the memory.",
    type=float,
    default=None,
    show_default="0.01 pred, 0.015 recon",
)
@option(
    "--distance",
    heading="Method",
    help="What the feature distance is measured to. items: the nearest, as published; places: what the "
    "set's training videos have at the same place.",
    type=click.Choice(get_args(DistanceChoice)),
    default=EvaluateConfig.distance,
)
@option(
    "--smoothing",
    heading="Method",
    help="Sigma, in frames, of a Gaussian over scores; reported beside the plain figures.",
    type=float,
    default=EvaluateConfig.smoothing,
)
@option(
    "--batch-size",
    heading="Speed",
    help="Windows scored together, at most; the scores do not depend on it.",
    type=int,
    default=EvaluateConfig.batch_size,
)
@option(
    "--precision",
    heading="Speed",
    help="Of the convolutions; fp32 is exact, bf16 faster on GPUs and some CPUs.",
    type=click.Choice(get_args(Precision)),
    default=EvaluateConfig.precision,
)
@option(
    "--device",
    heading="Speed",
    type=click.Choice(get_args(Device)),
    default=EvaluateConfig.device,
    help="auto is CUDA where there is one.",
)
@option(
    "--threads",
    heading="Speed",
    help="Threads that read and decode shards.",
    type=int,
    default=EvaluateConfig.threads,
)
def evaluate_command(**options: Any) -> None:
    """Score SHARDS with the latest checkpoint of a run, or with a checkpoint file.

    Writes scores as Parquet, metrics.json and pictures. Under torchrun, videos are shared out over the
    processes (--memory video or frozen).
    """
    from pipeline.evaluate.run import evaluate

    summary = evaluate(EvaluateConfig(**options))
    if summary is None:
        return
    metrics = summary.metrics
    for note in metrics["notes"]:
        say(f"note: {note}")
    timing = metrics["timing"]
    say(f"{timing['frames']} frames at {timing['frames_per_second']:.1f} frames/s")
    if metrics["auc"] is not None:
        labels = ", ".join(metrics["label_source"])
        say(
            f"AUC {100 * metrics['auc']:.2f} % (all frames, min-max per video, memory "
            f"{metrics['provenance']['memory']}; labels: {labels})"
        )
    if summary.report is not None:
        say(f"report: {summary.report}")
    say(f"scores: {summary.scores}")


@main.command("report")
@click.argument("evaluations", metavar="EVALUATION...", nargs=-1, required=True)
@option(
    "--out",
    heading="Input and output",
    help="File to write.",
    type=click.Path(path_type=Path),
    default=None,
    show_default="report.html in the evaluation; comparison.html for several",
)
def report_command(evaluations: tuple[str, ...], out: Path | None) -> None:
    """Write the page of one EVALUATION (a folder that evaluate wrote), or of several side by side.

    Figures are computed from the scores again; an EVALUATION whose metrics.json has others is refused.
    """
    from pipeline.evaluate.report import write_report

    say(f"report: {write_report(evaluations, out)}")


@main.command("import-reference")
@click.argument("model", metavar="MODEL.pth")
@click.argument("keys", metavar="KEYS.pt")
@click.argument("out", metavar="OUT")
@option(
    "--size",
    heading="Frames",
    help="Height and width of the frames it was trained on, pixels; the published models: 256.",
    type=Size(),
    default=ImportConfig.size,
    show_default="not known: frames of any size will do",
)
def import_reference_command(**options: Any) -> None:
    """Turn a published model and its memory items into a checkpoint OUT (.safetensors, or a run folder).

    MODEL is a whole pickled module or a state dict (.pth, .pt, .safetensors). No code in it is ever run.
    """
    from pipeline.import_reference.run import import_reference

    checkpoint = import_reference(ImportConfig(**options))
    spec = checkpoint.spec
    say(
        f"{spec.method} model, windows of {spec.window} frames of {spec.size} "
        f"{spec.channel_order}, {spec.items} memory items"
    )
    say(f"checkpoint: {checkpoint.name}")


if __name__ == "__main__":
    main()
