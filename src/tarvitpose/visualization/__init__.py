"""Attention maps, joints over time and the report on one video, as pictures."""
