"""PaddlePaddle: programs with their parameters, and states of a layer in a pickle (`.pdparams`)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, Node, ToolboxError
from striate.toolboxes.wire.paddle_program import (
    PaddleProgram,
    PaddleStep,
    read_parameters,
    read_program,
)
from striate.toolboxes.wire.pickles import collect_arrays, has_pickle, read_pickle


def detect_paddle(files: Sequence[GivenFile]) -> int:
    """2 for programs and for pickles with the toolbox's ending, 1 by the other endings."""
    ending, head = files[0].ending, files[0].head
    if ending == ".pdparams" and has_pickle(head):
        return 2
    if ending in (".pdmodel", ".pdiparams") or b'"magic":"pir"' in head.replace(b" ", b"")[:200]:
        return 2
    return int(ending == ".pdparams")


def read_paddle(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    """The network of a program and its parameters, or the arrays of a state by their names."""
    if has_pickle(files[0].head):
        tensors = collect_arrays(read_pickle(files[0].read())[0])
        if not tensors:
            raise ToolboxError("The pickle holds no arrays by name.")
        return NamedTensors(tensors=tensors, toolbox="Paddle")
    program_path, weights_path = _find_pair([each.path for each in files])
    program = read_program(program_path.read_bytes())
    tensors = {}
    if program.parameters:
        if not weights_path.is_file():
            raise ToolboxError(
                f"{weights_path.name} with the weights is missing.", "Put it beside the program."
            )
        tensors = read_parameters(weights_path.read_bytes(), program.parameters)
    return _Maker(program, tensors).make()


def _find_pair(paths: Sequence[Path]) -> tuple[Path, Path]:
    """The program and the parameters: both named, or the one beside the other."""
    weights = next((p for p in paths if p.suffix == ".pdiparams"), None)
    program = next((p for p in paths if p.suffix != ".pdiparams"), None)
    if program is None:
        assert weights is not None
        beside = [weights.with_suffix(suffix) for suffix in (".pdmodel", ".json")]
        program = next((p for p in beside if p.is_file()), None)
        if program is None:
            raise ToolboxError(
                "The file holds numbers without names; the program beside it is missing.",
                "Name the .pdmodel or .json file together with it.",
            )
    return program, weights or program.with_suffix(".pdiparams")


class _Maker:
    """Makes the graph's nodes from a program's steps."""

    def __init__(self, program: PaddleProgram, tensors: dict[str, Array]) -> None:
        self.program, self.tensors = program, dict(tensors)
        self.nodes: list[Node] = []
        self.numbers: dict[str, Any] = {}  # values of constants that are attributes here
        self.flat: set[str] = set()  # values of two axes, without a map

    def make(self) -> Graph:
        """The graph up to what is fetched."""
        outputs = []
        layers: dict[str, str] = {}
        for number, step in enumerate(self.program.steps):
            if step.op in ("feed", "fetch"):
                outputs += [step.input("X")] if step.op == "fetch" else []
                continue
            rule = RULES.get(step.op)
            if rule is None:
                raise ToolboxError(
                    f"The operation {step.op!r} (number {number}) is not known; "
                    f"{number} of {len(self.program.steps)} before it are."
                )
            rule(self, step)
            struct = str(step.attributes.get("struct_name", "")).strip("/")
            for name in filter(None, (struct, step.outputs[0] if step.outputs else "")):
                layers[name] = step.outputs[0]
        inputs = tuple(
            GraphInput(name=name, shape=tuple(n if n > 0 else None for n in shape))
            for name, shape in self.program.inputs.items()
        )
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=inputs,
            outputs=tuple(outputs),
            toolbox="Paddle",
            version=self.program.version,
            layers=layers,
        )

    def add(self, op: str, step: PaddleStep, inputs: Sequence[str], **given: Any) -> None:
        """Add the node of a step."""
        out = step.outputs[0]
        self.nodes.append(
            Node(op=op, name=out, inputs=tuple(inputs), outputs=(out,), attributes=given)
        )
        shape = given.get("shape")
        if len(shape) == 2 if shape else op in ("flatten", "linear") or inputs[0] in self.flat:
            self.flat.add(out)

    def shape_of(self, name: str, step: PaddleStep) -> tuple[int, ...]:
        """The shape of a parameter."""
        if name not in self.tensors:
            raise ToolboxError(f"{step.op} reads no constant weights: {name!r}.")
        return self.tensors[name].shape


