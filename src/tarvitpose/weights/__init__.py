"""Load and save weights, on disk and on the hub; convert checkpoints of other projects."""
