"""Seeds of their own for every purpose, and the rows drawn by them."""

import numpy as np

from striate.values.seeds import make_rng, sample_rows, seed_for


def test_a_seed_depends_on_its_purpose_and_on_nothing_else() -> None:
    assert seed_for(0, "split") == 8002339936503433115
    assert make_rng(0, "split").integers(1000, size=3).tolist() == [701, 897, 571]
    assert seed_for(0, "split") != seed_for(1, "split") != seed_for(1, "draw")
    assert 0 <= seed_for(-5, "") < 2**63


def test_some_rows_are_drawn_for_one_purpose() -> None:
    rows = np.arange(10, 110)
    assert sample_rows(rows, 100, 0, "look") is rows
    some = sample_rows(rows, 20, 0, "look")
    assert len(set(some)) == 20
    assert set(some) <= set(rows)
    assert list(some) == sorted(some)
    np.testing.assert_array_equal(some, sample_rows(rows, 20, 0, "look"))
    assert list(some) != list(sample_rows(rows, 20, 0, "another look"))
    assert len(sample_rows(rows, -1, 0, "look")) == 0
