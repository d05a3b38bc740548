"""Pickles read by a machine of our own: names stay words, and nothing is ever imported or called.

Each opcode is walked; a class or function of the file becomes a `Record` with what was given to
it. Arrays of numpy are put together here, from the bytes alone.
"""

import io
import math
import pickletools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError


@dataclass(eq=False)
class Record:
    """An object of the file: its class or function by name, what was given to it, its state."""

    name: str
    given: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    array: Array | None = None


Known = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class _Name:
    full: str


def read_pickle(
    content: bytes,
    known: Known | None = None,
    persistent: Callable[[Any], Any] | None = None,
    at: int = 0,
) -> tuple[Any, int]:
    """The value of the pickle that begins at a byte, and the byte behind it.

    `known` gives for a full name, such as `torch._utils._rebuild_tensor_v2`, what stands for its
    call, beside those of numpy and of dictionaries. `persistent` gives what stands for a
    persistent id. Objects of other classes come as `Record`. Raises `ToolboxError` where a
    function that is not known would be called, or a name is of Python's own library.
    """
    stream = io.BytesIO(content)
    stream.seek(at)
    machine = _Machine({**ALWAYS_KNOWN, **(known or {})}, persistent)
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if count > MOST_OPCODES:
                raise ToolboxError(f"The pickle has more than {MOST_OPCODES:,} steps.")
            machine.step(opcode.name, argument, position or 0)
    except ToolboxError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ToolboxError(
            f"The pickle is damaged: {str(error)[:100]}.", "Take a copy that is whole."
        ) from error
    return _settle(machine.result, {}, 0), stream.tell()


