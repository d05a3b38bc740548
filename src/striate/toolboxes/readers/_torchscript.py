"""The program text of TorchScript, walked as a syntax tree: nothing of it is run.

A call of a function of torch becomes a node; methods and functions of the file are followed;
branches are chosen where what they ask is known, and those that raise are left out.
"""

import ast
from collections.abc import Callable, Mapping
from typing import Any

from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.readers._aten import CallRecorder, Value
from striate.toolboxes.wire.pickles import Record


class _Unknown:
    """What depends on the images, such as how many there are."""


class _Raised(Exception):
    """A branch that ends in an error of the program."""


UNKNOWN = _Unknown()


class ScriptWalker:
    """Follows `forward` of a module through the program and records the calls of torch."""

    def __init__(
        self,
        source_of: Callable[[str], str],
        constants: Mapping[str, Any],
        recorder: CallRecorder,
        weight_of: Callable[[Any, str], Any],
    ) -> None:
        self.source_of, self.constants, self.recorder = source_of, constants, recorder
        self.weight_of = weight_of
        self.trees: dict[str, ast.Module] = {}
        self.layers: dict[str, str] = {}
        self.paths: dict[int, str] = {}
        self.depth = 0

    def forward(self, module: Record, images: Value) -> Any:
        """What the module's `forward` gives for images."""
        self._name_modules(module, "")
        return self._method(module, "forward", [images])

    def _name_modules(self, module: Record, path: str) -> None:
        if id(module) in self.paths or len(self.paths) > MOST_MODULES:
            return
        self.paths[id(module)] = path
        for name, value in (module.state or {}).items():
            if isinstance(value, Record):
                self._name_modules(value, f"{path}.{name}" if path else str(name))

    def _tree(self, module: str) -> ast.Module:
        if module not in self.trees:
            try:
                self.trees[module] = ast.parse(self.source_of(module))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                raise ToolboxError(f"The program of {module} cannot be read.") from error
        return self.trees[module]

    def _find(self, full: str, kind: type[ast.AST]) -> Any:
        module, name = full.rsplit(".", 1)
        for statement in self._tree(module).body:
            if isinstance(statement, kind) and getattr(statement, "name", "") == name:
                return statement
        raise ToolboxError(f"The program has no {full}.")

    def _method(self, module: Record, name: str, args: list[Any]) -> Any:
        defined = self._find(module.name, ast.ClassDef)
        for statement in defined.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == name:
                found = self._run(statement, [module, *args], {})
                if name == "forward" and isinstance(found, Value) and self.paths.get(id(module)):
                    self.layers[self.paths[id(module)]] = found.name
                return found
        raise ToolboxError(f"{module.name} has no {name}.")

    def _run(self, function: ast.FunctionDef, args: list[Any], named: dict[str, Any]) -> Any:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise ToolboxError("Functions of the program call each other too deep.")
        names = [argument.arg for argument in function.args.args]
        defaults = function.args.defaults
        scope: dict[str, Any] = {}
        for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
            scope[name] = self._value(default, {})
        scope.update(zip(names, args, strict=False))
        scope.update(named)
        try:
            found = self._block(function.body, scope)
        finally:
            self.depth -= 1
        return found[0] if found else None

    def _block(self, body: list[ast.stmt], scope: dict[str, Any]) -> tuple[Any] | None:
        """The value that a block returns, in a tuple; None where it does not return."""
        for statement in body:
            match statement:
                case ast.Return(value=None):
                    return (None,)
                case ast.Return(value=value):
                    assert value is not None
                    return (self._value(value, scope),)
                case ast.Assign(targets=[target], value=value):
                    self._assign(target, self._value(value, scope), scope)
                case ast.AnnAssign(target=target, value=value) if value is not None:
                    self._assign(target, self._value(value, scope), scope)
                case ast.If():
                    found = self._branch(statement, scope)
                    if found is not None:
                        return found
                case ast.Expr(value=value):
                    self._value(value, scope)
                case ast.Pass() | ast.AnnAssign():
                    pass
                case _:
                    raise ToolboxError(
                        f"Line {statement.lineno} of the program ({type(statement).__name__}) "
                        "depends on the images."
                    )
        return None

    def _assign(self, target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
        match target:
            case ast.Name(id=name):
                scope[name] = value
            case ast.Tuple(elts=parts):
                if not isinstance(value, list | tuple) or len(value) < len(parts):
                    raise ToolboxError("The program takes apart what has not as many parts.")
                for part, each in zip(parts, value, strict=False):
                    self._assign(part, each, scope)
            case _:
                raise ToolboxError("The program changes what it was given.")

    def _branch(self, statement: ast.If, scope: dict[str, Any]) -> tuple[Any] | None:
        asked = self._value(statement.test, scope)
        if isinstance(asked, _Unknown | Value):
            for body in (statement.orelse, statement.body):
                kept = len(self.recorder.nodes)
                try:
                    return self._block(body, scope)
                except _Raised:
                    del self.recorder.nodes[kept:]
            raise ToolboxError("The program raises an error whatever it is given.")
        return self._block(statement.body if asked else statement.orelse, scope)

    # Values --------------------------------------------------------------------------------------

    def _value(self, node: ast.expr, scope: dict[str, Any]) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in scope:
                    return scope[name]
                return {"inf": float("inf"), "nan": float("nan")}.get(name, _Path(name))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self._value(inner, scope)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                value = self._value(inner, scope)
                return value if isinstance(value, _Unknown) else not value
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self._value(part, scope) for part in parts]
            case ast.Attribute(value=inner, attr=name):
                return self._attribute(self._value(inner, scope), name)
            case ast.Subscript(value=inner, slice=index):
                return self._item(self._value(inner, scope), self._value(index, scope))
            case ast.Call():
                return self._call(node, scope)
            case ast.IfExp(test=test, body=body, orelse=other):
                asked = self._value(test, scope)
                if isinstance(asked, _Unknown):
                    raise ToolboxError("The program asks what depends on the images.")
                return self._value(body if asked else other, scope)
        raise ToolboxError(
            f"Line {node.lineno} of the program has a {type(node).__name__}, which is not known."
        )

    def _attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, _Path):
            if owner.full == "CONSTANTS":
                return self.constants[name]
            return _Path(f"{owner.full}.{name}")
        if isinstance(owner, Record):
            state = owner.state if isinstance(owner.state, dict) else {}
            if name not in state:
                return _Method(owner, name)
            if name == "training":
                return False
            value = state[name]
            return (
                value
                if isinstance(value, Record)
                else self.weight_of(value, self._path(owner, name))
            )
        raise ToolboxError(f"The program asks for {name!r} of what has none.")

    def _path(self, owner: Record, name: str) -> str:
        path = self.paths.get(id(owner), "")
        return f"{path}.{name}" if path else name

    def _item(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, list | tuple) and isinstance(index, int):
            return owner[index]
        return UNKNOWN

    def _call(self, node: ast.Call, scope: dict[str, Any]) -> Any:
        called = self._value(node.func, scope)
        args = [self._value(argument, scope) for argument in node.args]
        named = {word.arg: self._value(word.value, scope) for word in node.keywords if word.arg}
        if isinstance(called, _Method):
            return self._method(called.owner, called.name, args)
        if not isinstance(called, _Path):
            raise ToolboxError(f"Line {node.lineno} of the program calls what is no function.")
        full = called.full
        if full == "ops.prim.RaiseException":
            raise _Raised
        if full in ("unchecked_cast", "annotate"):
            return args[-1]
        if full.startswith("__torch__."):
            return self._run(self._find(full, ast.FunctionDef), args, named)
        return self._torch(full, args, named)

    def _torch(self, full: str, args: list[Any], named: dict[str, Any]) -> Any:
        """A function of torch: on what is known at once its value, else a node."""
        name = full.split(".")[-1]
        if name in SILENT:
            return None
        if name in ("__is__", "__isnot__"):
            same = args[0] is args[1]
            return same if name == "__is__" else not same
        if name in PLAIN and not any(isinstance(arg, Value) for arg in args):
            if any(isinstance(arg, _Unknown) for arg in args):
                return UNKNOWN
            return PLAIN[name](*args)
        if name in ("dim", "len", "numel", "is_floating_point", "dtype", "ndimension"):
            return UNKNOWN
        if any(isinstance(arg, _Unknown) for arg in args):
            return UNKNOWN
        self.recorder.count += 1
        out = f"{name}_{self.recorder.count}"
        return self.recorder.call(name, args, named, out)


class _Path:
    """A dotted name of the program that stands for no value yet."""

    def __init__(self, full: str) -> None:
        self.full = full


class _Method:
    """A method of a module."""

    def __init__(self, owner: Record, name: str) -> None:
        self.owner, self.name = owner, name


PLAIN: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "__not__": lambda a: not a,
    "__and__": lambda a, b: a and b,
    "__or__": lambda a, b: a or b,
    "len": len,
    "int": int,
    "float": float,
    "bool": bool,
    "format": lambda *a: "",
}
SILENT = {"warn", "add_"}
MOST_DEPTH = 200
MOST_MODULES = 100_000
