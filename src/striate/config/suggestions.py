"""Suggestions for misspelt words."""

import difflib
from collections.abc import Iterable


def nearest_word(word: str, known: Iterable[str]) -> str:
    """What of `known` is closest to `word`, or nothing."""
    by_case = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_case, n=1, cutoff=0.6)
    return by_case[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that guesses what was meant, or nothing."""
    near = nearest_word(word, known)
    return f"; did you mean {near}?" if near else "."
