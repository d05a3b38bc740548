"""LiteRT (TensorFlow Lite): `.tflite` in floats, float16 weights, dynamic range and whole int8.

Whole numbers of 8 bits are kept as whole floats. A convolution of them is exact in float32 while
its sums stay under 2^24; then it is scaled and rounded as the interpreter does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, ToolboxError
from striate.toolboxes.traced_nodes import NhwcNodes
from striate.toolboxes.wire.flatbuffers import FlatTable, root_table


def detect_litert(files: Sequence[GivenFile]) -> int:
    """2 by the identifier in bytes 4 to 7."""
    return 2 if files[0].head[4:8] == b"TFL3" else int(files[0].ending in (".tflite", ".lite"))


def read_litert(files: Sequence[GivenFile]) -> Graph:
    """The first subgraph of a model."""
    content = files[0].read()
    if content[4:8] != b"TFL3":
        raise ToolboxError("It has no identifier TFL3: it is no LiteRT model.")
    model = root_table(content)
    subgraphs = model.tables(2)
    if not subgraphs:
        raise ToolboxError("It holds no graph.")
    codes = [max(c.number(0, "b"), c.number(3, "i")) for c in model.tables(1)]
    reader = _Reader(subgraphs[0], model.tables(4), codes)
    return reader.read(int(model.number(0, "I")))


class _Tensor:
    """A tensor of the file: its shape, type, scale and zero point, and its numbers if constant."""

    def __init__(self, table: FlatTable, buffers: Sequence[FlatTable]) -> None:
        self.shape = tuple(int(n) for n in table.array(0, "i4"))
        signature = tuple(int(n) for n in table.array(7, "i4"))
        self.open_shape = signature or self.shape
        self.type = int(table.number(1, "b"))
        self.name = table.text(3)
        quantization = table.table(4)
        self.scale = quantization.array(2, "f4") if quantization else np.zeros(0, "f4")
        self.zero = quantization.array(3, "i8") if quantization else np.zeros(0, "i8")
        self.axis = int(quantization.number(6, "i")) if quantization else 0
        place = int(table.number(2, "I"))
        if place >= len(buffers):
            raise ToolboxError(f"The tensor {self.name!r} lies in buffer {place}, which is not.")
        self.raw = buffers[place].array(0, "u1")

    @property
    def quantized(self) -> bool:
        return self.type in (INT8, UINT8) and len(self.scale) > 0

    def numbers(self) -> Array | None:
        """The constant's numbers as they are stored; None where it is no constant."""
        if not len(self.raw):
            return None
        if self.type not in TYPES:
            raise ToolboxError(f"The tensor {self.name!r} has the type {self.type}, not known.")
        found = np.frombuffer(self.raw.tobytes(), f"<{TYPES[self.type]}")
        if len(found) != np.prod(self.shape, dtype=np.int64):
            raise ToolboxError(
                f"The tensor {self.name!r} of shape {self.shape} has {len(found):,} numbers."
            )
        return found.reshape(self.shape)

    def along(self, values: Array) -> Array:
        """Scales or zero points in a shape that broadcasts over the tensor."""
        if len(values) <= 1:
            return values
        return values.reshape([-1 if k == self.axis else 1 for k in range(len(self.shape))])

    def real(self) -> Array | None:
        """A constant's real numbers."""
        stored = self.numbers()
        if stored is None or not len(self.scale) or stored.dtype.kind == "f":
            return stored if stored is None or stored.dtype.kind != "f" else stored.astype("f4")
        zero = self.along(self.zero) if len(self.zero) else 0
        return ((stored.astype("f8") - zero) * self.along(self.scale)).astype("f4")


class _Step:
    """An operator with its options, and the indices of its tensors."""

    def __init__(self, table: FlatTable, codes: Sequence[int], number: int) -> None:
        index = int(table.number(0, "I"))
        if index >= len(codes):
            raise ToolboxError(f"Operator {number} has no code.")
        self.code = codes[index]
        self.inputs = [int(n) for n in table.array(1, "i4")]
        self.outputs = [int(n) for n in table.array(2, "i4")]
        self.options = table.table(4)
        self.name = f"{OPERATORS.get(self.code, self.code)}_{number}"

    def option(self, field: int, kind: str = "i", default: float = 0) -> Any:
        return self.options.number(field, kind, default) if self.options else default


