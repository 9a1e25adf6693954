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
from pipeline.preprocess.config import DATASETS, DECODERS
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.run import synthesize
from shards.codec import CODECS
from shards.manifest import SPLITS


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
    summary = synthesize(SynthesizeConfig(**options))
    click.echo(
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
    help="Of video files; auto: decord for regular files, PyAV for others.",
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


# --- train -------------------------------------------------------------------------------------------


# --- evaluate, report, import-reference --------------------------------------------------------------


if __name__ == "__main__":
    main()
