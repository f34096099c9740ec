"""Weights on disk and on the hub, and what is made of other projects' checkpoints."""
