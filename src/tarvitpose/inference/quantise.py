"""The network's products in int8: an ONNX file is rewritten when it is opened, whoever wrote it.

Each output channel of the weights has its own range, and so has what goes into each product,
measured anew in each run: ranges that were measured once err more. The graph itself makes int8 of
the weights, which engines fold once. The first block's fc1 stays in float32: one channel of what
goes into it is six times as large as any other, and makes its range too coarse for the rest.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple, Self

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

PRODUCT = re.compile(  # of graphs.py
    r"/encoder/blocks\.\d+/(attention/(qkv|proj)|fc2|(?<!blocks\.0/)fc1)/MatMul"
)
JOINTS = re.compile(  # in JTA and GRA, where few joints read large weights
    r"/jta/layers\.\d+/(look/to_(query|out)|exchange/to_(query|key_value|out)|feed_forward/fc[12])/MatMul"
    r"|/gra/layers\.\d+/to_key_value/MatMul"
)
FLOAT, INT8 = 1, 3  # types of tensors
ATTENTION = re.compile(r"(/encoder/blocks\.\d+/attention)/qkv/MatMul")
OF_ONNXRUNTIME = "com.microsoft"  # the domain of its own operators
LARGEST, TINY = "int8/largest", "int8/tiny"  # constants of the graph
ENLARGEMENTS = ("/decoder/enlarge1", "/decoder/enlarge2")  # of graph_decoder.py
# Of `TAPS_TO_POINTS`, those points that are one tap: the two of even and the two of odd outputs.
TAP_POINTS = ((0, 3), (4, 7))
ENDS = (-2, -1, 2**31 - 1)  # of an axis with one more at each end, from 0, 1 and 2 on
# The fields of ONNX files that are used here: number, type, and whether there are several. Protocol
# Buffers pass on all others as they are.
FIELDS: dict[str, dict[str, tuple[int, int | str, bool]]] = {
    "Attribute": {
        "name": (1, Field.TYPE_STRING, False),
        "i": (3, Field.TYPE_INT64, False),
        "ints": (8, Field.TYPE_INT64, True),
        "type": (20, Field.TYPE_INT32, False),
    },
    "Opset": {"domain": (1, Field.TYPE_STRING, False), "version": (2, Field.TYPE_INT64, False)},
    "Value": {"name": (1, Field.TYPE_STRING, False)},
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
        "domain": (7, Field.TYPE_STRING, False),
    },
    "Graph": {
        "node": (1, "Node", True),
        "initializer": (5, "Tensor", True),
        "output": (12, "Value", True),
    },
    "Model": {"graph": (7, "Graph", False), "opset_import": (8, "Opset", True)},
}


def int8_products(model: bytes, *, vnni_heads: int | None = None) -> bytes:
    """Return an ONNX file with the encoder's products in int8, for a file of `graphs`.

    For VNNI, also those of JTA and GRA with weights, and the decoder's two enlargements; the
    encoder's attention of `vnni_heads` heads becomes one operator of ONNX Runtime. Raises
    google.protobuf.message.DecodeError for what is no such file.
    """
    parsed = _message("Model").FromString(model)
    graph, nodes = parsed.graph, list(parsed.graph.node)
    products, names = ((PRODUCT, JOINTS), ENLARGEMENTS) if vnni_heads else ((PRODUCT,), ())
    by_name = {node.name: node for node in nodes}
    enlargements = {part.end.name: part for name in names if (part := _Winograd.of(nodes, name))}
    del graph.node[:]
    for node in nodes:
        if vnni_heads and (attention := ATTENTION.fullmatch(node.name)):
            bias, out = (by_name[f"{attention[1]}/{part}"] for part in ("qkv/Add", "proj/MatMul"))
            added = _Nodes(graph, f"{attention[1]}/int8")
            x = added.to_int8(node.input[0])
            out.input[0] = added.add_attention(x, node.input[1], bias.input[0], vnni_heads)
        elif node.op_type == "MatMul" and any(each.fullmatch(node.name) for each in products):
            added = _Nodes(graph, node.name)
            added.add_product(added.to_int8(node.input[0]), node.input[1], node.output[0])
        elif part := enlargements.get(node.name):
            _add_enlargement(_Nodes(graph, f"{node.name}/int8"), part)
        else:
            graph.node.append(node)
    for name, value in ((LARGEST, 127.0), (TINY, np.finfo(np.float32).tiny)):
        data = np.float32(value).tobytes()
        graph.initializer.add(data_type=FLOAT, name=name, raw_data=data)
    if vnni_heads:
        parsed.opset_import.add(domain=OF_ONNXRUNTIME, version=1)
        _leave_needed(graph)
    return bytes(parsed.SerializeToString())


class _Int8(NamedTuple):
    """Names of numbers in int8."""

    whole: str
    scale: str
    zero: str


class _Nodes:
    """Adds nodes to a graph, whose outputs are named after what they stand for."""

    def __init__(self, graph: Any, name: str) -> None:
        self.graph, self.name = graph, name

    def add(
        self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: int | list[int]
    ) -> str:
        """Add a node, and return the name of its first output."""
        names = [f"{self.name}/{output}" for output in outputs]
        self._add(operator, inputs, names, attributes)
        return names[0]

    def integers(self, values: Sequence[int], output: str) -> str:
        """Add a constant."""
        return self.add("Constant", [], output, value_ints=list(values))

    def to_int8(self, x: str) -> _Int8:
        """Add what gives numbers one range, that of this run."""
        parts = _Int8(*(f"{self.name}/{part}" for part in ("x8", "x_scale", "x_zero")))
        self._add("DynamicQuantizeLinear", [x], parts, {})
        return parts

    def add_product(self, x: _Int8, w: str, output: str) -> None:
        """Add the product of x (..., K) and weights w (K, M)."""
        w8, w_scale = self._weights(w)
        sums = self.add("MatMulInteger", [x.whole, w8, x.zero], "sums")
        wide = self.add("Cast", [sums], "wide", to=FLOAT)
        self._add("Mul", [wide, self.add("Mul", [x.scale, w_scale], "scales")], [output], {})

    def add_attention(self, x: _Int8, w: str, bias: str, heads: int) -> str:
        """Add self-attention (B, N, C) of x (B, N, C); `w` (C, 3 C) makes queries, keys, values."""
        w8, w_scale = self._weights(w)
        flat = self.add("Reshape", [w_scale, self.integers([-1], "all")], "flat_scale")
        inputs, output = [x.whole, w8, bias, x.scale, flat, "", x.zero], f"{self.name}/attended"
        self._add("QAttention", inputs, [output], {"num_heads": heads}, OF_ONNXRUNTIME)
        return output

    def _weights(self, w: str) -> tuple[str, str]:
        """Add int8 of weights (K, M); return its name and that of its scale, (1, M)."""
        largest = self.add("ReduceMax", [self.add("Abs", [w], "sizes")], "largest", axes=[0])
        w_scale = self.add(
            "Div", [self.add("Max", [largest, TINY], "positive"), LARGEST], "w_scale"
        )
        whole = self.add("Round", [self.add("Div", [w, w_scale], "scaled")], "whole")
        return self.add("Cast", [whole], "w8", to=INT8), w_scale

    def _add(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: Mapping[str, int | list[int]],
        domain: str = "",
    ) -> None:
        node = self.graph.node.add(
            op_type=operator, name=outputs[0], input=inputs, output=outputs, domain=domain
        )
        for name, value in attributes.items():
            if isinstance(value, int):
                node.attribute.add(name=name, i=value, type=2)
            else:
                node.attribute.add(name=name, ints=value, type=7)


class _Winograd(NamedTuple):
    """Where an enlargement begins and ends in a graph: `GraphEnlargement`."""

    x: str  # (B, h, w, C)
    weights: str  # (64, C, O): points along a row times points along a column
    bias: str  # (O,)
    final: str | None  # (O, J), the product that follows the last enlargement
    end: Any  # the node that gives (B, 2h, 2w, O) after ReLU, or (B, 2h, 2w, J)

    @classmethod
    def of(cls, nodes: Sequence[Any], name: str) -> Self | None:
        """Return the enlargement of a name, None where there is none."""
        mine = [node for node in nodes if node.name.startswith(f"{name}/")]
        last = {node.op_type: node for node in mine}
        if not {"Pad", "MatMul", "Relu"} <= last.keys():
            return None
        relu = last["Relu"]
        bias = next(node.input[1] for node in mine if relu.input[0] in node.output)
        x, weights = last["Pad"].input[0], last["MatMul"].input[1]
        for node in nodes:
            if node.op_type == "MatMul" and node.input[0] == relu.output[0]:
                return cls(x, weights, bias, node.input[1], node)
        return cls(x, weights, bias, None, relu)


def _add_enlargement(nodes: _Nodes, part: _Winograd) -> None:
    """Add an enlargement, tap by tap, as far as `part.end`.

    Winograd's sums would have larger ranges than what they are made of, and int8 errs by the range.
    Neighbours are put side by side last of all, when they have fewest channels.
    """
    pads = nodes.integers([0, 1, 1, 0, 0, 1, 1, 0], "pads")
    x = nodes.to_int8(nodes.add("Pad", [part.x, pads], "padded"))  # (B, h + 2, w + 2, C)
    axes, shifted = nodes.integers([1, 2], "axes"), {}
    for down, right in product(range(3), repeat=2):
        shift = f"{down}{right}"
        ends = nodes.integers([ENDS[down], ENDS[right]], f"end{shift}")
        begin = nodes.integers([down, right], f"begin{shift}")
        shifted[down, right] = nodes.add("Slice", [x.whole, begin, ends, axes], f"shifted{shift}")
    rows, two = [], nodes.integers([2], "two")
    for odd_row in (0, 1):
        neighbours = []
        for odd_column in (0, 1):
            inner = _Nodes(nodes.graph, f"{nodes.name}/{odd_row}{odd_column}")
            four = list(product((0, 1), repeat=2))  # taps above, then those below
            inputs = [shifted[odd_row + down, odd_column + right] for down, right in four]
            points = [
                8 * TAP_POINTS[odd_column][right] + TAP_POINTS[odd_row][down]
                for down, right in four
            ]
            taps = inner.add("Gather", [part.weights, inner.integers(points, "points")], "taps")
            w = inner.add("Flatten", [taps], "w", axis=2)  # (4 C, O)
            x4 = inner.add("Concat", inputs, "x4", axis=3)  # (B, h, w, 4 C)
            tap = f"{inner.name}/tap"
            inner.add_product(x._replace(whole=x4), w, tap)
            large = inner.add("Relu", [inner.add("Add", [tap, part.bias], "sum")], "large")
            if part.final is not None:
                large = inner.add("MatMul", [large, part.final], "final")  # (B, h, w, J)
            neighbours.append(large)
        row = nodes.add("Concat", neighbours, f"row{odd_row}", axis=3)  # (B, h, w, 2 O)
        rows.append(nodes.add("Unsqueeze", [row, two], f"rows{odd_row}"))  # (B, h, 1, w, 2 O)
    both = nodes.add("Concat", rows, "rows", axis=2)  # (B, h, 2, w, 2 O)
    sides = nodes.add("Shape", [part.x], "sides", end=3)
    twice = nodes.add("Mul", [sides, nodes.integers([1, 2, 2], "factors")], "twice")
    size = nodes.add("Concat", [twice, nodes.integers([-1], "rest")], "size", axis=0)
    nodes.graph.node.add(
        op_type="Reshape", name=f"{nodes.name}/large", input=[both, size], output=part.end.output
    )


def _leave_needed(graph: Any) -> None:
    """Remove the nodes on which no output depends."""
    needed, nodes = {output.name for output in graph.output}, []
    for node in reversed(list(graph.node)):
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(nodes))


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
