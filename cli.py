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

import click

from pipeline.calibrate.config import CalibrateConfig, FeedbackConfig
from pipeline.evaluate.config import EvaluateConfig
from pipeline.events.config import EventsConfig
from pipeline.export.config import ExportConfig
from pipeline.import_reference.config import ImportConfig
from pipeline.inspect.config import InspectConfig, VerifyConfig
from pipeline.preprocess.config import PreprocessConfig
from pipeline.report.config import ReportConfig
from pipeline.score.config import DoctorConfig, ScoreConfig
from pipeline.sweep.config import SweepConfig
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.terminal.command_line import Group, use_file
from pipeline.terminal.output import hear_warnings, remark, say
from pipeline.train.config import PRESET, TrainConfig, train_config
from pipeline.watch.config import WatchConfig
from pipeline.watch.plan import Plan, watch_config

ALARM = 3
"""Exit code of `score --fail-on-alarm` if there was an alarm."""


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
    score       any video and a checkpoint in, rarity, alarms, events and pictures out
    watch       cameras and a checkpoint in, the same live, for as long as you like
    calibrate   a checkpoint and normal video in, how often it raises alarms out
    feedback    events that were called normal in, a calibration that knows of them out
    """
    hear_warnings()
    if config is not None:
        use_file(ctx, config, main.commands)


@main.stage(SynthesizeConfig)
def synthesize(config: SynthesizeConfig) -> None:
    """Draw a small surveillance set, or hours of a camera's video, into the folder OUT.

    People walk along a path; in testing videos someone runs, crosses it, or comes on wheels. With --hours the
    same camera is drawn for as long as one likes, with such events at the times in labels.csv, or with none.
    """
    from pipeline.synthesize.run import synthesize

    summary = synthesize(config)
    abnormal = f"{summary.abnormal} abnormal testing frames (labels in {summary.labels})"
    say(
        f"{summary.videos} videos, {summary.frames} frames, "
        f"{abnormal if summary.labels is not None else 'nothing unusual in them'}"
    )


@main.stage(PreprocessConfig)
def preprocess(config: PreprocessConfig) -> None:
    """Decode the dataset or videos in SOURCE once into the shard set SHARDS.

    SOURCE and SHARDS are local folders, or locations such as s3://bucket/folder. Run again, the command does
    only what is missing or changed.
    """
    from pipeline.preprocess.run import preprocess
    from pipeline.preprocess.words import lines, remarks

    summary = preprocess(config)
    for line in lines(summary):
        say(line)
    for line in remarks(summary):
        remark(line)


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
    SHARDS changed meanwhile, and by fewer processes. Several processes, one per GPU:

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
    from pipeline.evaluate.words import lines

    summary = evaluate(config)
    if summary is not None:  # rank 0 alone speaks
        for line in lines(summary):
            say(line)


@main.stage(CalibrateConfig)
def calibrate(config: CalibrateConfig) -> None:
    """Learn from normal video how often a run's model finds something, so that alarms keep a stated rate.

    Without a VIDEO, what train kept aside is taken (--hold-out). The calibration is calibration.json in the
    run, that of a profile calibration-NAME.json. It answers for every rate that its hours carry.
    """
    from pipeline.calibrate.run import calibrate
    from pipeline.calibrate.words import lines

    for summary in calibrate(config):
        for line in lines(summary):
            say(line)
        for note in summary.notes:
            remark(f"note: {note}")
        say(f"calibration: {summary.file}")


@main.stage(FeedbackConfig)
def feedback(config: FeedbackConfig) -> None:
    """Count the events that a person has called normal as alarms of normal video, in the calibration.

    Labels come from the page of watch. Thresholds rise by them or stay, and only by this command. Run again,
    it counts the labels as they are then: a label that was taken away has no effect any more.
    """
    from pipeline.calibrate.feedback import feedback
    from pipeline.calibrate.words import counted, remarks

    found = feedback(config)
    for one in found:
        for line in counted(one):
            say(line)
    for line in remarks(found):
        remark(f"note: {line}")


@main.stage(ScoreConfig)
def score(config: ScoreConfig) -> None:
    """Score video that has no labels: how rare each frame is, alarms, events, pictures.

    An alarm needs the calibration that calibrate leaves in the run. Run again, the command goes on with the
    videos that are not done.
    """
    from pipeline.score.run import score

    summary = score(config)
    for note in summary.notes:
        remark(f"note: {note}")
    for video in summary.videos:
        for note in video.result.notes:
            remark(f"note: {video.name}: {note}")
    for name, reason in summary.skipped:
        remark(f"skipped: {name}: {reason}")
    if config.runtime == "auto":
        remark(f"note: scored with {summary.runtime}")
    if summary.drift is not None and summary.drift.words:
        remark(f"drift: {summary.drift.words}")
    if summary.missing is not None:
        remark(f"note: {summary.missing}")
    say(summary.line())
    if config.fail_on_alarm and summary.events:
        sys.exit(ALARM)


@main.stage(watch_config, fields=WatchConfig)
def watch(plan: Plan) -> None:
    """Watch a camera, or all that CAMERAS.toml names, until it is stopped: rarity, alarms, events, clips.

    \b
        python cli.py watch 'rtsp://user:${YARD}@host/stream' --checkpoint runs/yard --out watched
        python cli.py watch --config cameras.toml

    An alarm needs the calibration that calibrate leaves in the run. A camera that is gone is tried again for
    ever. `events` lists what was found.
    """
    from pipeline.watch.run import watch

    view = watch(plan, remark).view
    for name in view.cameras:
        say(f"{name}: {view.snapshot(name).words}")


@main.stage(DoctorConfig)
def doctor(config: DoctorConfig) -> None:
    """Tell whether VIDEO, a model, its calibration and this machine fit together.

    Scoring is timed for ten seconds.
    """
    from pipeline.score.doctor import diagnose

    for finding in diagnose(config):
        say(f"{finding.about:<12} {finding.words}")


@main.stage(ExportConfig)
def export(config: ExportConfig) -> None:
    """Make a model of RUN that runs without this project: one graph, what it is, and a check.

    Frames and the memory go in, scores and the next memory come out. A model that does not give the scores
    of PyTorch is not written.
    """
    from pipeline.export.run import export

    summary = export(config)
    for note in summary.notes:
        remark(f"note: {note}")
    record = summary.record
    if record.movement is not None:
        say(
            f"int8 raises the {record.movement.events} events of fp32; 99 % of the evidence moves by at most "
            f"{record.movement.quantile_99:.2f} standard deviations"
        )
    say(f"{record.runtime} {record.precision}, checked on {record.check} to {record.tolerance.db:g} dB")
    say(f"exported: {summary.out}")


@main.stage(EventsConfig)
def events(config: EventsConfig) -> None:
    """List the events in DIR."""
    from datetime import UTC, datetime

    from pipeline.events.event import to_json
    from pipeline.events.listing import listed
    from pipeline.events.words import COLUMNS, rows
    from pipeline.terminal.tables import print_table

    found = listed(config, datetime.now(UTC))
    if config.json:
        for event in found:
            say(to_json(event))
    else:
        print_table(f"{len(found)} event{'' if len(found) == 1 else 's'}", COLUMNS, rows(found))


@main.stage(ReportConfig)
def report(config: ReportConfig) -> None:
    """Write the page of one EVALUATION (a folder that evaluate wrote), or of several side by side."""
    from pipeline.report.render import write_report

    say(f"report: {write_report(config.evaluations, config.out)}")


@main.stage(ImportConfig)
def import_reference(config: ImportConfig) -> None:
    """Turn a published model and its memory items into a checkpoint OUT.

    No code in the files is ever run.
    """
    from pipeline.import_reference.run import import_reference

    checkpoint = import_reference(config)
    spec = checkpoint.spec
    say(f"{spec.method} model, windows of {spec.window} frames of {spec.frame}, {spec.items} memory items")
    say(f"checkpoint: {checkpoint.name}")


if __name__ == "__main__":
    main()
