"""PaddlePaddle's programs, ProgramDesc (`.pdmodel`) and PIR (`.json`), as one list of steps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError
from striate.toolboxes.wire.protobuf import DAMAGED, Message, read_message


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddleStep:
    """An operator: its inputs and outputs by their roles, and its attributes."""

    op: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def input(self, role: str) -> str:
        """The value in a role; "" where there is none."""
        return next(iter(self.inputs.get(role, ())), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddleProgram:
    """Steps in their order, the names of parameters, and the shapes of what is fed."""

    steps: tuple[PaddleStep, ...]
    parameters: tuple[str, ...]
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    version: str = ""


def read_program(content: bytes) -> PaddleProgram:
    """The program of a file of either kind. Raises `ToolboxError`."""
    if content.lstrip()[:1] == b"{":
        return _read_pir(content)
    return _read_desc(content)


def read_parameters(content: bytes, names: tuple[str, ...]) -> dict[str, Array]:
    """The tensors of a `.pdiparams`, which has no names: they come in the order of theirs."""
    view, at = memoryview(content), 0

    def take(count: int) -> memoryview:
        nonlocal at
        if not 0 <= count <= len(view) - at:
            raise ToolboxError(
                f"At byte {at:,} {count:,} bytes are announced; {len(view) - at:,} are left.",
                DAMAGED,
            )
        found = view[at : at + count]
        at += count
        return found

    tensors: dict[str, Array] = {}
    for name in sorted(names):
        take(4)
        for _ in range(_whole(take(8))):  # levels of ragged rows
            take(_whole(take(8)))
        take(4)
        header = read_message(take(_whole(take(4))), _TENSOR)
        shape = tuple(int(n) for n in header.get("dims", ()))
        kind = header.get("dtype", [FLOAT])[0]
        if kind not in TYPES:
            raise ToolboxError(f"The tensor {name!r} has the type {kind}, which is not known.")
        dtype = np.dtype(TYPES[kind]).newbyteorder("<")
        count = int(np.prod(shape, dtype=np.int64))
        tensors[name] = np.frombuffer(take(count * dtype.itemsize), dtype).reshape(shape)
    if at != len(view):
        raise ToolboxError(f"{len(view) - at:,} bytes are left behind the last parameter.", DAMAGED)
    return tensors


def _whole(piece: memoryview) -> int:
    return int.from_bytes(piece, "little")


def _read_desc(content: bytes) -> PaddleProgram:
    blocks = read_message(content, _PROGRAM).get("blocks", [])
    if len(blocks) != 1:
        raise ToolboxError(f"The program has {len(blocks)} blocks; one without branches is known.")
    block = blocks[0]
    parameters, shapes = [], {}
    for variable in block.get("vars", []):
        kind = variable["type"][0]
        name = str(variable["name"][0])
        tensor = kind.get("lod", [{}])[0].get("tensor", [{}])[0]
        shapes[name] = tuple(int(n) for n in tensor.get("dims", ()))
        if kind.get("kind", [0])[0] == TENSOR and variable.get("persistable", [0])[0]:
            parameters.append(name)
    steps = tuple(_desc_step(message) for message in block.get("ops", []))
    fed = [step.outputs[0] for step in steps if step.op == "feed"]
    return PaddleProgram(
        steps=steps,
        parameters=tuple(parameters),
        inputs={name: shapes.get(name, ()) for name in fed},
        version="ProgramDesc",
    )


def _desc_step(message: Message) -> PaddleStep:
    inputs = {
        str(given["parameter"][0]): tuple(given.get("arguments", ()))
        for given in message.get("inputs", [])
    }
    outputs = {
        str(given["parameter"][0]): tuple(given.get("arguments", ()))
        for given in message.get("outputs", [])
    }
    first = next((outputs[role] for role in ("Out", "Output", "Y") if outputs.get(role)), ())
    return PaddleStep(
        op=str(message["type"][0]),
        inputs=inputs,
        outputs=first,
        attributes={
            str(each["name"][0]): _desc_value(each) for each in message.get("attributes", [])
        },
    )


def _desc_value(message: Message) -> Any:
    for kind in ("ints", "floats", "longs"):
        if kind in message:
            return [number.item() for number in message[kind]]
    for kind in ("int", "float", "text", "truth", "long"):
        if kind in message:
            return message[kind][0]
    return None


def _read_pir(content: bytes) -> PaddleProgram:
    try:
        found = json.loads(content)
        operators = found["program"]["regions"][0]["blocks"][0]["ops"]
        version = f"PIR {found['base_code']['version']}"
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ToolboxError("It is no PIR program.", DAMAGED) from error
    names: dict[int, str] = {}
    parameters, steps, inputs = [], [], {}
    for operator in operators:
        op = str(operator["#"]).partition(".")[2] or str(operator["#"])
        results = operator["O"] if isinstance(operator["O"], list) else [operator["O"]]
        numbers = [int(result["%"]) for result in results]
        if op == "p":
            names[numbers[0]] = str(operator["A"][3])
            parameters.append(names[numbers[0]])
            continue
        attributes = {each["N"]: _pir_value(each["AT"]) for each in operator["A"]}
        names.update({number: f"%{number}" for number in numbers if number})
        given = [names.get(int(each["%"]), "") for each in operator.get("I", [])]
        if op == "data":
            name = names[numbers[0]] = str(attributes.get("name", "images"))
            inputs[name] = tuple(attributes.get("shape", ()))
            continue
        roles = PIR_ROLES.get(op, ("X", "Y", "Z"))
        steps.append(
            PaddleStep(
                op=PIR_NAMES.get(op, op),
                inputs={role: (v,) for role, v in zip(roles, given, strict=False) if v},
                outputs=tuple(names[n] for n in numbers if n),
                attributes=attributes,
            )
        )
    return PaddleProgram(
        steps=tuple(steps), parameters=tuple(parameters), inputs=inputs, version=version
    )


def _pir_value(given: Mapping[str, Any]) -> Any:
    value = given.get("D")
    if isinstance(value, list):
        return [_pir_value(each) if isinstance(each, dict) else each for each in value]
    return value


FLOAT, TENSOR = 5, 7
TYPES = {0: "?", 1: "i2", 2: "i4", 3: "i8", 4: "f2", 5: "f4", 6: "f8", 20: "u1", 21: "i1"}
PIR_ROLES = {
    "conv2d": ("Input", "Filter"),
    "depthwise_conv2d": ("Input", "Filter"),
    "batch_norm_": ("X", "Mean", "Variance", "Scale", "Bias"),
    "pool2d": ("X", "Size"),
    "dropout": ("X", "Seed", "Probability"),
    "reshape": ("X", "Shape"),
}
PIR_NAMES = {
    "batch_norm_": "batch_norm",
    "add": "elementwise_add",
    "subtract": "elementwise_sub",
    "multiply": "elementwise_mul",
    "divide": "elementwise_div",
    "matmul": "matmul_v2",
    "flatten": "flatten_contiguous_range",
    "reshape": "reshape2",
    "transpose": "transpose2",
    "hardswish": "hard_swish",
    "hardsigmoid": "hard_sigmoid",
}
_TENSOR = {1: ("dtype", "int"), 2: ("dims", "ints")}
_NAMED = {1: ("parameter", "text"), 2: ("arguments", "text")}
_ATTRIBUTE = {
    1: ("name", "text"),
    3: ("int", "int"),
    4: ("float", "float"),
    5: ("text", "text"),
    6: ("ints", "ints"),
    7: ("floats", "floats"),
    10: ("truth", "int"),
    13: ("long", "int"),
    15: ("longs", "ints"),
}
_VARIABLE = {
    1: ("name", "text"),
    2: ("type", {1: ("kind", "int"), 3: ("lod", {1: ("tensor", _TENSOR)})}),
    3: ("persistable", "int"),
}
_OPERATOR = {
    1: ("inputs", _NAMED),
    2: ("outputs", _NAMED),
    3: ("type", "text"),
    4: ("attributes", _ATTRIBUTE),
}
_PROGRAM = {1: ("blocks", {3: ("vars", _VARIABLE), 4: ("ops", _OPERATOR)})}
