"""Run the command line as `python -m tarvitpose`."""

from tarvitpose.cli import main

if __name__ == "__main__":
    main()
