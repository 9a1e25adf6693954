"""Memory-guided video anomaly detection on the command line.

    python cli.py preprocess VIDEOS SHARDS
    torchrun --nproc-per-node 4 cli.py train SHARDS RUN
    python cli.py evaluate SHARDS RUN

Commands parse, call one stage and print. Everything else lives in the stages.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from pipeline.config import load_config
from pipeline.errors import ShardError, UserError
from pipeline.preprocess import PreprocessConfig, Summary, preprocess
from pipeline.preprocess.config import DATASETS, DECODERS, ENGINES
from pipeline.preprocess.contact import contact_sheet
from pipeline.preprocess.describe import describe
from pipeline.progress import progress
from pipeline.tables import print_table
from shards.codec import CODECS
from shards.manifest import SPLITS, load_manifest
from shards.storage import Storage
from shards.verify import verify


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
                heading = getattr(parameter, "heading", "Other")
                sections.setdefault(heading, []).append(row)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class Group(click.Group):
    """The program: user errors become one line and an exit code."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            _fail(str(error), error.exit_code)
        except ShardError as error:
            _fail(str(error), 1)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
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
        tables = load_config(config)
        unknown = sorted(set(tables) - set(main.commands))
        if unknown:
            _fail(
                f"{config}: no command {unknown[0]!r}; tables are named after {', '.join(main.commands)}", 2
            )
        ctx.default_map = tables


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
    help="Label file or folder of the testing videos; 'none' goes without.",
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
    help="Of video files; auto: decord for regular files of up to 400 MB decoded, PyAV for others.",
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
    help="Of the dask cluster, such as tcp://head:8786.",
)
@option(
    "--on-error",
    heading="How to work",
    type=click.Choice(["fail", "skip"]),
    default=PreprocessConfig.on_error,
    help="What a video that cannot be read does: end the run, or be left out and listed.",
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
    print_preprocess(preprocess(PreprocessConfig(**options)))


def print_preprocess(summary: Summary) -> None:
    """What was done, on standard output; skipped videos and notes on standard error."""
    manifest = summary.manifest
    click.echo(f"dataset    {manifest.dataset}: {summary.reason}")
    for split in SPLITS:
        videos = manifest.split(split)
        if videos:
            frames = sum(video.frames for video in videos)
            windows = sum(located.windows for located in manifest.segments(split, manifest.window))
            click.echo(f"{split:<10} {len(videos)} videos, {frames} frames, {windows} windows")
    labelled = [(video, video.labels) for video in manifest.videos]
    counts = [(len(labels), int(labels.sum())) for _, labels in labelled if labels is not None]
    if counts:
        known, abnormal = (sum(column) for column in zip(*counts, strict=True))
        sources = ", ".join(
            sorted({video.label_source or "" for video, labels in labelled if labels is not None})
        )
        click.echo(f"labels     {abnormal} of {known} frames abnormal, from {sources}")
    else:
        click.echo("labels     none")
    stored = sum(shard.bytes for video in manifest.videos for shard in video.shards)
    click.echo(f"stored     {stored / 1e6:.1f} MB, {manifest.geometry}, codec {manifest.codec.name}")
    click.echo(
        f"decoded    {summary.done} videos, {summary.frames} frames in {summary.seconds:.1f} s "
        f"({summary.frames / summary.seconds:.0f} frames/s)"
    )
    for name, reason in summary.skipped:
        click.echo(f"skipped    {name}: {reason}", err=True)
    for note in summary.notes:
        click.echo(f"note       {note}", err=True)


@main.command("verify")
@click.argument("shards")
def verify_command(shards: str) -> None:
    """Recompute every hash of a shard set and read every segment."""
    storage = Storage(shards)
    manifest = load_manifest(storage)
    count = sum(len(video.shards) for video in manifest.videos)
    with progress("verify", count, "shards") as advance:
        problems = verify(storage, manifest, lambda shard: advance(1, shard.name))
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{storage}: {len(manifest.videos)} videos in {count} shards, all as they were written")


@main.command("inspect")
@click.argument("shards")
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
def inspect_command(shards: str, sheet: str | None, rows: int) -> None:
    """Print a shard set in tables and write a contact sheet of sample windows."""
    storage = Storage(shards)
    manifest = load_manifest(storage)
    for title, columns, lines in describe(manifest):
        print_table(title, columns, lines)
    if sheet == "none":
        return
    picture = contact_sheet(storage, manifest, rows)
    if sheet is None:
        storage.write("contact-sheet.png", picture)
    else:
        Path(sheet).write_bytes(picture)
    click.echo(f"contact sheet: {sheet or f'{storage}/contact-sheet.png'}")


# --- train -------------------------------------------------------------------------------------------


# --- evaluate, report, import-reference --------------------------------------------------------------


if __name__ == "__main__":
    main()
