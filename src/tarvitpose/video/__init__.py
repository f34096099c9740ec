"""Frames with their times from files, folders, cameras and streams; videos with audio."""
