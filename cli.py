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
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.run import synthesize


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


# --- train -------------------------------------------------------------------------------------------


# --- evaluate, report, import-reference --------------------------------------------------------------


if __name__ == "__main__":
    main()