class _Reader:
    """Makes nodes of the operators in their order."""

    def __init__(
        self, subgraph: FlatTable, buffers: Sequence[FlatTable], codes: Sequence[int]
    ) -> None:
        self.tensors = [_Tensor(table, buffers) for table in subgraph.tables(0)]
        self.inputs = [int(n) for n in subgraph.array(1, "i4")]
        self.outputs = [int(n) for n in subgraph.array(2, "i4")]
        self.steps = [_Step(t, codes, k) for k, t in enumerate(subgraph.tables(3))]
        self.made = NhwcNodes()
        self.values: dict[int, str] = {}
        self.count = 0

    def read(self, version: int) -> Graph:
        """The graph. What is quantised goes in and comes out as whole numbers."""
        inputs = []
        for index in self.inputs:
            tensor = self._tensor(index)
            shape = tuple(None if n < 1 else n for n in tensor.open_shape)
            name = tensor.name or f"input_{index}"
            self.made.add_input(name, [1, *(n or USUAL_SIDE for n in shape[1:])])
            self.values[index] = name
            layout = "NHWC" if len(shape) == 4 else ""
            inputs.append(GraphInput(name=name, shape=(None, *shape[1:]), layout=layout))
        for number, step in enumerate(self.steps):
            make = RULES.get(step.code)
            if make is None:
                raise ToolboxError(
                    f"Operator {number} ({OPERATORS.get(step.code, step.code)}) is not known; "
                    f"{number} of {len(self.steps)} before it are."
                )
            make(self, step)
        notes: tuple[str, ...] = ()
        if any(self._tensor(index).quantized for index in self.inputs):
            notes = ("Images enter as whole numbers of 8 bits.",)
        return Graph(
            nodes=tuple(self.made.nodes),
            tensors=self.made.tensors,
            inputs=tuple(inputs),
            outputs=tuple(self.value(index) for index in self.outputs),
            toolbox="LiteRT",
            version=f"schema {version}",
            layers={
                f"{index:03d}_{self._tensor(index).name}": value
                for index, value in self.values.items()
            },
            notes=notes,
        )

    def _tensor(self, index: int) -> _Tensor:
        if not 0 <= index < len(self.tensors):
            raise ToolboxError(f"A tensor {index} is named; there are {len(self.tensors)}.")
        return self.tensors[index]

    def tensor(self, step: _Step, place: int) -> _Tensor | None:
        """The tensor that an operator reads at a place; None where it is left out."""
        if place >= len(step.inputs) or step.inputs[place] < 0:
            return None
        return self._tensor(step.inputs[place])

    def constant(self, step: _Step, place: int) -> Array | None:
        """The real numbers of an input that is constant."""
        tensor = self.tensor(step, place)
        if tensor is None:
            return None
        real = tensor.real()
        if real is None:  # worked out from other constants
            return self.made.constant(self.value(step.inputs[place]))
        return real

    def value(self, index: int) -> str:
        """The name of a value as the file holds it: whole numbers where it is quantised."""
        if index not in self.values:
            tensor = self._tensor(index)
            stored = tensor.numbers()
            if stored is None:
                raise ToolboxError(f"The tensor {tensor.name!r} is read, but nothing gives it.")
            if tensor.quantized or stored.dtype.kind == "f":
                stored = stored.astype("f4")
            self.values[index] = self.made.add_tensor(f"tensor:{index}", stored)
        return self.values[index]

    def real(self, index: int) -> str:
        """The name of a value in real numbers."""
        tensor = self._tensor(index)
        if not tensor.quantized:
            return self.value(index)
        constant = tensor.real()
        if constant is not None:
            return self.made.add_tensor(f"tensor:{index}:real", constant)
        x = self.shifted(index)
        return self.scaled(x, tensor.scale)

    def shifted(self, index: int) -> str:
        """Whole numbers less their zero point."""
        tensor = self._tensor(index)
        return self.add_number("sub", self.value(index), float(tensor.zero[0]))

    def scaled(self, x: str, scale: Array) -> str:
        """A value times a scale, one for all or one a channel (the last axis)."""
        return self.add("mul", (x, self.keep(scale if len(scale) > 1 else scale[0])))

    def keep(self, value: Any) -> str:
        """A constant of its own."""
        self.count += 1
        return self.made.add_tensor(f"number:{self.count}", np.asarray(value, np.float32))

    def add(self, op: str, inputs: Sequence[str], name: str = "", **given: Any) -> str:
        """Add a node with a name of its own."""
        self.count += 1
        name = name or f"{op}:{self.count}"
        return self.made.add(op, name, inputs, f"value:{self.count}", **given)

    def add_number(self, op: str, x: str, number: float) -> str:
        """A value and a number; nothing where the number changes nothing."""
        if number == (1.0 if op in ("mul", "div") else 0.0):
            return x
        return self.add(op, (x, self.keep(number)))

    def rounded(self, x: str) -> str:
        """To whole numbers, halves away from zero."""
        size = self.add("floor", (self.add_number("add", self.add("abs", (x,)), 0.5),))
        return self.add("mul", (self.add("sign", (x,)), size))

    def rounded_up(self, x: str) -> str:
        """To whole numbers, halves upwards."""
        return self.add("floor", (self.add_number("add", x, 0.5),))

    def rescaled(self, x: str, factor: Array, *, upwards: bool = False) -> str:
        """Whole numbers times a factor, one for all or one a channel, rounded as there: twice.

        The interpreter multiplies by a fraction of a half to one, rounds, then divides by a power
        of two and rounds again: halves upwards, then away from zero, in convolutions upwards.
        """
        fraction, power = np.frexp(np.atleast_1d(factor).astype(np.float64))
        up = np.maximum(power, 0)
        x = self.rounded_up(self.scaled(x, fraction * 2.0**up))
        down = 2.0 ** np.minimum(power, 0)
        if np.all(down == 1):
            return x
        x = self.scaled(x, down)
        return self.rounded_up(x) if upwards else self.rounded(x)

    def give(self, step: _Step, x: str, activation: int = 0, quantum: str = "real") -> None:
        """Make a real value an operator's output, through its activation and its rounding.

        With `quantum` "whole" the value is in whole steps of the output, without its zero point.
        """
        index = step.outputs[0]
        tensor = self._tensor(index)
        if not tensor.quantized:
            self.values[index] = self.activated(step, x, activation)
            return
        scale, zero = float(tensor.scale[0]), float(tensor.zero[0])
        if quantum == "real":
            x = self.rounded(self.add("div", (x, self.keep(scale))))
        x = self.add_number("add", x, zero)
        low, high = (-128.0, 127.0) if tensor.type == INT8 else (0.0, 255.0)
        if activation in LIMITS:
            bottom, top = LIMITS[activation]
            low = max(low, zero + round(bottom / scale))
            high = high if top is None else min(high, zero + round(top / scale))
        elif activation:
            raise ToolboxError(f"The activation {activation} of {step.name} is not known.")
        self.values[index] = self.add("clip", (x,), step.name, low=low, high=high)

    def activated(self, step: _Step, x: str, activation: int) -> str:
        """A real value through a fused activation."""
        if not activation:
            return x
        if activation == 4:
            return self.add("tanh", (x,))
        if activation not in LIMITS:
            raise ToolboxError(f"The activation {activation} of {step.name} is not known.")
        low, high = LIMITS[activation]
        if (low, high) == (0.0, None):
            return self.add("relu", (x,))
        return self.add("clip", (x,), low=low, high=high)


