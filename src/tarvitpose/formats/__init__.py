"""Results on disk: for each format what reads it and what writes it."""
