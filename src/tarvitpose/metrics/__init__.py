"""Metrics, in numpy alone."""

TORSO_SHARE = 0.2  # of the torso, within which a joint is right: PCK@0.2
