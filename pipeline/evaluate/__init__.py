"""Evaluate: shards and a checkpoint in; frame scores (Parquet), metrics and pictures out."""

from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.report import write_report
from pipeline.evaluate.run import Summary, evaluate

__all__ = ["EvaluateConfig", "Summary", "evaluate", "write_report"]