Rule = Callable[[_Reader, _Step], None]


def _conv(reader: _Reader, step: _Step) -> None:
    """out, kh, kw, in"""
    window = (
        (step.option(2), step.option(1)),
        (
            step.option(5, default=1),
            step.option(4, default=1),
        ),
    )
    stored = _stored_weights(reader, step)
    groups = 1
    depth = reader.made.shape(reader.value(step.inputs[0]))[-1]
    if stored.ndim == 4 and stored.shape[3] and depth % stored.shape[3] == 0:
        groups = depth // stored.shape[3]
    _weighted(reader, step, stored.transpose(0, 3, 1, 2), window, step.option(3, "b"), groups)


def _depthwise(reader: _Reader, step: _Step) -> None:
    """1, kh, kw, in · multiplier"""
    window = (
        (step.option(2), step.option(1)),
        (
            step.option(6, default=1),
            step.option(5, default=1),
        ),
    )
    stored = _stored_weights(reader, step).transpose(3, 0, 1, 2)
    depth = reader.made.shape(reader.value(step.inputs[0]))[-1]
    _weighted(reader, step, stored, window, step.option(4, "b"), depth)


def _stored_weights(reader: _Reader, step: _Step) -> Array:
    tensor = reader.tensor(step, 1)
    found = tensor.numbers() if tensor is not None else None
    if found is None:  # float16 behind a DEQUANTIZE
        found = reader.constant(step, 1)
    if found is None:
        raise ToolboxError(f"The weights of {step.name} are no constants.")
    return found.astype(np.float32)


