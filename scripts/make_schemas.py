"""Writes the schemas of everything that striate writes, from the types that write it.

`python scripts/make_schemas.py` renews `docs/reference/schemas/`; a test holds them to the types.
"""

import json
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from striate.command.doctor import ArchitectureFile, Examination, NetsFile
from striate.command.evaluation_output import EvaluationFile
from striate.store.record import RunRecord
from striate.store.shelf import FindingsFile, TrialLine
from striate.store.tables import column_names
from striate.values import (
    Diagnosis,
    Doubt,
    Epoch,
    Evidence,
    Example,
    Inspection,
    Ladder,
    LayerStates,
    ModelSpec,
    Outlier,
    Plan,
    Summary,
)

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What stands in each file, or what a verb prints with --json.
JSON_FILES: dict[str, type] = {
    "run.json": RunRecord,
    "evidence.json": Evidence,
    "plan.json": Plan,
    "layers.json": LayerStates,
    "trials.jsonl": TrialLine,
    "findings.json": FindingsFile,
    "ladder.json": Ladder,
    "summary.json": Summary,
    "model.json": ModelSpec,
    "evaluate": EvaluationFile,
    "inspect": Inspection,
    "diagnose": Diagnosis,
    "nets": NetsFile,
    "architecture": ArchitectureFile,
    "doctor": Examination,
}
PREDICTIONS = [
    {"name": "path", "type": "str"},
    {"name": "label", "type": "str"},
    {"name": "predicted", "type": "str"},
    {"name": "probability", "type": "float"},
]
FEW_CLASSES = [{"name": "p:CLASS", "type": "float", "repeated": "for every class, in order"}]
MANY_CLASSES = [
    {"name": "class_RANK", "type": "str", "repeated": "for ranks 1 to 5"},
    {"name": "p_RANK", "type": "float", "repeated": "for ranks 1 to 5, beside class_RANK"},
]


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by the name of its file."""
    found = {
        f"{Path(name).stem}.schema.json": json_schema(kind) for name, kind in JSON_FILES.items()
    }
    found["index.columns.json"] = column_list("striate/index/1", table_columns(Example))
    found["doubts.columns.json"] = column_list("striate/doubts/1", table_columns(Doubt))
    found["outliers.columns.json"] = column_list("striate/outliers/1", table_columns(Outlier))
    found["history.columns.json"] = column_list("striate/history/1", table_columns(Epoch))
    found["predictions.columns.json"] = {
        **column_list("striate/predictions/1", PREDICTIONS + FEW_CLASSES),
        "columns_above_100_classes": PREDICTIONS + MANY_CLASSES,
    }
    return found


def json_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema of a type; its `schema` field is due and has one value."""
    schema = msgspec.json.schema(kind)
    top = schema["$defs"][kind.__name__]
    version = top["properties"]["schema"].pop("default")
    top["properties"]["schema"]["const"] = version
    top["required"] = ["schema", *top.get("required", [])]
    if kind is Plan:
        told = top["properties"]["because"].pop("items")
        top["properties"]["because"] = {"type": "array", "items": {"type": "string"}}
        top["properties"]["sentences"] = {"type": "array", "items": told}
    return {"$schema": DIALECT, "title": version, **schema}


def table_columns(kind: type) -> list[dict[str, str]]:
    """Name and type of every column of a table of such rows."""
    hints = get_type_hints(kind)
    return [
        {"name": name, "type": getattr(hints[name], "__name__", str(hints[name]))}
        if isinstance(hints[name], type)
        else {"name": name, "type": "str", "one_of": list(hints[name].__args__)}
        for name in column_names(kind)
    ]


def column_list(version: str, listed: list[dict[str, str]]) -> dict[str, Any]:
    """The schema of a CSV file."""
    return {"schema": version, "format": "CSV, RFC 4180, UTF-8, with a header", "columns": listed}


def main() -> None:
    """Writes them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        text = json.dumps(schema, ensure_ascii=False, indent=2)
        (FOLDER / name).write_text(f"{text}\n", "utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
