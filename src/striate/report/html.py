"""Report -> one HTML file that needs no network and no script."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from striate.report.language import load_words
from striate.values import Report


def render_page(report: Report, generator: str = "striate report") -> str:
    """The whole page as text, self-contained; every text of the user's is escaped.

    `generator` is what the page says that it was made by.
    """
    style = files("striate.report").joinpath("page.css").read_text(encoding="utf-8")
    page = _load_template().render(
        report=report,
        generator=generator,
        style=Markup(style),
        words=load_words(report.lang),
        drawing=Markup,
    )
    return page + "\n"


@cache
def _load_template() -> Template:
    text = files("striate.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figures"] = _figure_columns
    environment.filters["shade"] = _cell_shade
    return environment.from_string(text)


def _figure_columns(rows: tuple[tuple[str, ...], ...]) -> tuple[bool, ...]:
    """Which columns hold numbers, which are set to the right."""
    columns = zip(*rows, strict=True)
    return tuple(
        all(_is_figure(cell) for cell in column) and any(cell != "–" for cell in column)
        for column in columns
    )


def _is_figure(text: str) -> bool:
    bare = text[1:] if text[:1] in ("+", "-", "−") else text
    return bare[:1].isdigit() or text[:1] == "<" or text in ("–", "")


def _cell_shade(share: float) -> str:
    """The class of a matrix cell: `r` right or `w` wrong, and a strength of 0 to 4."""
    if not share:
        return "zero"
    return f"{'r' if share > 0 else 'w'}{min(4, int(abs(share) * 5))}"
