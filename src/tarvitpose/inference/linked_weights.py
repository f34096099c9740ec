"""Weights of graphs that are stored otherwise: in a safetensors file, or in float16.

Needs the package onnx.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tarvitpose.errors import WeightsError
from tarvitpose.weights.files import TensorBytes, tensor_bytes

KINDS = {"F32": (TensorProto.FLOAT, np.float32), "F16": (TensorProto.FLOAT16, np.float16)}

SMALL = 1024  # elements; fewer are not worth it


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
    _put_first(model, widened)
    onnx.save(model, path)


def link_weights(graph: Path, weights: Path, names: dict[str, str]) -> None:
    """Replace the weights in a graph's file by references to a safetensors file beside it.

    `names` are those of the tensors in the file by those in the graph; others stay in the graph.
    Numbers of 16 bits are widened by the graph. Raises WeightsError where the file holds another
    tensor of that name.
    """
    model, header = onnx.load(graph), tensor_bytes(weights)
    widened = []
    with weights.open("rb") as file:
        for tensor in model.graph.initializer:
            part = header.get(names.get(tensor.name, ""))
            if part is None or part.kind not in KINDS:
                continue
            if not np.array_equal(numpy_helper.to_array(tensor), _read(file, part)):
                raise WeightsError(f"{weights}: its {names[tensor.name]} is not that of the graph")
            linked = _reference(tensor.name, weights.name, part)
            if part.kind == "F16":
                stored = linked.name = f"{tensor.name}_half"
                cast = helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT)
                widened.append(cast)
            tensor.CopyFrom(linked)
    _put_first(model, widened)
    graph.write_bytes(model.SerializeToString())


def _put_first(model: Any, nodes: list[Any]) -> None:
    nodes = [*nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _read(file: Any, part: TensorBytes) -> NDArray[Any]:
    file.seek(part.offset)
    values = np.frombuffer(file.read(part.length), KINDS[part.kind][1])
    return values.reshape(part.shape).astype(np.float32)


def _reference(name: str, file: str, part: TensorBytes) -> Any:
    """Return a tensor whose content lies in another file."""
    tensor = TensorProto(name=name, data_type=KINDS[part.kind][0], dims=part.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", part.offset), ("length", part.length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
