"""Metrics, in numpy alone."""
