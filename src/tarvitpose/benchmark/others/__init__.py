"""Scripts that run other programs, each also in a Python that lacks this package."""
