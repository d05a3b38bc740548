"""`plan.json`: a plan as people read it, and a plan that a person gives."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from striate.errors import ModelError, UsageError
from striate.overrides import CHOICES, out_of_range
from striate.store.files import Codec, Facts, from_json, put, same_schema, to_json
from striate.values import PREPROCESSING, STRATEGIES, Plan


def plan_content(plan: Plan) -> dict[str, Any]:
    """What `plan.json` holds: `because` as plain English, `sentences` with their codes."""
    content: dict[str, Any] = msgspec.to_builtins(plan)
    content["sentences"] = content["because"]
    content["because"] = [sentence["text"] for sentence in content["sentences"]]
    return content


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises `UsageError` where it is no plan or has a value that cannot be, naming the place, and
    `ModelError` where it is of a newer striate.
    """
    try:
        content = json.loads(path.read_bytes())
        same_schema(content, Plan, path)
        plan = _plan(content)
        _check(plan)
    except ModelError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise UsageError(
            f"{path} is not a plan: {reason}.",
            "Give the plan.json of a run folder, such as runs/flowers-1/plan.json.",
        ) from error
    return plan


def _plan(content: Any) -> Plan:
    if not isinstance(content, dict):
        raise ValueError("it does not hold one JSON object")
    plain = dict(content)
    said = plain.get("because", [])
    if not isinstance(said, list):
        raise ValueError("its because is no list of sentences")
    told = [{"code": "", "text": text} for text in said]
    plain["because"] = plain.pop("sentences", told)
    return msgspec.convert(plain, Plan)


def _check(plan: Plan) -> None:
    if plan.strategy.value not in STRATEGIES:
        raise ValueError(f"its strategy is {plan.strategy.value!r}, not one of {STRATEGIES}")
    kind = plan.preprocess.value
    if plan.strategy.value == "scratch" and kind not in PREPROCESSING:
        raise ValueError(f"its preprocess is {kind!r}, not one of {', '.join(PREPROCESSING)}")
    for name, choice in ((name, getattr(plan, name)) for name in (*CHOICES, "alpha")):
        fault = out_of_range(name, choice.value)
        if fault:
            raise ValueError(f"its {name} {fault.rstrip('.')}")
    if len(plan.classes) < 2 or len(set(plan.classes)) < len(plan.classes):
        raise ValueError(f"its classes are {list(plan.classes)}; two or more are due, each once")


def _write(plan: Plan, file: BinaryIO) -> None:
    put(file, to_json(plan_content(plan)))


def _read(path: Path, facts: Facts) -> Plan:
    return _plan(from_json(path.read_bytes(), dict, path))


PLAN: Codec[Plan] = Codec(write=_write, read=_read)
