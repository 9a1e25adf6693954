"""Evaluate: shards and a checkpoint in; frame scores (Parquet), metrics and pictures out."""
