"""From one video or many to results on disk, also after a crash."""
