"""Training: shards in, a run with checkpoints and metrics out; one process, or several under torchrun."""