def _weighted(
    reader: _Reader,
    step: _Step,
    weight: Array,
    window: tuple[tuple[int, int], tuple[int, int]],
    activation: int,
    groups: int,
) -> None:
    stride, dilation = window
    same = step.option(0, "b") == 0
    x = reader.value(step.inputs[0])
    given = reader.made.window(x, weight.shape[2:], stride, same, dilation)

    def run(x: str, weights: str, bias: str) -> str:
        reader.count += 1
        inputs = (x, weights, bias) if bias else (x, weights)
        value = f"value:{reader.count}"
        return reader.made.add_window("conv", step.name, inputs, value, groups=groups, **given)

    _apply_weights(reader, step, np.ascontiguousarray(weight), activation, run)


def _fully_connected(reader: _Reader, step: _Step) -> None:
    weight = _stored_weights(reader, step)
    index = step.inputs[0]
    x = reader.value(index)
    if not step.option(2, "?") and len(reader.made.shape(x)) > 2:
        reader.values[index] = reader.add("flatten", (x,))

    def run(x: str, weights: str, bias: str) -> str:
        return reader.add("linear", (x, weights, bias) if bias else (x, weights), step.name)

    _apply_weights(reader, step, weight, step.option(0, "b"), run)


def _apply_weights(
    reader: _Reader,
    step: _Step,
    weight: Array,
    activation: int,
    run: Callable[[str, str, str], str],
) -> None:
    """Run a layer in real numbers, in whole numbers, or in whole numbers of the moment."""
    entry, kernel = reader.tensor(step, 0), reader.tensor(step, 1)
    assert entry is not None
    assert kernel is not None
    bias = reader.tensor(step, 2)
    weights = reader.keep(weight)
    if not kernel.quantized:
        real = reader.constant(step, 2)
        x = run(reader.value(step.inputs[0]), weights, "" if real is None else reader.keep(real))
        reader.give(step, x, activation)
    elif entry.quantized:
        stored = bias.numbers() if bias is not None else None
        x = run(
            reader.shifted(step.inputs[0]), weights, "" if stored is None else reader.keep(stored)
        )
        out = reader._tensor(step.outputs[0])
        factor = entry.scale[0].astype("f8") * kernel.scale.astype("f8") / out.scale[0].astype("f8")
        reader.give(step, reader.rescaled(x, factor, upwards=True), activation, "whole")
    else:
        x, scale = _quantized_now(reader, step)
        x = reader.add("mul", (run(x, weights, ""), scale))
        x = reader.scaled(x, kernel.scale)
        real = reader.constant(step, 2)
        if real is not None:
            x = reader.add("add", (x, reader.keep(real)))
        reader.give(step, x, activation)


