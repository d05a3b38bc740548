"""Familiarity: worked by hand, uniform for images of the known kinds."""

import numpy as np
import pytest

from striate.predict.conformal import min_false_alarm_rate, ood_pvalue


def test_it_is_the_share_that_is_as_far() -> None:
    known = np.array([0.1, 0.2, 0.3, 0.4])
    found = ood_pvalue([0.0, 0.2, 0.25, 0.4, 0.9], known, np.arange(4))
    assert found == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert min_false_alarm_rate(4) == pytest.approx(found[-1])


def test_a_group_weighs_as_one_image() -> None:
    found = ood_pvalue([0.35], np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 2, 2]))
    assert found == pytest.approx([(0.5 + 1) / 4])


def test_where_nothing_is_known_all_is_familiar() -> None:
    assert ood_pvalue([0.3], [], []).tolist() == [1.0]


def test_known_kinds_are_turned_away_as_often_as_stated() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        new = ood_pvalue(rng.normal(size=200), rng.normal(size=199), np.arange(199))
        shares.append((new <= 0.05 + 1e-6).mean())
    assert np.mean(shares) == pytest.approx(0.05, abs=0.006)
