"""Smaller numbers in exported graphs: weights in float16, or the encoder's products in int8.

Needs the package onnx.
"""

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tarvitpose.config import GraphPrecision
from tarvitpose.errors import UserError
from tarvitpose.inference.graph_folder import FRAME, STEP

SMALL = 1024  # elements; fewer are not worth it


def reduce_numbers(folder: Path, precision: GraphPrecision) -> None:
    """Rewrite the graphs of a folder: all weights in "fp16", or the encoder in "int8".

    Raises UserError for int8 of a graph beyond 2 GB.
    """
    # A graph beyond 2 GB has its weights in files beside it.
    weight_files = [path for path in folder.iterdir() if path.name not in (FRAME, STEP)]
    if precision == "fp16":
        for name in (FRAME, STEP):
            if (folder / name).is_file():
                halve_weights(folder / name)
        for path in weight_files:
            path.unlink()
    elif precision == "int8":
        if weight_files:
            raise UserError("int8 works for graphs up to 2 GB, size L; use --precision fp16")
        quantise_encoder(folder / FRAME)


def halve_weights(path: Path) -> None:
    """Store the weights of a graph in float16; what is computed stays float32.

    Engines widen them once, when they open the file.
    """
    model = onnx.load(path)
    widened = []
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if weights.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        name, half = weights.name, f"{weights.name}_half"
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        widened.append(helper.make_node("Cast", [half], [name], name=half, to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def quantise_encoder(path: Path) -> None:
    """Make int8 of the encoder's products with weights in a frame graph.

    Each output channel of the weights has its own range, and so has what goes into each product,
    measured anew in each run: ranges that were measured once err more.
    """
    from onnxruntime import quantization  # noqa: PLC0415 - slow

    whole = path.with_name("whole.onnx")
    path.rename(whole)
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it recommends a preparation that changes nothing here
    try:
        quantization.quantize_dynamic(
            whole,
            path,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,  # as exact as unsigned, and faster
            nodes_to_quantize=_products(whole),
        )
    finally:
        logging.root.setLevel(level)
    whole.unlink()


def _products(path: Path) -> list[str]:
    """Return the names of the encoder's products with weights."""
    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type == "MatMul" and "/encoder/" in node.name and node.input[1] in weights
    ]