def _quantized_now(reader: _Reader, step: _Step) -> tuple[str, str]:
    """Whole numbers less their zero point, and their scale, of each image by itself."""
    x = reader.value(step.inputs[0])
    axes = tuple(range(1, len(reader.made.shape(x))))
    connected = OPERATORS[step.code] == "FULLY_CONNECTED"
    if connected and not step.option(3, "?"):
        largest = reader.add("reduce", (reader.add("abs", (x,)),), mode="max", axes=axes)
        scale = reader.add_number("div", largest, 127.0)
        whole = reader.rounded(reader.add("div", (x, scale)))
        return reader.add("clip", (whole,), low=-127.0, high=127.0), scale
    low = reader.add("reduce", (x,), mode="min", axes=axes)
    low = reader.add("minimum", (low, reader.keep(0.0)))
    high = reader.add("reduce", (x,), mode="max", axes=axes)
    high = reader.add("maximum", (high, reader.keep(0.0)))
    scale = reader.add_number("div", reader.add("sub", (high, low)), 255.0)
    from_low = reader.add("sub", (reader.keep(-128.0), reader.add("div", (low, scale))))
    zero = reader.add("clip", (reader.rounded(from_low),), low=-128.0, high=127.0)
    whole = reader.rounded(reader.add("add", (reader.add("div", (x, scale)), zero)))
    whole = reader.add("clip", (whole,), low=-128.0, high=127.0)
    return reader.add("sub", (whole, zero)), scale


def _pool(op: str) -> Rule:
    def make(reader: _Reader, step: _Step) -> None:
        kernel = (step.option(4), step.option(3))
        stride = (step.option(2), step.option(1))
        tensor = reader.tensor(step, 0)
        assert tensor is not None
        x = reader.value(step.inputs[0])
        given = reader.made.window(x, kernel, stride, step.option(0, "b") == 0)
        reader.count += 1
        x = reader.made.add_window(
            op, step.name, (x,), f"value:{reader.count}", kernel=kernel, **given
        )
        if tensor.quantized:  # rounded as it is stored, with its zero point
            x = reader.add_number("sub", reader.rounded(x), float(tensor.zero[0]))
        _give_in_steps(reader, step, x, tensor, step.option(5, "b"))

    return make


def _give_in_steps(
    reader: _Reader, step: _Step, x: str, tensor: _Tensor, activation: int = 0
) -> None:
    """The output of a value that is in the steps of an input."""
    out = reader._tensor(step.outputs[0])
    if tensor.quantized and out.quantized:
        factor = float(tensor.scale[0]) / float(out.scale[0])
        same = abs(factor - 1) < SAME_SCALE
        x = reader.rounded(x) if same else reader.rescaled(x, np.asarray(factor))
        reader.give(step, x, activation, "whole")
    elif tensor.quantized:
        reader.give(step, reader.scaled(x, tensor.scale), activation)
    else:
        reader.give(step, x, activation)


def _unary(op: str, **given: Any) -> Rule:
    def make(reader: _Reader, step: _Step) -> None:
        reader.give(step, reader.add(op, (reader.real(step.inputs[0]),), step.name, **given))

    return make


def _leaky_relu(reader: _Reader, step: _Step) -> None:
    tensor = reader.tensor(step, 0)
    assert tensor is not None
    index, slope = step.inputs[0], step.option(0, "f", 0.2)
    out = reader._tensor(step.outputs[0])
    if not (tensor.quantized and out.quantized):
        x = reader.add("leaky_relu", (reader.real(index),), step.name, slope=slope)
        reader.give(step, x)
        return
    x = reader.shifted(index)
    entry, end = tensor.scale[0], out.scale[0]  # in float32, as there
    above = reader.rescaled(reader.add("relu", (x,)), np.asarray(entry / end))
    below = reader.add("minimum", (x, reader.keep(0.0)))
    below = reader.rescaled(below, np.asarray(entry * np.float32(slope) / end))
    reader.give(step, reader.add("add", (above, below)), 0, "whole")


def _binary(op: str, fused: bool = True) -> Rule:
    def make(reader: _Reader, step: _Step) -> None:
        pair = [reader.real(index) for index in step.inputs[:2]]
        activation = step.option(0, "b") if fused else 0
        reader.give(step, reader.add(op, pair, step.name), activation)

    return make