def _window(step: PaddleStep, kernel: Sequence[int]) -> dict[str, Any]:
    attributes = step.attributes
    stride = tuple(int(n) for n in attributes.get("strides", (1, 1)))
    how = attributes.get("padding_algorithm", "EXPLICIT")
    pads: Any = [int(n) for n in attributes.get("paddings", (0, 0))]
    if how == "SAME":
        pads = "same_upper"
    elif how == "VALID":
        pads = (0, 0, 0, 0)
    elif len(pads) == 2:
        pads = (pads[1], pads[1], pads[0], pads[0])
    else:  # top, bottom, left, right
        pads = (pads[2], pads[3], pads[0], pads[1])
    return {"stride": stride, "pads": pads}


def _conv(maker: _Maker, step: PaddleStep) -> None:
    weight = step.input("Filter")
    kernel = maker.shape_of(weight, step)[2:]
    maker.add(
        "conv",
        step,
        (step.input("Input"), weight),
        groups=int(step.attributes.get("groups", 1)),
        dilation=tuple(int(n) for n in step.attributes.get("dilations", (1, 1))),
        **_window(step, kernel),
    )


def _batch_norm(maker: _Maker, step: PaddleStep) -> None:
    names = [step.input(role) for role in ("X", "Scale", "Bias", "Mean", "Variance")]
    epsilon = float(step.attributes.get("epsilon", 1e-5))
    maker.add("batch_norm", step, names, epsilon=epsilon)


def _pool(maker: _Maker, step: PaddleStep) -> None:
    attributes = step.attributes
    kernel = attributes.get("ksize") or maker.numbers.get(step.input("Size"))
    maximum = attributes.get("pooling_type") == "max"
    if kernel is None:
        raise ToolboxError(f"The window of the pooling {step.outputs[0]!r} is no constant.")
    kernel = tuple(int(n) for n in kernel)
    if attributes.get("global_pooling") or (attributes.get("adaptive") and kernel == (1, 1)):
        mode = "max" if maximum else "mean"
        maker.add("reduce", step, (step.input("X"),), mode=mode, axes=(2, 3), keepdims=True)
        return
    if attributes.get("adaptive"):
        op = "adaptive_max_pool" if maximum else "adaptive_avg_pool"
        maker.add(op, step, (step.input("X"),), size=kernel)
        return
    given = {"kernel": kernel, "ceil_mode": bool(attributes.get("ceil_mode"))}
    if not maximum:
        given["count_include_pad"] = not attributes.get("exclusive", True)
    op = "max_pool" if maximum else "avg_pool"
    maker.add(op, step, (step.input("X"),), **given, **_window(step, kernel))


def _flatten(maker: _Maker, step: PaddleStep) -> None:
    start, stop = step.attributes.get("start_axis", 1), step.attributes.get("stop_axis", -1)
    if start != 1 or stop not in (-1, 3):
        raise ToolboxError(f"The flattening {step.outputs[0]!r} of axes {start} to {stop}.")
    maker.add("flatten", step, (step.input("X"),), axis=1)


def _matmul(maker: _Maker, step: PaddleStep) -> None:
    x, y = step.input("X"), step.input("Y")
    attributes = step.attributes
    if attributes.get("trans_x", attributes.get("transpose_x")):
        raise ToolboxError(f"The product {step.outputs[0]!r} turns its first factor.")
    if y in maker.tensors and maker.tensors[y].ndim == 2:
        turned = attributes.get("trans_y", attributes.get("transpose_y"))
        name = f"{y}:linear"
        maker.tensors[name] = np.ascontiguousarray(
            maker.tensors[y] if turned else maker.tensors[y].T
        )
        maker.add("linear", step, (x, name))
    else:
        maker.add("matmul", step, (x, y))


def _binary(op: str) -> "Rule":
    def rule(maker: _Maker, step: PaddleStep) -> None:
        x, y = step.input("X"), step.input("Y")
        axis = int(step.attributes.get("axis", -1))
        narrow = y in maker.tensors and maker.tensors[y].ndim == 1
        if axis == 1 and narrow and x not in maker.flat:
            name = f"{y}:channels"  # one number a channel of a map
            maker.tensors[name] = maker.tensors[y].reshape(-1, 1, 1)
            y = name
        maker.add(op, step, (x, y))

    return rule


def _unary(op: str, **renamed: tuple[str, float]) -> "Rule":
    def rule(maker: _Maker, step: PaddleStep) -> None:
        given = {}
        for ours, (theirs, default) in renamed.items():
            value = step.attributes.get(theirs, step.attributes.get(f"negative_{theirs}"))
            given[ours] = float(default if value is None else value)
        maker.add(op, step, (step.input("X"),), **given)

    return rule


