"""Angles of joints and segments over time, in degrees and in the image plane."""
