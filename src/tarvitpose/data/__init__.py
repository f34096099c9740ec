"""Labelled people in images and videos, and the clips a network learns from. Knows no network."""
