"""Put trained weights into the package as `default`, in float16.

python -m tools.ship_default data/default/runs/default/weights
"""

from __future__ import annotations

import argparse

from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.folder import default_folder


def main() -> None:
    """Read a weights folder and write `assets/default`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    model = TARViTPose.from_pretrained(parser.parse_args().weights)
    model.save_pretrained(default_folder(), half=True)


if __name__ == "__main__":
    main()
