"""The same training with several seeds, each evaluated: how much the seed decides."""
