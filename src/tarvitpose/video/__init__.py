"""Frames of files, folders, cameras and streams, each with its time; videos with their sound."""