def has_pickle(head: bytes) -> bool:
    """Whether bytes begin as a pickle of protocol 2 or later does."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def begins_with_list(head: bytes) -> bool:
    """Whether the first thing that a pickle makes is a list."""
    at = 11 if head[2:3] == b"\x95" else 2  # behind the length of a frame
    return has_pickle(head) and head[at : at + 1] == b"]"


def collect_arrays(value: Any) -> dict[str, Array]:
    """The arrays of a dictionary by name: its own, or those of the first dictionary within."""
    if not isinstance(value, dict):
        return {}
    own = {str(name): a for name, a in value.items() if _is_array(a)}
    if own:
        return {name: np.asarray(a) for name, a in own.items()}
    found = (collect_arrays(inner) for inner in value.values())
    return next((arrays for arrays in found if arrays), {})


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim > 0


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self, known: Known, persistent: Callable[[Any], Any] | None) -> None:
        self.known, self.persistent = known, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, op: str, argument: Any, position: int) -> None:
        if op in VALUES:
            self.stack.append(argument)
        elif op in CONSTANTS:
            self.stack.append(CONSTANTS[op])
        elif op in EMPTY:
            self.stack.append(EMPTY[op]())
        elif op in ("GLOBAL", "STACK_GLOBAL"):
            if op == "STACK_GLOBAL":
                name, module = self.stack.pop(), self.stack.pop()
            else:
                module, name = argument.split(" ", 1)
            self.stack.append(self._named(module, name, position))
        elif hasattr(self, f"_{op.lower()}"):
            getattr(self, f"_{op.lower()}")(argument)
        elif op not in IGNORED:
            raise ToolboxError(
                f"The pickle has a step {op} at byte {position:,}, which could run code.", REFUSED
            )

    def _named(self, module: Any, name: Any, position: int) -> _Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ToolboxError(f"A name at byte {position:,} is no text.", REFUSED)
        full = f"{OLD_MODULES.get(module, module)}.{name}"
        root = module.split(".")[0]
        if ("." in name and full not in self.known) or (
            full not in self.known
            and full not in HARMLESS
            and (root in sys.stdlib_module_names or root in PYTHON_2)
        ):
            raise ToolboxError(
                f"The pickle asks for {module}.{name} at byte {position:,}, which could run code.",
                REFUSED,
            )
        return _Name(full)

    def _since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        found = self.stack[mark:]
        del self.stack[mark:]
        return found

    def _mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def _pop(self, _: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _stop(self, _: Any) -> None:
        self.result = self.stack.pop()

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _put(self, place: Any) -> None:
        self.memo[int(place)] = self.stack[-1]

    _binput = _long_binput = _put

    def _get(self, place: Any) -> None:
        self.stack.append(self.memo[int(place)])

    _binget = _long_binget = _get

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _: Any) -> None:
        self._last_as_tuple(1)

    def _tuple2(self, _: Any) -> None:
        self._last_as_tuple(2)

    def _tuple3(self, _: Any) -> None:
        self._last_as_tuple(3)

    def _last_as_tuple(self, count: int) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _dict(self, _: Any) -> None:
        flat = self._since_mark()
        self.stack.append(dict(zip(map(_key, flat[::2]), flat[1::2], strict=True)))

    def _frozenset(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        self._add(self.stack[-1], [value])

    def _appends(self, _: Any) -> None:
        values = self._since_mark()
        self._add(self.stack[-1], values)

    _additems = _appends

    def _add(self, target: Any, values: list[Any]) -> None:
        if isinstance(target, list):
            target += values
        elif isinstance(target, Record):
            target.items.update(enumerate(values, len(target.items)))
        else:
            raise ToolboxError("The pickle appends to what is no list.", REFUSED)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [key, value])

    def _setitems(self, _: Any) -> None:
        flat = self._since_mark()
        self._set(self.stack[-1], flat)

    def _set(self, target: Any, flat: list[Any]) -> None:
        place = target.items if isinstance(target, Record) else target
        if not isinstance(place, dict):
            raise ToolboxError("The pickle sets items of what is no dictionary.", REFUSED)
        place.update(zip(map(_key, flat[::2]), flat[1::2], strict=True))

    def _reduce(self, _: Any) -> None:
        given, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Name) or not isinstance(given, tuple):
            raise ToolboxError("The pickle calls what is no name.", REFUSED)
        if called.full in self.known:
            self.stack.append(self.known[called.full](*given))
        elif called.full in HARMLESS:
            self.stack.append(Record(called.full, given))
        else:
            raise ToolboxError(f"The pickle would call {called.full}.", REFUSED)

    def _newobj(self, _: Any) -> None:
        given, made = self.stack.pop(), self.stack.pop()
        self._make(made, given)

    def _newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._newobj(None)

    def _make(self, made: Any, given: Any) -> None:
        if not isinstance(made, _Name) or not isinstance(given, tuple):
            raise ToolboxError("The pickle makes an object of what is no name.", REFUSED)
        maker = self.known.get(made.full)
        self.stack.append(maker(*given) if maker else Record(made.full, given))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            target.state = state
            if target.name == NUMPY_ARRAY:
                target.array = _make_array(state)
            elif target.name == NUMPY_TYPE:
                target.array = np.zeros(0, _resolve_type(target))
        elif not isinstance(target, dict):  # an ordered dictionary of torch has a state of its own
            raise ToolboxError("The pickle gives a state to what is no object.", REFUSED)

    def _persid(self, argument: Any) -> None:
        raise ToolboxError("The pickle refers to what is not in it.", REFUSED)

    def _binpersid(self, _: Any) -> None:
        if self.persistent is None:
            raise ToolboxError("The pickle refers to what is not in it.", REFUSED)
        self.stack.append(self.persistent(_plain_names(self.stack.pop())))


def _plain_names(value: Any) -> Any:
    return tuple(each.full if isinstance(each, _Name) else each for each in value)


def _key(value: Any) -> Any:
    if isinstance(value, dict | list | Record):
        raise ToolboxError("A key in the pickle is no word or number.", REFUSED)
    return value


def _settle(value: Any, seen: dict[int, Any], depth: int) -> Any:
    """The value with arrays in place of their records, and names as words."""
    if depth > MOST_DEPTH:
        raise ToolboxError(f"Values in the pickle lie more than {MOST_DEPTH} deep in each other.")
    if isinstance(value, _Name):
        return value.full
    if isinstance(value, Record):
        if value.array is not None:
            return value.array
        if id(value) not in seen:
            seen[id(value)] = value
            value.given = tuple(_settle(each, seen, depth + 1) for each in value.given)
            value.state = _settle(value.state, seen, depth + 1)
            value.items = {k: _settle(v, seen, depth + 1) for k, v in value.items.items()}
        return value
    if isinstance(value, dict | list):
        if id(value) in seen:
            return seen[id(value)]
        seen[id(value)] = value
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in list(pairs):
            value[key] = _settle(each, seen, depth + 1)
        return value
    if isinstance(value, tuple):
        return tuple(_settle(each, seen, depth + 1) for each in value)
    return value


# Arrays of numpy ---------------------------------------------------------------------------------


def _start_array(*given: Any) -> Record:
    return Record(NUMPY_ARRAY, given)


def _start_type(*given: Any) -> Record:
    return Record(NUMPY_TYPE, given)


def _resolve_type(record: Any) -> np.dtype[Any]:
    """The type of numbers that a record names; objects are refused."""
    name = record.given[0] if isinstance(record, Record) and record.given else None
    if not isinstance(name, str) or name[:1] not in "fiubc?" or len(name) > 8:
        raise ToolboxError(f"Arrays of type {name!r} are not read.", REFUSED)
    found = np.dtype(name)
    order = record.state[1] if isinstance(record.state, tuple) and len(record.state) > 1 else "<"
    return found.newbyteorder(">" if order == ">" else "<")


def _make_array(state: Any) -> Array:
    """An array from its state: (version, shape, type, column-major, bytes)."""
    _, shape, kind, by_column, content = state
    if isinstance(content, str):
        content = content.encode("latin-1")
    found = _resolve_type(kind)
    if not isinstance(content, bytes | bytearray):
        raise ToolboxError("An array in the pickle holds objects, not numbers.", REFUSED)
    count = math.prod(int(length) for length in shape)
    if min(shape, default=0) < 0 or count * found.itemsize != len(content):
        raise ToolboxError(
            f"An array of shape {shape} has {len(content):,} bytes.", "Take a copy that is whole."
        )
    made = np.frombuffer(content, found).reshape(shape, order="F" if by_column else "C")
    return made.astype(found.newbyteorder("="))


def _make_scalar(kind: Any, content: Any = b"") -> Any:
    if isinstance(content, str):
        content = content.encode("latin-1")
    return np.frombuffer(content, _resolve_type(kind), count=1)[0].item()


def _array_from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> Record:
    """Protocol 5 keeps an array's bytes in the stream."""
    made = Record(NUMPY_ARRAY)
    made.array = _make_array((1, shape, kind, order == "F", bytes(content)))
    return made


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str):
        raise ToolboxError("The pickle encodes what is no text.", REFUSED)
    return text.encode("latin-1" if str(encoding).startswith("latin") else "utf-8")