def _hard_swish(maker: _Maker, step: PaddleStep) -> None:
    scale = float(step.attributes.get("scale", 6.0))
    offset = float(step.attributes.get("offset", 3.0))
    maker.add("hard_swish", step, (step.input("X"),), alpha=1 / scale, beta=offset / scale)


def _leaky_relu(maker: _Maker, step: PaddleStep) -> None:
    attributes = step.attributes
    slope = float(attributes.get("alpha", attributes.get("negative_slope", 0.02)))
    maker.add("leaky_relu", step, (step.input("X"),), slope=slope)


def _dropout(maker: _Maker, step: PaddleStep) -> None:
    attributes = step.attributes
    p = attributes.get("dropout_prob", maker.numbers.get(step.input("Probability"), 0.5))
    how = attributes.get("dropout_implementation", attributes.get("mode", ""))
    scale = 1.0 - float(p) if how == "downgrade_in_infer" else 1.0
    maker.add("dropout", step, (step.input("X"),), p=float(p), test_scale=scale)


def _softmax(op: str) -> "Rule":
    def rule(maker: _Maker, step: PaddleStep) -> None:
        maker.add(op, step, (step.input("X"),), axis=int(step.attributes.get("axis", -1)))

    return rule


def _reshape(maker: _Maker, step: PaddleStep) -> None:
    shape = step.attributes.get("shape") or maker.numbers.get(step.input("Shape"))
    if not shape:
        raise ToolboxError(f"The shape of {step.outputs[0]!r} is no constant.")
    maker.add("reshape", step, (step.input("X"),), shape=tuple(int(n) for n in shape))


def _transpose(maker: _Maker, step: PaddleStep) -> None:
    axes = step.attributes.get("axis", step.attributes.get("perm", ()))
    maker.add("permute", step, (step.input("X"),), axes=tuple(int(n) for n in axes))


def _concat(maker: _Maker, step: PaddleStep) -> None:
    axis = int(step.attributes.get("axis", 0))
    maker.add("concat", step, step.inputs.get("X", ()), axis=axis)


def _scale(maker: _Maker, step: PaddleStep) -> None:
    """x · scale + bias"""
    x, out = step.input("X"), step.outputs[0]
    for op, value in (
        ("mul", float(step.attributes.get("scale", 1.0))),
        ("add", float(step.attributes.get("bias", 0.0))),
    ):
        name = f"{out}:{op}"
        maker.tensors[name] = np.array(value, np.float32)
        result = out if op == "add" else f"{out}:scaled"
        maker.nodes.append(
            Node(op=op, name=result, inputs=(x, name), outputs=(result,), attributes={})
        )
        x = result


def _constant(maker: _Maker, step: PaddleStep) -> None:
    maker.numbers[step.outputs[0]] = step.attributes.get("value")


def _skip(maker: _Maker, step: PaddleStep) -> None:
    """Shapes that only ready-made reshapes ask for: they are worked out again where needed."""


Rule = Callable[[_Maker, PaddleStep], None]
RULES: dict[str, Rule] = {
    "conv2d": _conv,
    "depthwise_conv2d": _conv,
    "batch_norm": _batch_norm,
    "pool2d": _pool,
    "flatten_contiguous_range": _flatten,
    "matmul_v2": _matmul,
    "mul": _matmul,
    "elementwise_add": _binary("add"),
    "elementwise_sub": _binary("sub"),
    "elementwise_mul": _binary("mul"),
    "elementwise_div": _binary("div"),
    "relu": _unary("relu"),
    "relu6": lambda maker, step: maker.add("clip", step, (step.input("X"),), low=0.0, high=6.0),
    "sigmoid": _unary("sigmoid"),
    "tanh": _unary("tanh"),
    "leaky_relu": _leaky_relu,
    "hard_swish": _hard_swish,
    "hard_sigmoid": _unary("hard_sigmoid", alpha=("slope", 0.2), beta=("offset", 0.5)),
    "swish": _unary("silu"),
    "dropout": _dropout,
    "softmax": _softmax("softmax"),
    "log_softmax": _softmax("log_softmax"),
    "reshape2": _reshape,
    "transpose2": _transpose,
    "concat": _concat,
    "scale": _scale,
    "assign": _unary("identity"),
    "full": _constant,
    "full_int_array": _constant,
    "shape": _skip,
    "slice": _skip,
    "fill_constant": _skip,
}
TOOLBOX = Toolbox(
    name="Paddle",
    endings=(".pdparams", ".pdmodel", ".pdiparams"),
    detect=detect_paddle,
    read=read_paddle,
)
