"""Every file that striate writes has a schema, up to date, that real and made files obey."""

import csv
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from tests import made

from striate.command.doctor import examine_machine, examine_net, list_nets
from striate.command.evaluation_output import evaluation_file
from striate.predict.evaluation import evaluate_predictions
from striate.run import Run
from striate.store.files import to_json
from striate.values import Options

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference" / "schemas"
JSON_NAMES = ("run", "evidence", "plan", "findings", "summary")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_schemas", ROOT / "scripts/make_schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schemas_are_up_to_date(maker: ModuleType) -> None:
    made_now = maker.schemas()
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(made_now)
    for name, schema in made_now.items():
        stored = json.loads((FOLDER / name).read_text("utf-8"))
        assert stored == json.loads(json.dumps(schema)), f"python scripts/make_schemas.py: {name}"


def schema(name: str) -> Any:
    return json.loads((FOLDER / name).read_text("utf-8"))


def obeys(content: Any, name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(f"{name}.schema.json"))
    validator.check_schema(validator.schema)
    faults = [f"{list(fault.path)}: {fault.message}" for fault in validator.iter_errors(content)]
    assert not faults, f"{name}: {faults[:5]}"


def check_run_folder(folder: Path) -> None:
    """Every public file of a run folder is there and obeys its schema."""
    for name in JSON_NAMES:
        obeys(json.loads((folder / f"{name}.json").read_text("utf-8")), name)
    for line in (folder / "trials.jsonl").read_text("utf-8").splitlines():
        obeys(json.loads(line), "trials")
    for name in ("index", "history", "predictions"):
        check_table(folder / f"{name}.csv", schema(f"{name}.columns.json"))


READ: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": ["False", "True"].index}


def check_table(path: Path, listed: Any) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, strict=True)
    columns = [column for column in listed["columns"] if "repeated" not in column]
    assert head[: len(columns)] == [column["name"] for column in columns]
    repeated = [column for column in listed["columns"] if "repeated" in column]
    if not repeated:
        assert len(head) == len(columns)
    for row in rows:
        assert len(row) == len(head)
        for column, cell in zip(columns, row, strict=False):
            {"str": str, "int": int, "float": float, "bool": ["False", "True"].index}[
                column["type"]
            ](cell)
            assert cell in column.get("one_of", [cell])
        assert all(0 <= float(cell) <= 1 for cell in row[len(columns) :]) or head[4] == "class_1"


@pytest.fixture
def made_run(tmp_path: Path) -> Iterator[Run]:
    values = made.values()
    options = Options(out=str(tmp_path / "run"))
    with Run.open("flowers", options, command="x", source_address="y") as run:
        for name, value in {
            "index.csv": values.index,
            "evidence.json": values.evidence,
            "plan.json": values.plan,
            "trials.jsonl": values.evidence.trials if values.evidence else (),
            "history.csv": values.history,
            "predictions.csv": values.predictions,
            "findings.json": (),
        }.items():
            run.write(name, value)
        run.note(machine=values.machine)
        run.finish(values.summary)
        yield run


def test_a_made_run_obeys(made_run: Run) -> None:
    check_run_folder(made_run.folder)


def test_a_fault_is_seen(made_run: Run) -> None:
    path = made_run.folder / "summary.json"
    path.write_text(path.read_text("utf-8").replace('"finished": true', '"finished": "yes"'))
    with pytest.raises(AssertionError, match="finished"):
        check_run_folder(made_run.folder)


def test_what_verbs_print_obeys() -> None:
    values = made.values()
    found = evaluate_predictions(values.predictions, values.index)
    printed = {
        "evaluate": evaluation_file("run", "source", found),
        "nets": list_nets(),
        "architecture": examine_net("lenet-5"),
        "doctor": examine_machine(),
    }
    for name, value in printed.items():
        obeys(json.loads(to_json(value)), name)


def test_a_real_run_obeys(small_run: Path) -> None:
    check_run_folder(small_run)
    obeys(json.loads((small_run / "model" / "model.json").read_text("utf-8")), "model")
    names = {path.name for path in small_run.iterdir()}
    assert names >= {"report.html", "model", "checkpoints", "summary.json", "trials.jsonl"}