def _ordered(*given: Any) -> dict[Any, Any]:
    pairs = given[0] if given else []
    return {_key(pair[0]): pair[1] for pair in pairs}


NUMPY_ARRAY, NUMPY_TYPE = "numpy.ndarray", "numpy.dtype"
OLD_MODULES = {
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
    "__builtin__": "builtins",
}
ALWAYS_KNOWN: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _start_array,
    "numpy.core.multiarray.scalar": _make_scalar,
    "numpy.core.numeric._frombuffer": _array_from_buffer,
    "numpy.ndarray": _start_array,
    "numpy.dtype": _start_type,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _ordered,
    "builtins.set": lambda given=(): list(given),
    "builtins.frozenset": lambda given=(): list(given),
    "builtins.bytearray": lambda *given: given[0] if given else b"",
}
HARMLESS = {
    "argparse.Namespace",
    "collections.defaultdict",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "builtins.dict",
    "builtins.list",
    "builtins.object",
    "builtins.int",
    "builtins.float",
    "builtins.set",
}
PYTHON_2 = {"commands", "__builtin__", "os2", "popen2", "exceptions", "cPickle", "copy_reg"}
VALUES = set(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT "
    "BINFLOAT".split()
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
IGNORED = {"PROTO", "FRAME"}
MOST_OPCODES = 4_000_000
MOST_DEPTH = 200
REFUSED = "Save the weights alone: as .safetensors, .npz, or a dictionary of arrays."
