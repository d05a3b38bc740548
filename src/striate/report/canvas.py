"""matplotlib charts as SVG with the page's colours and font, a title and a description."""

import functools
import io
import re
import unicodedata
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from html import escape
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins that become CSS variables, so that one drawing serves the light and the dark page.
COLOURS = {
    "ink": "#010101",
    "soft": "#010102",
    "line": "#010103",
    "accent": "#010104",
    "second": "#010105",
    "third": "#010106",
    "card": "#010107",
}
# What a user's matplotlibrc may change about a drawing; each starts from matplotlib's default.
DRAWING = (
    "axes. boxplot. contour. errorbar. figure. font. grid. hatch. image. legend. lines. markers. "
    "mathtext. patch. path. savefig. scatter. svg. text. xtick. ytick. "
).split()
RC: dict[Any, Any] = {
    **{
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if name.startswith(tuple(DRAWING))
    },
    "svg.fonttype": "none",
    "svg.hashsalt": "striate",
    "font.size": 12,
    "axes.unicode_minus": False,
    "text.color": COLOURS["soft"],
    "axes.edgecolor": COLOURS["line"],
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "axes.labelcolor": COLOURS["soft"],
}
# Width in pixels of the form for narrow screens: about what a phone leaves, so that text set in
# 12 pixels is shown in at least 10 of them. The page's style shows one form or the other.
NARROW_WIDTH = 320
P = ParamSpec("P")
_is_narrow: ContextVar[bool] = ContextVar("narrow", default=False)


def draw_lock(draw: Callable[P, str]) -> Callable[P, str]:
    """Decorate a function that draws one chart: it is drawn twice, wide and narrow.

    matplotlib reads its settings while lines are added, so they hold for the whole function.
    """

    @functools.wraps(draw)
    def draw_both(*args: P.args, **kwargs: P.kwargs) -> str:
        with matplotlib.rc_context(RC):
            wide = draw(*args, **kwargs)
            token = _is_narrow.set(True)
            try:
                return wide + draw(*args, **kwargs)
            finally:
                _is_narrow.reset(token)

    return draw_both


def is_narrow() -> bool:
    """Whether the form for narrow screens is being drawn."""
    return _is_narrow.get()


class Canvas:
    """A drawing of `width` x `height` pixels with four margins around its axes.

    To be used inside a function decorated with `draw_lock`.
    """

    def __init__(
        self, width: int, height: int, *, left: float, right: float, top: float, bottom: float
    ) -> None:
        assert matplotlib.rcParams["svg.hashsalt"] == RC["svg.hashsalt"], "decorate with draw_lock"
        width = NARROW_WIDTH if is_narrow() else width
        self.width, self.height = width, height
        # 72 dots per inch: a point is a pixel, so sizes below are sizes on the page.
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        self.axes: Axes = self.figure.add_axes(
            (
                left / width,
                bottom / height,
                (width - left - right) / width,
                (height - top - bottom) / height,
            )
        )
        self.figure.patch.set_visible(False)
        self.axes.patch.set_visible(False)
        self.axes.tick_params(length=0, pad=6, labelsize=12)
        for side in ("left", "right", "top"):
            self.axes.spines[side].set_visible(False)

    def grid(self, axis: str = "y") -> None:
        """Thin lines behind the data, along one axis."""
        self.axes.set_axisbelow(True)
        # matplotlib wants a literal; callers pass "x", "y" or "both".
        self.axes.grid(axis=axis, color=COLOURS["line"], linewidth=1)  # type: ignore[arg-type]

    def svg(self, key: str, title: str, description: str) -> str:
        """The drawing as an `<svg>` element; `key` makes its ids unique on the page."""
        buffer = io.StringIO()
        with warnings.catch_warnings():
            # The reader's browser has the glyphs; the font that measures here need not.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return _inline_svg(buffer.getvalue(), self.width, self.height, key, title, description)


def estimate_text_width(text: str, size: float = 12) -> float:
    """Approximate width in pixels of a text in a sans-serif font."""
    wide = sum(1 if unicodedata.east_asian_width(letter) in "WF" else 0.56 for letter in text)
    return wide * size


def _inline_svg(svg: str, width: int, height: int, key: str, title: str, description: str) -> str:
    form = "narrow" if is_narrow() else "wide"
    key = f"{key}-narrow" if is_narrow() else key
    body = svg[svg.index("<svg") :]
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.S)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"<g\s*/>|<g>\s*</g>", "", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'id="([^"]+)"', rf'id="{key}-\1"', body)
    body = re.sub(r'href="#', f'href="#{key}-', body)
    body = re.sub(r"url\(#", f"url(#{key}-", body)
    body = re.sub(r"font: (?:[a-z]+ )*(\d+ )?([\d.]+)px [^;\"]*", _inline_font, body)
    for name, stand_in in COLOURS.items():
        body = body.replace(stand_in, f"var(--{name})")
    body = re.sub(r"\n\s*", "\n", body).strip()
    return (
        f'<svg class="chart {form}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc">'
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(description)}</desc>{body}</svg>'
    )


def _inline_font(match: re.Match[str]) -> str:
    weight = f"; font-weight: {match[1].strip()}" if match[1] else ""
    return f"font-size: {match[2]}px{weight}"
