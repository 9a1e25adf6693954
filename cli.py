"""Memory-guided video anomaly detection on the command line.

    python cli.py preprocess VIDEOS SHARDS
    torchrun --nproc-per-node 4 cli.py train SHARDS RUN
    python cli.py evaluate SHARDS RUN

Commands parse, call one stage and print. Everything else lives in the stages.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

import click

from pipeline.config import load_config
from pipeline.errors import ShardError, UserError
from pipeline.evaluate import EvaluateConfig, evaluate, write_report
from pipeline.evaluate.config import MemoryMode, Precision, SplitChoice
from pipeline.import_reference import ImportConfig, import_reference


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


# --- train -------------------------------------------------------------------------------------------


# --- evaluate, report, import-reference --------------------------------------------------------------


@main.command("evaluate")
@click.argument("shards")
@click.argument("checkpoint", metavar="RUN-or-CHECKPOINT")
@option(
    "--out",
    heading="Input and output",
    help="Folder for the results.",
    default=None,
    show_default="evaluation-SHARDS in the run",
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
    help="Gather pictures and write report.html, a page for any browser.",
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
    help="Of the convolutions; auto is bf16 on CUDA and fp32 elsewhere.",
    type=click.Choice(get_args(Precision)),
    default=EvaluateConfig.precision,
)
@option("--device", heading="Speed", help="cpu, cuda or auto.", default=EvaluateConfig.device)
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
    summary = evaluate(EvaluateConfig(**options))
    if summary is None:
        return
    metrics = summary.metrics
    for note in metrics["notes"]:
        click.echo(f"note: {note}")
    timing = metrics["timing"]
    click.echo(f"{timing['frames']} frames at {timing['frames_per_second']:.1f} frames/s")
    if metrics["auc"] is not None:
        labels = ", ".join(metrics["label_source"])
        click.echo(
            f"AUC {100 * metrics['auc']:.2f} % (all frames, min-max per video, memory "
            f"{metrics['provenance']['memory']}; labels: {labels})"
        )
    if summary.report is not None:
        click.echo(f"report: {summary.report}")
    click.echo(f"scores: {summary.scores}")


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
    """Write the page of one EVALUATION (a folder that evaluate wrote), or of several side by side."""
    click.echo(f"report: {write_report(evaluations, out)}")


@main.command("import-reference")
@click.argument("model", metavar="MODEL.pth")
@click.argument("keys", metavar="KEYS.pt")
@click.argument("out", metavar="OUT")
@option(
    "--height",
    heading="Frames",
    help="Of the frames it was trained on, pixels.",
    type=int,
    default=ImportConfig.height,
)
@option(
    "--width",
    heading="Frames",
    help="Of the frames it was trained on, pixels.",
    type=int,
    default=ImportConfig.width,
)
def import_reference_command(**options: Any) -> None:
    """Turn a published model and its memory items into a checkpoint OUT (.safetensors, or a run folder).

    MODEL is a whole pickled module or a state dict (.pth, .pt, .safetensors). No code in it is ever run.
    """
    checkpoint = import_reference(ImportConfig(**options))
    spec = checkpoint.spec
    click.echo(
        f"{spec.method} model, windows of {spec.window} frames of {spec.height}x{spec.width} "
        f"{spec.channel_order}, {spec.items} memory items"
    )
    click.echo(f"checkpoint: {checkpoint.name}")


if __name__ == "__main__":
    main()
