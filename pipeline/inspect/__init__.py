"""The stage that shows and checks what the other stages leave: shard sets, runs, checkpoints."""
