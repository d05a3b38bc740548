"""Regular expressions of the user: checked before use, and matched within a time limit.

Python's own `re` can take years on `(a+)+b$` and a long name, and nothing stops it; the package
`regex` reads the same expressions and has a time limit.
"""

import re
import time
from functools import cache

import regex

from striate.errors import UsageError

CLASS = "{class}"
LONGEST = 1_000
MOST_STEPS = 20_000
# Seconds that one name may take, that all may, and that each name adds to what all may: ordinary
# expressions take microseconds.
A_NAME, ALL_NAMES, EACH_NAME = 2.0, 10.0, 200e-6


class Pattern:
    """A regular expression with what it is called in messages, such as `--group-pattern`."""

    def __init__(self, text: str, flag: str) -> None:
        self.text, self.flag = text, flag
        self._left = ALL_NAMES

    def search(self, name: str, label: str = "") -> "regex.Match[str] | None":
        """The match of the expression in a name; `{class}` in it stands for `label`.

        Raises `UsageError` if matching takes too long, for this name or for all together.
        """
        started = time.perf_counter()
        try:
            compiled = _compile_pattern(self.text, label if CLASS in self.text else "")
            found = compiled.search(name, timeout=min(A_NAME, self._left))
        except TimeoutError:
            raise self._too_slow(name) from None
        self._left += EACH_NAME - (time.perf_counter() - started)
        if self._left <= 0:
            raise self._too_slow(name)
        return found

    def _too_slow(self, name: str) -> UsageError:
        return UsageError(
            f"{self.flag} {self.text!r} takes too long to match {name}.",
            "Avoid repeats inside repeats: write (\\w+)_ instead of (\\w+)+_",
        )


def pattern_fault(text: str) -> str:
    """Why an expression is invalid or captures nothing; "" if it is valid."""
    if len(text) > LONGEST:
        return f"has {len(text):,} characters; at most {LONGEST:,} are allowed"
    steps = _count_steps(text)
    if steps > MOST_STEPS:
        return f"has repeat counts of {steps:,} in all; at most {MOST_STEPS:,} are allowed"
    try:
        captures = _compile_pattern(text, "class").groups
    except Exception as fault:  # a strange expression makes the compiler raise what it met
        return f"is not a regular expression: {str(fault) or type(fault).__name__}"
    return "" if captures else "captures nothing; put the part to capture in ( )"


@cache
def _compile_pattern(text: str, label: str) -> "regex.Pattern[str]":
    # Not a capture, so that \1 still is the first of the person's own.
    return regex.compile(text.replace(CLASS, f"(?:{regex.escape(label)})"))


def _count_steps(text: str) -> int:
    """About how many single steps an expression has once its counts {n} are written out.

    The compiler writes them out: a{1000000000} would fill the memory.
    """
    sums, last = [0], 0
    for token in _TOKEN.findall(text.replace(CLASS, "")):
        if token == "(":
            sums.append(0)
            last = 0
        elif token == ")" and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
        elif count := _COUNT.fullmatch(token):
            times = max(1, *(int(number) for number in count.groups() if number))
            sums[-1] += last * (times - 1)
            last *= times
        else:
            last = 1
            sums[-1] += 1
    return sum(sums)


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|.", re.DOTALL)
_COUNT = re.compile(r"\{(\d*),?(\d*)\}")