def _softmax(op: str) -> Rule:
    def make(reader: _Reader, step: _Step) -> None:
        x = reader.real(step.inputs[0])
        beta = step.option(0, "f", 1.0) if op == "softmax" else 1.0
        x = reader.add_number("mul", x, float(beta))
        reader.give(step, reader.add(op, (x,), step.name, axis=-1))

    return make


def _moved(reader: _Reader, step: _Step, op: str, **given: Any) -> None:
    """An operator that only moves numbers: they stay as they are stored."""
    x = reader.value(step.inputs[0])
    tensor, out = reader.tensor(step, 0), reader._tensor(step.outputs[0])
    assert tensor is not None
    if tensor.quantized and out.quantized and tensor.scale[0] != out.scale[0]:
        x = reader.add(op, (reader.real(step.inputs[0]),), step.name, **given)
        reader.give(step, x)
    else:
        reader.values[step.outputs[0]] = reader.add(op, (x,), step.name, **given)


def _reshape(reader: _Reader, step: _Step) -> None:
    given = reader.tensor(step, 1)
    shape = reader.constant(step, 1) if given is not None else None
    if shape is None and given is not None:
        inputs = (reader.value(step.inputs[0]), reader.value(step.inputs[1]))
        out = reader.add("reshape", inputs, step.name, zero_copies=False)
        reader.values[step.outputs[0]] = out
        return
    lengths: Any = shape
    if shape is None:
        lengths = step.options.array(0, "i4") if step.options else []
    target = [int(n) for n in lengths]
    if target and target[0] == 1 and -1 not in target[1:]:
        target[0] = -1  # of a batch of one
    _moved(reader, step, "reshape", shape=tuple(target), zero_copies=False)


def _numbers(reader: _Reader, step: _Step, place: int) -> list[int]:
    found = reader.constant(step, place)
    if found is None:
        raise ToolboxError(f"Input {place} of {step.name} is no constant.")
    return [int(number) for number in np.atleast_1d(found).flatten()]


def _pad(reader: _Reader, step: _Step) -> None:
    flat = _numbers(reader, step, 1)
    pads = tuple(zip(flat[::2], flat[1::2], strict=True))
    tensor = reader.tensor(step, 0)
    assert tensor is not None
    value = float(tensor.zero[0]) if tensor.quantized else 0.0
    if len(step.inputs) > 2:
        stored = reader.tensor(step, 2)
        given = stored.numbers() if stored is not None else None
        value = float(given.flat[0]) if given is not None else value
    _moved(reader, step, "pad", pads=pads, value=value)


def _reduce(mode: str) -> Rule:
    def make(reader: _Reader, step: _Step) -> None:
        axes = tuple(_numbers(reader, step, 1))
        keep = bool(step.option(0, "?"))
        x = reader.add(
            "reduce",
            (reader.real(step.inputs[0]),),
            step.name,
            mode=mode,
            axes=axes,
            keepdims=keep,
        )
        reader.give(step, x)

    return make


def _concat(reader: _Reader, step: _Step) -> None:
    parts = [reader.real(index) for index in step.inputs]
    axis = int(step.option(0))
    if len(reader.made.shape(parts[0])) and not reader._tensor(step.outputs[0]).quantized:
        parts = [reader.value(index) for index in step.inputs]
    reader.give(step, reader.add("concat", parts, step.name, axis=axis), step.option(1, "b"))


def _shape(reader: _Reader, step: _Step) -> None:
    reader.values[step.outputs[0]] = reader.add("shape", (reader.value(step.inputs[0]),))


