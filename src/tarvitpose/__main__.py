"""Run the command line, as `tarvitpose` and `python -m tarvitpose` do."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly also while it is being loaded."""
    try:
        from tarvitpose.cli import main as run  # noqa: PLC0415  (an import that may be stopped)

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
