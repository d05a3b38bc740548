"""Wishes held against known classes: worked by hand; a broken promise is seen, a kept one not."""

import math

import numpy as np
import pytest

from striate.command.evaluation_output import observed_rate_lines
from striate.predict.decision_rules import NO_RULES, DecisionRules, apply_rules
from striate.predict.observed_rates import NOTHING_OBSERVED, observe_rates
from striate.predict.thresholds import Threshold
from striate.values import Predictions

TABLE = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.45, 0.55]], np.float32)
TRUTH = np.array([0, 1, 1, 1, 0])


def predictions(table: np.ndarray = TABLE, truth: np.ndarray = TRUTH) -> Predictions:
    return Predictions(
        classes=("a", "b"),
        paths=tuple(map(str, range(len(truth)))),
        probabilities=table,
        truth=truth,
        familiarity=np.linspace(0.01, 1, len(truth)).astype(np.float32),
    )


def rows(*least: float) -> tuple[Threshold, ...]:
    names = ("a", "b")
    return tuple(
        Threshold(name=n, least=x, reached=None) for n, x in zip(names, least, strict=True)
    )


def test_each_wish_worked_by_hand() -> None:
    wanted = DecisionRules(
        least=0.4,
        coverage=0.8,
        unknown=0.05,
        precise=rows(0.7, math.inf),
        precision=0.9,
        found=rows(0.5, 0.5),
        recall=0.9,
    )
    given = apply_rules(predictions(), wanted)
    found = observe_rates(wanted, given, np.ones(5, np.bool_), np.arange(5))
    sets = found.coverage
    assert sets is not None
    assert (sets.wanted, sets.holds.value, sets.size.value, sets.alone.value) == (0.8, 1, 1.4, 0.6)
    sure = found.precision
    assert sure is not None
    assert sure.right is not None
    assert (sure.answered.value, sure.right.value, sure.right.n) == (0.2, 1.0, 1)
    assert [each.least for each in sure.classes] == [0.7, None]
    assert sure.classes[1].here is None
    flags = found.recall
    assert flags is not None
    assert (flags.found.value, flags.flags.value) == (0.6, 1.0)
    assert [each.here and each.here.value for each in flags.classes] == [0.5, pytest.approx(2 / 3)]
    unknown = found.unknown
    assert unknown is not None
    assert unknown.turned_away.value == 0.2
    assert len(list(observed_rate_lines(found))) == 4


def test_only_what_counts_is_looked_at_and_nothing_unasked() -> None:
    wanted = DecisionRules(least=0.9, coverage=0.9)
    given = apply_rules(predictions(), wanted)
    counted = np.array([True, False, True, True, False])
    found = observe_rates(wanted, given, counted, np.arange(5)).coverage
    assert found is not None
    assert (found.holds.n, found.holds.value) == (3, 1.0)
    assert observe_rates(wanted, given, np.zeros(5, np.bool_), np.arange(5)) == NOTHING_OBSERVED
    assert observe_rates(NO_RULES, predictions(), counted, np.arange(5)) == NOTHING_OBSERVED


@pytest.mark.parametrize(("right", "broken"), [(0.9, False), (0.7, True)])
def test_a_broken_promise_is_said_and_a_kept_one_not(right: float, broken: bool) -> None:
    """Sets of one class, of which so many hold the truth where nine in ten were promised."""
    truth = (np.arange(400) >= 400 * right).astype(np.int64)
    sure = np.tile(np.array([0.95, 0.05], np.float32), (400, 1))
    wanted = DecisionRules(least=0.5, coverage=0.9)
    given = apply_rules(predictions(sure, truth), wanted)
    (line,) = observed_rate_lines(
        observe_rates(wanted, given, np.ones(400, np.bool_), np.arange(400))
    )
    assert ("below the target" in line) == broken


def test_groups_make_intervals_wider() -> None:
    truth = (np.arange(400) >= 340).astype(np.int64)
    sure = np.tile(np.array([0.95, 0.05], np.float32), (400, 1))
    wanted = DecisionRules(least=0.5, coverage=0.9)
    given, all_of = apply_rules(predictions(sure, truth), wanted), np.ones(400, np.bool_)
    alone = observe_rates(wanted, given, all_of, np.arange(400)).coverage
    together = observe_rates(wanted, given, all_of, np.arange(400) // 20).coverage
    assert alone is not None
    assert together is not None
    assert together.holds.low < alone.holds.low
