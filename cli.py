"""Memory-guided video anomaly detection on the command line.

    python cli.py preprocess VIDEOS SHARDS
    torchrun --nproc-per-node 4 cli.py train SHARDS RUN
    python cli.py evaluate SHARDS RUN

A command's options are what its stage's config declares. A command calls one stage and prints; everything
else lives in the stages. Each command imports its stage itself: torch alone takes seconds that --help and
stages without networks should not.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.evaluate.config import EvaluateConfig
from pipeline.import_reference.config import ImportConfig
from pipeline.inspect.config import InspectConfig, VerifyConfig
from pipeline.preprocess.config import PreprocessConfig
from pipeline.report.config import ReportConfig
from pipeline.sweep.config import SweepConfig
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.terminal.command_line import Group, use_file
from pipeline.terminal.output import remark, say
from pipeline.train.config import PRESET, TrainConfig, train_config
from shards.choices import SPLITS

if TYPE_CHECKING:
    from pipeline.preprocess.run import Summary


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
        use_file(ctx, config, main.commands)


@main.stage(SynthesizeConfig)
def synthesize(config: SynthesizeConfig) -> None:
    """Draw a small surveillance set into the folder OUT, to try everything on.

    People walk along a path; in testing videos someone runs, crosses it, or comes on wheels.
    """
    from pipeline.synthesize.run import synthesize

    summary = synthesize(config)
    say(
        f"{summary.videos} videos, {summary.frames} frames, {summary.abnormal} abnormal testing frames "
        f"(labels in {summary.labels})"
    )


@main.stage(PreprocessConfig)
def preprocess(config: PreprocessConfig) -> None:
    """Decode the dataset or videos in SOURCE once into the shard set SHARDS.

    SOURCE and SHARDS are local folders, or locations such as s3://bucket/folder. Run again, the command does
    only what is missing or changed.
    """
    from pipeline.preprocess.run import preprocess

    print_preprocess(preprocess(config))


def print_preprocess(summary: "Summary") -> None:
    """Print what was done on standard output, skipped videos and notes on standard error."""
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


@main.stage(VerifyConfig)
def verify(config: VerifyConfig) -> None:
    """Recompute every hash of a shard set and read every segment.

    The command prints the digest of the manifest, which train and evaluate take as --manifest-digest.

    Over http(s):// this is done for what the manifest lists; files beside it cannot be looked for there.
    """
    from pipeline.inspect.run import verify

    verified = verify(config)
    for problem in verified.problems:
        remark(f"error: {problem}")
    if verified.problems:
        sys.exit(1)
    say(f"{verified.seen}, all as they were written")
    say(f"manifest digest: {verified.digest}")
    for note in verified.notes:
        remark(f"note: {note}")


@main.stage(InspectConfig)
def inspect(config: InspectConfig) -> None:
    """Print a shard set, a run or a checkpoint in tables.

    For a shard set, a contact sheet of sample windows is written, too, where that can be done.
    """
    from pipeline.inspect.run import Remark, inspect
    from pipeline.terminal.tables import print_table

    for shown in inspect(config):
        if isinstance(shown, Remark):
            remark(shown)
        elif isinstance(shown, str):
            say(shown)
        else:
            print_table(*shown)


@main.stage(train_config, PRESET, fields=TrainConfig)
def train(config: TrainConfig) -> None:
    """Train on the shard set SHARDS; checkpoints and metrics.jsonl go to RUN.

    A RUN that is there already is resumed from its latest checkpoint, also if testing videos or labels of
    SHARDS changed meanwhile. Several processes, one per GPU:

    \b
        torchrun --nproc-per-node N cli.py train SHARDS RUN
    """
    from pipeline.train.run import train

    summary = train(config)
    if os.environ.get("RANK", "0") == "0":
        trained = f"{summary.samples} samples in {summary.seconds:.1f} s"
        say(f"{summary.checkpoint}: {summary.steps} steps in {summary.epochs} epochs ({trained})")


@main.stage(SweepConfig)
def sweep(config: SweepConfig) -> None:
    """Train and evaluate once per seed; report mean and standard deviation of the AUC.

    Options that sweep does not know go to train. The last epoch of each run counts.
    """
    from pipeline.sweep.run import sweep

    for name, spread in sweep(config).items():
        each = ", ".join(f"{seed}: {100 * value:.2f}" for seed, value in spread.values.items())
        say(f"{name}: {spread} (by seed {each})")


@main.stage(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> None:
    """Score SHARDS with the latest checkpoint of a run, or with a checkpoint file.

    Writes scores as Parquet, metrics.json and pictures. Under torchrun, videos are shared out over the
    processes (with --memory video or frozen).
    """
    from pipeline.evaluate.run import evaluate

    summary = evaluate(config)
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


@main.stage(ReportConfig)
def report(config: ReportConfig) -> None:
    """Write the page of one EVALUATION (a folder that evaluate wrote), or of several side by side."""
    from pipeline.evaluate.report import write_report

    say(f"report: {write_report(config.evaluations, None if config.out is None else Path(config.out))}")


@main.stage(ImportConfig)
def import_reference(config: ImportConfig) -> None:
    """Turn a published model and its memory items into a checkpoint OUT.

    No code in the files is ever run.
    """
    from pipeline.import_reference.run import import_reference

    checkpoint = import_reference(config)
    spec = checkpoint.spec
    say(
        f"{spec.method} model, windows of {spec.window} frames of {spec.size} "
        f"{spec.channel_order}, {spec.items} memory items"
    )
    say(f"checkpoint: {checkpoint.name}")


if __name__ == "__main__":
    main()