def _strided_slice(reader: _Reader, step: _Step) -> None:
    begin, end, by = (_numbers(reader, step, place) for place in (1, 2, 3))
    begin_mask, end_mask, shrink = step.option(0), step.option(1), step.option(4)
    if step.option(2) or step.option(3):
        raise ToolboxError(f"{step.name} has an ellipsis or a new axis.")
    starts, ends, dropped = [], [], []
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        if shrink >> axis & 1:
            dropped.append(axis)
            starts.append(first)
            ends.append((first + 1) or 2**31 - 1)
            continue
        starts.append(0 if begin_mask >> axis & 1 else first)
        ends.append(2**31 - 1 if end_mask >> axis & 1 else last)
    x = reader.add(
        "slice",
        (reader.value(step.inputs[0]),),
        step.name,
        starts=starts,
        ends=ends,
        axes=list(range(len(starts))),
        steps=by,
    )
    if dropped:
        x = reader.add("squeeze", (x,), axes=tuple(dropped))
    reader.values[step.outputs[0]] = x


def _pack(reader: _Reader, step: _Step) -> None:
    axis = int(step.option(1))
    parts = [reader.add("unsqueeze", (reader.value(i),), axes=(axis,)) for i in step.inputs]
    kinds = {t.type for t in (reader.tensor(step, k) for k in range(len(parts))) if t is not None}
    if not kinds & {FLOAT, INT8, UINT8}:
        parts = [reader.add("cast", (part,), type="int64") for part in parts]
    reader.values[step.outputs[0]] = reader.add("concat", parts, step.name, axis=axis)


def _transpose(reader: _Reader, step: _Step) -> None:
    _moved(reader, step, "permute", axes=tuple(_numbers(reader, step, 1)))


def _squeeze(reader: _Reader, step: _Step) -> None:
    axes = tuple(int(n) for n in step.options.array(0, "i4")) if step.options else ()
    _moved(reader, step, "squeeze", axes=axes or None)


def _expand_dims(reader: _Reader, step: _Step) -> None:
    _moved(reader, step, "unsqueeze", axes=tuple(_numbers(reader, step, 1)))


def _dequantize(reader: _Reader, step: _Step) -> None:
    index = step.inputs[0]
    tensor = reader._tensor(index)
    stored = tensor.real()
    if stored is not None:
        value = reader.made.add_tensor(f"tensor:{index}:real", stored.astype("f4"))
    else:
        value = reader.real(index)
    reader.values[step.outputs[0]] = value


def _quantize(reader: _Reader, step: _Step) -> None:
    reader.give(step, reader.real(step.inputs[0]))


FLOAT, UINT8, INT8 = 0, 3, 9
SAME_SCALE = 1e-6
TYPES = {0: "f4", 1: "f2", 2: "i4", 3: "u1", 4: "i8", 6: "?", 7: "i2", 9: "i1", 10: "f8"}
LIMITS: dict[int, tuple[float, float | None]] = {1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
USUAL_SIDE = 224  # px, where the file leaves the size of images open
RULES: dict[int, Rule] = {
    0: _binary("add"),
    1: _pool("avg_pool"),
    2: _concat,
    3: _conv,
    4: _depthwise,
    6: _dequantize,
    9: _fully_connected,
    14: _unary("sigmoid"),
    17: _pool("max_pool"),
    18: _binary("mul"),
    19: _unary("relu"),
    21: _unary("clip", low=0.0, high=6.0),
    22: _reshape,
    25: _softmax("softmax"),
    28: _unary("tanh"),
    34: _pad,
    39: _transpose,
    40: _reduce("mean"),
    41: _binary("sub"),
    42: _binary("div"),
    43: _squeeze,
    45: _strided_slice,
    47: _unary("exp"),
    50: _softmax("log_softmax"),
    55: _binary("maximum", fused=False),
    57: _binary("minimum", fused=False),
    60: _pad,
    70: _expand_dims,
    74: _reduce("sum"),
    75: _unary("sqrt"),
    76: _unary("rsqrt"),
    77: _shape,
    82: _reduce("max"),
    83: _pack,
    92: _unary("square"),
    98: _leaky_relu,
    101: _unary("abs"),
    111: _unary("elu"),
    114: _quantize,
    117: _unary("hard_swish"),
}
OPERATORS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    34: "PAD",
    40: "MEAN",
    98: "LEAKY_RELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
}
TOOLBOX = Toolbox(
    name="LiteRT", endings=(".tflite", ".lite"), detect=detect_litert, read=read_litert
)
