"""Which settings make another run, and which leave a run where it is found."""

from dataclasses import replace

import pytest

from striate.store import files
from striate.store.record import settings_key
from striate.values import Options


def test_settings_left_as_usual_do_not_count() -> None:
    # So a setting that a later striate adds, left as usual, finds the runs of an earlier one.
    assert settings_key(Options(), "demo") == files.values_digest({}, ["", "", ""], "demo")


@pytest.mark.parametrize("change", [{"seed": 1}, {"strategy": "deep"}, {"split": "pool"}])
def test_settings_that_change_predictions_make_another_run(change: dict[str, object]) -> None:
    changed = replace(Options(), **change)
    assert settings_key(changed, "demo") != settings_key(Options(), "demo")


@pytest.mark.parametrize("change", [{"minutes": 9.0}, {"lang": "zh"}, {"strict": True}])
def test_settings_beside_the_predictions_do_not(change: dict[str, object]) -> None:
    changed = replace(Options(), **change)
    assert settings_key(changed, "demo") == settings_key(Options(), "demo")
