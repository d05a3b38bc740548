"""plan.json: read by people, read back whole, and refused with the place of the fault."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests import made

from striate.errors import ModelError, StriateError
from striate.store import files
from striate.store.plan_files import PLAN, read_plan

Content = dict[str, Any]


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    with files.open_atomically(tmp_path / "plan.json") as file:
        PLAN.write(made.values().plan, file)
    return tmp_path / "plan.json"


def test_a_plan_comes_back(plan_file: Path) -> None:
    assert read_plan(plan_file) == made.values().plan
    assert PLAN.read(plan_file, {}) == made.values().plan


def test_its_reasons_are_plain_sentences(plan_file: Path) -> None:
    because = json.loads(plan_file.read_text("utf-8"))["because"]
    assert because[0] == "A linear model on all stages reaches 91.0%."


def test_a_plan_without_codes_is_still_a_plan(plan_file: Path) -> None:
    content = json.loads(plan_file.read_text("utf-8"))
    del content["sentences"]
    plan_file.write_text(json.dumps(content))
    assert [sentence.text for sentence in read_plan(plan_file).because] == content["because"]


def drop_epochs(content: Content) -> None:
    del content["epochs"]


def no_epochs(content: Content) -> None:
    content["epochs"]["value"] = -3


def text_for_number(content: Content) -> None:
    content["batch_size"]["value"] = "many"


def strange_strategy(content: Content) -> None:
    content["strategy"]["value"] = "magic"


def strange_preprocessing(content: Content) -> None:
    content["strategy"]["value"] = "scratch"
    content["preprocess"]["value"] = "own"


def one_class(content: Content) -> None:
    content["classes"] = ["only"]


def infinite_rate(content: Content) -> None:
    content["learning_rate"]["value"] = float("inf")


def strange_precision(content: Content) -> None:
    content["precision"]["value"] = "float1"


def huge_batch(content: Content) -> None:
    content["batch_size"]["value"] = 10**9


def strange_activation(content: Content) -> None:
    content["settings"]["value"]["activation"] = "step"


def classes_twice(content: Content) -> None:
    content["classes"] = ["a", "a", "b"]


def reasons_of_no_kind(content: Content) -> None:
    del content["sentences"]
    content["because"] = 3


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (drop_epochs, "epochs"),
        (no_epochs, "epochs is -3"),
        (text_for_number, r"batch_size"),
        (strange_strategy, "'magic'"),
        (strange_preprocessing, "preprocess is 'own'"),
        (one_class, "only"),
        (infinite_rate, "learning_rate"),
        (strange_precision, "float1"),
        (huge_batch, "batch_size is 1e\\+09"),
        (strange_activation, "activation is 'step'"),
        (classes_twice, "each once"),
        (reasons_of_no_kind, "is not valid"),
    ],
)
def test_a_faulty_plan_is_refused_with_its_place(plan_file: Path, fault: Any, named: str) -> None:
    content = json.loads(plan_file.read_text("utf-8"))
    fault(content)
    plan_file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=named) as caught:
        read_plan(plan_file)
    assert str(plan_file) in caught.value.sentence
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"schema": "striate/summary/1"}', "\x00\xff"]
)
def test_what_is_no_plan_is_refused(plan_file: Path, text: str) -> None:
    plan_file.write_text(text)
    with pytest.raises(StriateError) as caught:
        read_plan(plan_file)
    assert caught.value.exit_code == 2


def test_a_plan_of_a_newer_striate_is_refused(plan_file: Path) -> None:
    plan_file.write_text(plan_file.read_text().replace("striate/plan/1", "striate/plan/9"))
    with pytest.raises(ModelError, match="newer version"):
        read_plan(plan_file)
