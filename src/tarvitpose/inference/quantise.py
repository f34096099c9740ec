"""The encoder's products in int8: an ONNX file is rewritten when it is opened, whoever wrote it.

Each output channel of the weights has its own range, and so has what goes into each product,
measured anew in each run: ranges that were measured once err more. The graph itself makes int8 of
the weights, which engines fold once. The first block's fc1 stays in float32: one channel of what
goes into it is six times as large as any other, and makes its range too coarse for the rest.
"""

import re
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

PRODUCT = re.compile(  # of graphs.py
    r"/encoder/blocks\.\d+/(attention/(qkv|proj)|fc2|(?<!blocks\.0/)fc1)/MatMul"
)
FLOAT, INT8 = 1, 3  # types of tensors
LARGEST, TINY = "int8/largest", "int8/tiny"  # constants of the graph
AXES = {"name": "axes", "ints": [0], "type": 7}  # attributes of nodes: the axis of inputs
TO_INT8 = {"name": "to", "i": INT8, "type": 2}
TO_FLOAT = {"name": "to", "i": FLOAT, "type": 2}
# The fields of ONNX files that are used here: number, type, and whether there are several. Protocol
# Buffers pass on all others as they are.
FIELDS: dict[str, dict[str, tuple[int, int | str, bool]]] = {
    "Attribute": {
        "name": (1, Field.TYPE_STRING, False),
        "i": (3, Field.TYPE_INT64, False),
        "ints": (8, Field.TYPE_INT64, True),
        "type": (20, Field.TYPE_INT32, False),
    },
    "Tensor": {
        "data_type": (2, Field.TYPE_INT32, False),
        "name": (8, Field.TYPE_STRING, False),
        "raw_data": (9, Field.TYPE_BYTES, False),
    },
    "Node": {
        "input": (1, Field.TYPE_STRING, True),
        "output": (2, Field.TYPE_STRING, True),
        "name": (3, Field.TYPE_STRING, False),
        "op_type": (4, Field.TYPE_STRING, False),
        "attribute": (5, "Attribute", True),
    },
    "Graph": {"node": (1, "Node", True), "initializer": (5, "Tensor", True)},
    "Model": {"graph": (7, "Graph", False)},
}


def int8_products(model: bytes) -> bytes:
    """Return an ONNX file with the encoder's products in int8, for a file of `graphs`.

    Raises google.protobuf.message.DecodeError for what is no such file.
    """
    parsed = _message("Model").FromString(model)
    nodes = list(parsed.graph.node)
    del parsed.graph.node[:]
    for node in nodes:
        if node.op_type == "MatMul" and PRODUCT.fullmatch(node.name):
            _add_product(parsed.graph, node)
        else:
            parsed.graph.node.append(node)
    for name, value in ((LARGEST, 127.0), (TINY, np.finfo(np.float32).tiny)):
        data = np.float32(value).tobytes()
        parsed.graph.initializer.add(data_type=FLOAT, name=name, raw_data=data)
    return bytes(parsed.SerializeToString())


def _add_product(graph: Any, product: Any) -> None:
    """Add the nodes that stand for a product of what the encoder computed, x, and weights w."""

    def add(operator: str, inputs: list[str], *outputs: str, attribute: Any = None) -> list[str]:
        names = [f"{product.name}/{output}" for output in outputs] or list(product.output)
        attributes = [attribute] if attribute else []
        graph.node.add(
            op_type=operator, name=names[0], input=inputs, output=names, attribute=attributes
        )
        return names

    x, w = product.input  # (B, N, K) and (K, M)
    sizes = add("Abs", [w], "sizes")
    largest = add("ReduceMax", sizes, "largest", attribute=AXES)  # (1, M)
    w_scale = add("Div", [*add("Max", [*largest, TINY], "positive"), LARGEST], "w_scale")
    whole = add("Round", add("Div", [w, *w_scale], "scaled"), "whole")
    (w8,) = add("Cast", whole, "w8", attribute=TO_INT8)
    x8, x_scale, x_zero = add("DynamicQuantizeLinear", [x], "x8", "x_scale", "x_zero")
    sums = add("MatMulInteger", [x8, w8, x_zero], "sums")
    scales = add("Mul", [x_scale, *w_scale], "scales")
    add("Mul", [*add("Cast", sums, "wide", attribute=TO_FLOAT), *scales])


@cache
def _message(name: str) -> Any:
    """Return the class of one of ONNX's messages."""
    file = descriptor_pb2.FileDescriptorProto(name="onnx")
    for kind, fields in FIELDS.items():
        message = file.message_type.add(name=kind)
        for field, (number, type_, is_repeated) in fields.items():
            label = Field.LABEL_REPEATED if is_repeated else Field.LABEL_OPTIONAL
            described = message.field.add(name=field, number=number, label=label)
            if isinstance(type_, str):
                described.type, described.type_name = Field.TYPE_MESSAGE, type_
            else:
                described.type = type_
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
