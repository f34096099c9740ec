"""Training: what a configuration may say, the optimiser, the loop and its checkpoints."""
