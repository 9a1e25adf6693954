"""What lies in a run, a checkpoint and an evaluation: names, headers, files."""
