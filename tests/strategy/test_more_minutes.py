"""Why more minutes changed nothing, and how many would."""

from dataclasses import replace

import pytest
from tests.strategy.evidences import MACHINE, evidence

from striate.strategy.choose import choose_plan
from striate.strategy.more_minutes import no_change_reason
from striate.values import Options, Plan, TrainingOptions, say


def told(plan: Plan, *codes: str) -> Plan:
    return replace(plan, because=tuple(say(code, "so") for code in codes))


PLAN = choose_plan(evidence(linear=1.0, val=1.0), 100, TrainingOptions(), MACHINE)


@pytest.mark.parametrize(
    ("codes", "options", "code"),
    [
        (("choose.nothing_to_win",), Options(), "improve.nothing_to_win"),
        (("choose.no_validation",), Options(), "improve.no_validation"),
        (("out.no_time",), Options(), "improve.needs_minutes"),
        (("promise.hopeless",), Options(), "improve.no_better"),
        (("choose.asked",), Options(strategy="linear"), "improve.solved"),
        ((), Options(plan="plan.json"), "improve.plan"),
    ],
)
def test_the_reason_follows_from_what_was_decided(
    codes: tuple[str, ...], options: Options, code: str
) -> None:
    found = no_change_reason(evidence(), told(PLAN, *codes), options, 10.0)
    assert found.code == code


def test_the_minutes_named_are_those_that_hold_a_training() -> None:
    slow = evidence(train=7000, size=224, scratch=8.0)
    found = no_change_reason(slow, told(PLAN, "out.no_time"), Options(), 60.0)
    fifth = no_change_reason(slow, told(PLAN, "out.no_time"), Options(), 60.0, parts=6)
    assert int(found.figures["minutes"] or 0) > 2
    assert int(fifth.figures["minutes"] or 0) > 4 * int(found.figures["minutes"] or 0)
