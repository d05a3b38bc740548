"""What a person asked for: every fault in one message, the nearest word, nothing converted away."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from striate.command.flags import FLAGS
from striate.config.settings import Settings, check_settings
from striate.errors import UsageError
from striate.values import STRATEGIES, Options


def test_nothing_asked_gives_the_defaults() -> None:
    assert check_settings({}) == Options()


def test_defaults_are_allowed_and_every_setting_has_a_rule_and_a_flag() -> None:
    every = {field.name: getattr(Options(), field.name) for field in fields(Options)}
    assert check_settings(every) == Options()
    assert set(FLAGS) == set(every) == set(Settings.__annotations__)


def test_typed_texts_become_values() -> None:
    typed = {"minutes": "2.5", "seed": "7", "min_accuracy": "0.9", "max_pixels": "1000"}
    options = check_settings(typed)
    assert (options.minutes, options.seed, options.min_accuracy) == (2.5, 7, 0.9)
    assert options.max_pixels == 1000


def test_the_words_of_the_flags_are_those_of_the_rules() -> None:
    assert FLAGS["strategy"].words == ("auto", *STRATEGIES)
    for name in ("strategy", "split", "lang", "device"):
        for word in FLAGS[name].words:
            assert getattr(check_settings({name: word}), name) == word


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("minutes", "soon", "must be a number, not 'soon'"),
        ("minutes", 0.2, "at least 0.5"),
        ("minutes", float("inf"), "at least 0.5"),
        ("minutes", float("nan"), "must be a number, not nan"),
        ("minutes", True, "must be a number"),
        ("minutes", None, "must be a number"),
        ("seed", 1.5, "must be a whole number"),
        ("seed", "1.0", "must be a whole number"),
        ("seed", -1, "between 0"),
        ("seed", 2**63, "between 0"),
        ("strategy", "depp", "did you mean deep?"),
        ("strategy", "LINEAR", "did you mean linear?"),
        ("split", "pol", "did you mean pool?"),
        ("lang", "de", "one of auto, en, zh"),
        ("device", "gpu", "cuda:NUMBER"),
        ("device", "cuda:x", "cuda:NUMBER"),
        ("net", "", "must be text"),
        ("net", 3, "must be text"),
        ("restart", "yes", "True or False"),
        ("max_pixels", 0, "at least 1"),
        ("min_accuracy", 92, "between 0 and 1"),
        ("out", "", "must be text"),
    ],
)
def test_a_faulty_value_is_told_with_its_bounds(name: str, value: Any, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_settings({name: value})
    assert complaint in caught.value.sentence
    assert caught.value.sentence.startswith(name)
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 2


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        check_settings({"minuts": 3, "seed": -1, "strategy": "deap"}, faults=["SOURCE is missing."])
    assert caught.value.sentence.splitlines() == [
        "SOURCE is missing.",
        "minuts is not a setting; did you mean minutes?",
        "seed is -1; it must be between 0 and 9,223,372,036,854,775,807.",
        "strategy is 'deap'; it must be one of auto, linear, layers, shallow, deep, scratch; "
        "did you mean deep?",
    ]


@pytest.mark.parametrize("name", ["plan", "weights"])
def test_a_file_that_is_not_there_is_told_with_its_neighbour(tmp_path: Path, name: str) -> None:
    (tmp_path / "plan.json").write_text("{}")
    assert getattr(check_settings({name: str(tmp_path / "plan.json")}), name)
    with pytest.raises(UsageError, match=r"which does not exist; did you mean plan\.json\?"):
        check_settings({name: str(tmp_path / "plam.json")})
    with pytest.raises(UsageError, match="which is a folder"):
        check_settings({name: str(tmp_path)})
    with pytest.raises(UsageError, match="which does not exist"):
        check_settings({name: str(tmp_path / "no" / "where.json")})


@pytest.mark.parametrize(
    "other", [{"strategy": "deep"}, {"net": "compact"}, {"set": "dropout=0.2"}]
)
def test_a_plan_excludes_what_it_says_itself(tmp_path: Path, other: dict[str, str]) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match="exclude each other"):
        check_settings({"plan": str(tmp_path / "plan.json"), **other})


def test_a_long_value_does_not_flood_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        check_settings({"lang": "x" * 5000})
    assert len(caught.value.sentence) < 200
