"""What every room uses: whole files, JSON with errors of one line, hashes, names of sources."""
