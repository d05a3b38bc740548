"""Remedies differ from the plan in one thing each, and only where that can change something."""

from dataclasses import fields, replace

import pytest
from tests import made

from striate.diagnose import CURVE_FAULTS
from striate.strategy.remedies import REMEDIES, remedies_for
from striate.values import Plan


def plan(strategy: str = "scratch", net: str = "compact") -> Plan:
    made_plan = made.values(strategy=strategy).plan
    return replace(made_plan, net=replace(made_plan.net, value=net))


@pytest.mark.parametrize("code", REMEDIES)
def test_every_remedy_changes_one_choice_and_says_so(code: str) -> None:
    found = remedies_for(code, plan())
    assert 2 <= len(found) <= 3
    assert len({remedy.name for remedy in found}) == len(found)
    for remedy in found:
        changed = [
            field.name
            for field in fields(Plan)
            if getattr(remedy.plan, field.name) != getattr(plan(), field.name)
        ]
        assert len(changed) == 1
        assert remedy.what.text


def test_what_the_curves_can_show_has_a_remedy() -> None:
    assert set(REMEDIES) == set(CURVE_FAULTS)


def test_a_pretrained_network_is_not_made_wider() -> None:
    names = {remedy.name for remedy in remedies_for("underfitting", plan("deep", "lite0"))}
    assert "width" not in names


def test_what_changes_nothing_is_not_tried() -> None:
    bare = plan()
    bare = replace(bare, augment=replace(bare.augment, value={}))
    assert "less_augment" not in {r.name for r in remedies_for("augmentation_strong", bare)}


def test_what_no_plan_mends_has_no_remedy() -> None:
    assert remedies_for("leakage", plan()) == ()
    assert remedies_for("", plan()) == ()
