"""The network at work: engines, windows of crops, streaming, and the estimator that users have."""
