"""Report -> one self-contained HTML file without scripts."""

import base64
import io
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.report.language import load_words
from striate.values import Report

if TYPE_CHECKING:
    from jinja2 import Template


def render_page(report: Report, generator: str = "striate report") -> str:
    """The whole page as text; all text from the user is escaped.

    `generator` names the program that wrote the page.
    """
    from markupsafe import Markup  # the terminal needs pictures of this module, but no page

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
def _load_template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    text = files("striate.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figures"] = _figure_columns
    environment.filters["shade"] = _cell_shade
    return environment.from_string(text)


def _figure_columns(rows: tuple[tuple[str, ...], ...]) -> tuple[bool, ...]:
    """Which columns hold numbers and are aligned right."""
    columns = zip(*rows, strict=True)
    return tuple(
        all(_is_figure(cell) for cell in column) and any(cell != "–" for cell in column)
        for column in columns
    )


def _is_figure(text: str) -> bool:
    bare = text[1:] if text[:1] in ("+", "-", "−") else text
    return bare[:1].isdigit() or text[:1] == "<" or text in ("–", "")


def _cell_shade(share: float) -> str:
    """The CSS class of a matrix cell: `r` correct or `w` wrong, and a strength of 0 to 4."""
    if not share:
        return "zero"
    return f"{'r' if share > 0 else 'w'}{min(4, int(abs(share) * 5))}"


SMALL_IMAGE_SIDE = 64


def image_data_uri(image: NDArray[np.uint8], longest: int = 160) -> str:
    """The picture as a data URI, at most `longest` pixels wide and high.

    `image` is uint8 H x W or H x W x C. Two channels show the first, more than three the first
    three as red, green and blue: the page says so. Small pictures are kept to the pixel as PNG
    (the page shows them enlarged, with square pixels); larger ones become WebP.
    """
    if image.ndim == 3 and image.shape[2] != 3:
        image = image[..., 0] if image.shape[2] < 3 else np.ascontiguousarray(image[..., :3])
    picture = Image.fromarray(image)
    if max(picture.size) <= SMALL_IMAGE_SIDE:
        return _encode_image(picture, "PNG", optimize=True)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return _encode_image(picture, "WEBP", quality=82, method=4)


def _encode_image(picture: Image.Image, kind: str, **settings: int | bool) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{code}"
