"""Put trained weights into the package as `default`, in float16, and beside them their graphs.

python -m tools.ship_default data/default/runs/default/weights
python -m tools.ship_default default   (the graphs alone, of the weights that are there)
"""

import argparse
from pathlib import Path

from tarvitpose.inference.graph_folder import describe
from tarvitpose.inference.graphs import write_graphs
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.files import WEIGHTS_FILE, fingerprint
from tarvitpose.weights.folder import DEFAULT, default_folder


def main() -> None:
    """Read a weights folder and write `assets/default`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    ship(parser.parse_args().weights, default_folder())


def ship(weights: str, folder: Path) -> None:
    """Write weights in float16, and the graphs that run them without PyTorch, into a folder."""
    if weights != DEFAULT:
        TARViTPose.from_pretrained(weights).save_pretrained(folder, half=True)
    add_graphs(folder)


def add_graphs(folder: Path) -> None:
    """Write the graphs of a folder's weights, as they are there, beside them."""
    model = TARViTPose.from_pretrained(folder)
    write_graphs(model, folder, weights=folder / WEIGHTS_FILE)
    describe(folder, model.config, fingerprint(model), "fp32")


if __name__ == "__main__":
    main()
