"""`plan.json`: writing a plan for people, and reading one that a person gives."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from striate.config.overrides import ALLOWED_WORDS, CHOICES, SETTINGS, range_fault
from striate.errors import ModelError, UsageError
from striate.store.files import (
    Codec,
    Facts,
    check_schema,
    error_reason_text,
    from_json,
    to_json,
    write_bytes,
)
from striate.values import CLOSED_FORM, OWN, PREPROCESSING, STRATEGIES, Plan

SCHEMA = "striate/plan/"


def plan_content(plan: Plan) -> dict[str, Any]:
    """The content of `plan.json`: `because` in plain English, `sentences` with their codes."""
    content: dict[str, Any] = msgspec.to_builtins(plan)
    content["sentences"] = content["because"]
    content["because"] = [sentence["text"] for sentence in content["sentences"]]
    return content


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises `UsageError` if it is no plan, and `ModelError` if it is invalid: of a newer striate,
    damaged, or with a value out of bounds, naming the field.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or not str(content.get("schema")).startswith(SCHEMA):
            raise ValueError("it is not an object with the schema striate/plan")
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a plan: {error_reason_text(path, error)}.",
            "Give the plan.json of a run folder, such as runs/flowers-1/plan.json.",
        ) from error
    check_schema(content, Plan, path)
    try:
        plan = _plan(content)
        fault = fault_of(plan)
        if fault:
            raise ValueError(fault)
    except ValueError as error:
        raise ModelError(
            f"The plan in {path} is not valid: {error_reason_text(path, error)}.",
            "Correct that value, or give the plan.json as a run wrote it.",
        ) from error
    return plan


def _plan(content: Any) -> Plan:
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    plain = dict(content)
    said = plain.get("because", [])
    if not isinstance(said, list):
        raise ValueError("its field because is not a list of sentences")
    told = [{"code": "", "text": text} for text in said]
    plain["because"] = plain.pop("sentences", told)
    return msgspec.convert(plain, Plan)


def fault_of(plan: Plan) -> str:
    """What makes a plan invalid, as the end of a sentence; "" if it is valid."""
    if plan.strategy.value not in STRATEGIES:
        return f"its strategy is {plan.strategy.value!r}, not one of {', '.join(STRATEGIES)}"
    settings = {name: getattr(plan.settings.value, name) for name in SETTINGS}
    augment = {f"augment.{name}": value for name, value in plan.augment.value.items()}
    choices = {name: getattr(plan, name).value for name in (*CHOICES, "alpha", "steps")}
    for name, value in (choices | settings | augment).items():
        fault = range_fault(name, value)
        if fault:
            return f"its {name} {fault.rstrip('.')}"
        words = _words(plan.strategy.value, name)
        if words and value not in words:
            return f"its {name} is {value!r}, not one of {', '.join(words)}"
    if len(plan.classes) == 1 or len(set(plan.classes)) < len(plan.classes):
        return f"its classes are {list(plan.classes)}; it needs two or more, each once"
    return ""


def _words(strategy: str, name: str) -> tuple[str, ...]:
    """What a choice may be; () where that is open, as it is of steps where none are taken.

    A schedule may have been cut short, which stands in its word: what reads it knows.
    """
    if name == "preprocess":
        return PREPROCESSING if strategy == "scratch" else (*PREPROCESSING, OWN)
    if name == "schedule" or (strategy in CLOSED_FORM and name not in ("precision", "resize")):
        return ()
    return tuple(ALLOWED_WORDS.get(name, ()))


def _write(plan: Plan, file: BinaryIO) -> None:
    write_bytes(file, to_json(plan_content(plan)))


def _read(path: Path, facts: Facts) -> Plan:
    return _plan(from_json(path.read_bytes(), dict, path))


PLAN: Codec[Plan] = Codec(write=_write, read=_read)
