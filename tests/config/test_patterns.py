"""Patterns: what a person's expression may be, and that no search takes longer than its bound."""

from contextlib import suppress

import pytest

from striate.config import patterns
from striate.config.patterns import Pattern, pattern_fault
from striate.config.settings import check_settings
from striate.errors import UsageError

ENDLESS = [
    (r"(a|aa)+$", "a" * 200 + "b.jpg"),
    (r"^(\w+\s?)*\.png$", "a" * 200 + ".jpg"),
    (r"(a+)+b$", "a" * 60),
    (r"((a?){60}){60}b$", "a" * 60),
    (r"(.*a){25}b", "a" * 400),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can wait for."""
    monkeypatch.setattr(patterns, "A_NAME", 0.02)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("text", "name"), ENDLESS)
def test_a_search_that_would_not_end_ends(text: str, name: str) -> None:
    found = None
    with suppress(UsageError):  # or it is clever enough to see that there is nothing
        found = Pattern(text, "--group-pattern").search(name)
    assert found is None


@pytest.mark.usefixtures("impatient")
def test_what_is_given_up_is_named() -> None:
    text, name = ENDLESS[0]
    pattern = Pattern(text, "--label-pattern")
    with pytest.raises(UsageError, match="--label-pattern") as caught:
        pattern.search(name)
    assert caught.value.exit_code == 2
    assert repr(text) in caught.value.sentence
    assert name in caught.value.sentence


def test_many_names_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "ALL_NAMES", 1e-6)
    monkeypatch.setattr(patterns, "EACH_NAME", 0.0)
    pattern = Pattern(r"p(\d+)", "--group-pattern")
    with pytest.raises(UsageError, match="--group-pattern"):
        pattern.search("p" * 4_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a{1000000000}(b)", "repeat"),
        ("(((a{100}){100}){100}){100}", "repeat"),
        ("((((((a?){9}){9}){9}){9}){9}){9}b", "repeat"),
        ("[ab]{99999}(c)", "repeat"),
        ("(a)" * 400, "characters"),
        ("(" * 900, "not a regular expression"),
        ("(" * 400 + ")" * 400, "not a regular expression"),
        ("(?P<1>a)", "not a regular expression"),
        (r"(\p{Nope})", "not a regular expression"),
        (r"\L<x>(a)", "not a regular expression"),
        ("(?:a)", "captures nothing"),
        (r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})" * 3, ""),
        (r"\{(a)\}{2}[{}]{1,200}", ""),
        (r"(?P<label>\w+)_\d+", ""),
        (r"{class}/(\d+)", ""),
        (r"(\p{Han}+)", ""),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(text: str, said: str) -> None:
    assert said in pattern_fault(text)
    assert bool(pattern_fault(text)) == bool(said)


def test_a_pattern_that_would_fill_the_memory_is_a_faulty_command() -> None:
    with pytest.raises(UsageError, match="repeat") as caught:
        check_settings({"group_pattern": "(a{1000000000})"})
    assert caught.value.exit_code == 2


def test_a_class_stands_for_itself_and_captures_nothing() -> None:
    pattern = Pattern(r"{class}/(\d)\1", "--group-pattern")
    found = pattern.search("a+b/11.jpg", "a+b")
    assert found is not None
    assert found.groups() == ("1",)
    assert pattern.search("aab/11.jpg", "a+b") is None
