"""One video or many to results on disk: every file whole or not there, also after a crash."""
