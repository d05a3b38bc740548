"""Charts: learning curves, accuracy per stage, reliability diagram."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from striate.report.canvas import COLOURS, Canvas, draw_lock, estimate_text_width
from striate.values import Interval

LABEL_GAP = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One curve with a value per epoch; its colour is a CSS variable of the page."""

    name: str
    values: Sequence[float]
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartBand:
    """A confidence band with a value per epoch, and the epochs `first` to `last`, from 1.

    Those epochs do not differ significantly from the best.
    """

    low: Sequence[float]
    high: Sequence[float]
    colour: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DotSeries:
    """One series of shares with intervals, one per row; None if unknown."""

    name: str
    intervals: Sequence[Interval | None]
    colour: str
    marker: str


@draw_lock
def draw_curves(
    key: str,
    title: str,
    description: str,
    lines: Sequence[ChartLine],
    *,
    kept_epoch: int,
    kept_label: str,
    x_label: str,
    percent: bool,
    band: ChartBand | None = None,
) -> str:
    """Curves over epochs, each labelled at its end, with the best epoch marked.

    A `band` is shaded behind them; a bar at the bottom marks the epochs that tie with the best.
    """
    right = 26 + max(estimate_text_width(line.name) for line in lines)
    canvas = Canvas(420, 270, left=46, right=right, top=26, bottom=42)
    axes = canvas.axes
    canvas.grid()
    for line in lines:
        epochs = np.arange(1, len(line.values) + 1)
        axes.plot(
            epochs,
            line.values,
            color=COLOURS[line.colour],
            linewidth=2,
            linestyle=(0, (4, 2)) if line.dashed else "-",
            marker="o" if len(epochs) == 1 else "",
            solid_capstyle="round",
        )
    _set_axis_limits(axes, lines)
    if band is not None:
        _shade_band(axes, band)
    if kept_epoch:
        _mark_epoch(axes, lines, kept_epoch, kept_label)
    if percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(x_label, labelpad=6)
    _name_ends(canvas, lines)
    return canvas.svg(key, title, description)


@draw_lock
def draw_stage_intervals(
    key: str, title: str, description: str, names: Sequence[str], series: Sequence[DotSeries]
) -> str:
    """Shares with intervals, one row per name from top to bottom, series side by side."""
    left = 18 + min(170.0, max(estimate_text_width(name) for name in names))
    height = 74 + 30 * len(names)
    canvas = Canvas(440, height, left=left, right=22, top=34, bottom=34)
    axes = canvas.axes
    canvas.grid("x")
    offsets = np.linspace(-0.16, 0.16, len(series)) if len(series) > 1 else [0.0]
    for dots, offset in zip(series, offsets, strict=True):
        for row, interval in enumerate(dots.intervals):
            if interval is None:
                continue
            colour = COLOURS[dots.colour]
            y = row + offset
            axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=2)
            axes.plot([interval.value], [y], color=colour, marker=dots.marker, markersize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=COLOURS["ink"])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    _draw_legend(canvas, series)
    return canvas.svg(key, title, description)


@draw_lock
def draw_reliability(
    key: str,
    title: str,
    description: str,
    confidence: NDArray[np.float64],
    intervals: Sequence[Interval],
    *,
    x_label: str,
    y_label: str,
) -> str:
    """Accuracy against predicted probability, a dot with interval per bin, and the diagonal."""
    canvas = Canvas(420, 330, left=58, right=16, top=14, bottom=50)
    axes = canvas.axes
    canvas.grid("both")
    axes.plot([0, 1], [0, 1], color=COLOURS["soft"], linewidth=1, linestyle=(0, (3, 3)))
    for x, interval in zip(confidence, intervals, strict=True):
        axes.plot([x, x], [interval.low, interval.high], color=COLOURS["accent"], linewidth=2)
        axes.plot([x], [interval.value], color=COLOURS["accent"], marker="o", markersize=7)
    lowest = min([float(confidence.min()), *(interval.low for interval in intervals)])
    floor = max(0.0, np.floor(lowest * 10) / 10)
    axes.set_xlim(floor, 1.01)
    axes.set_ylim(floor, 1.01)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    axes.set_xlabel(x_label, labelpad=6)
    axes.set_ylabel(y_label, labelpad=8)
    return canvas.svg(key, title, description)


def _set_axis_limits(axes: Axes, lines: Sequence[ChartLine]) -> None:
    longest = max(len(line.values) for line in lines)
    values = np.concatenate([np.asarray(line.values, float) for line in lines])
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - room, high + room)
    side = 0.02 * longest if longest > 1 else 0.5
    axes.set_xlim(1 - side, longest + side)


def _shade_band(axes: Axes, band: ChartBand) -> None:
    epochs = np.arange(1, len(band.low) + 1)
    colour = COLOURS[band.colour]
    axes.fill_between(epochs, band.low, band.high, color=colour, alpha=0.18, linewidth=0, zorder=0)
    foot = axes.get_ylim()[0]
    axes.plot(
        [band.first - 0.3, band.last + 0.3],
        [foot, foot],
        color=colour,
        linewidth=5,
        solid_capstyle="butt",
        clip_on=False,
    )


def _mark_epoch(axes: Axes, lines: Sequence[ChartLine], epoch: int, label: str) -> None:
    axes.axvline(epoch, color=COLOURS["soft"], linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    for line in lines:
        if epoch <= len(line.values):
            axes.plot(
                [epoch],
                [line.values[epoch - 1]],
                marker="o",
                markersize=8,
                color=COLOURS[line.colour],
                markeredgecolor=COLOURS["card"],
                markeredgewidth=2,
            )
    left, right = axes.get_xlim()
    place = (epoch - left) / (right - left)
    align = "left" if place < 0.2 else "right" if place > 0.8 else "center"
    axes.annotate(
        label,
        (epoch, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 8),
        textcoords="offset points",
        ha=align,
        color=COLOURS["ink"],
        fontsize=12,
    )


def _name_ends(canvas: Canvas, lines: Sequence[ChartLine]) -> None:
    """Labels beside the last values, moved apart if they would overlap."""
    low, high = canvas.axes.get_ylim()
    box = canvas.axes.get_position()
    height = box.height * canvas.height
    places: list[float] = []
    for line in sorted(lines, key=lambda line: line.values[-1]):
        place = (line.values[-1] - low) / (high - low) * height
        places.append(max(place, places[-1] + LABEL_GAP) if places else place)
        x, y = box.x1 * canvas.width + 6, box.y0 * canvas.height + places[-1]
        style = (0, (2, 1)) if line.dashed else "-"
        _draw_swatch(
            canvas, [x, x + 10], y, color=COLOURS[line.colour], linewidth=2, linestyle=style
        )
        _draw_label(canvas, x + 15, y, line.name)


def _draw_legend(canvas: Canvas, series: Sequence[DotSeries]) -> None:
    x, y = canvas.axes.get_position().x0 * canvas.width, canvas.height - 16.0
    for dots in series:
        _draw_swatch(canvas, [x], y, color=COLOURS[dots.colour], marker=dots.marker, markersize=7)
        _draw_label(canvas, x + 12, y, dots.name)
        x += 34 + estimate_text_width(dots.name)


def _draw_swatch(canvas: Canvas, xs: list[float], y: float, **style: Any) -> None:
    shares = [x / canvas.width for x in xs]
    canvas.figure.add_artist(Line2D(shares, [y / canvas.height] * len(xs), **style))


def _draw_label(canvas: Canvas, x: float, y: float, text: str) -> None:
    canvas.figure.text(
        x / canvas.width, y / canvas.height, text, va="center", color=COLOURS["ink"], fontsize=12
    )
