"""Where nothing can be answered: whether nothing was there, or nothing that could be read."""

from dataclasses import replace
from typing import Any

import pytest
from tests import made

from striate.command.answers import refuse_unanswered
from striate.errors import SourceError
from striate.values import Example, Index


def index_of(*statuses: Any) -> tuple[Index, list[Example]]:
    index = made.values().index
    some = tuple(
        replace(example, status=status)
        for example, status in zip(index.examples, statuses, strict=False)
    )
    return replace(index, examples=some), [e for e in some if e.status == "set_aside"]


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ((), r"No image was found\."),
        (("ignored", "ignored"), "No image was found; 2 other files were ignored"),
        (("set_aside", "set_aside"), "None of 2 images could be read"),
        (("set_aside", "ignored"), "None of 1 images could be read"),
    ],
)
def test_nothing_to_answer_for_is_an_error(statuses: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        refuse_unanswered(*index_of(*statuses))


def test_an_image_that_was_read_is_enough() -> None:
    refuse_unanswered(*index_of("used", "set_aside", "ignored"))
