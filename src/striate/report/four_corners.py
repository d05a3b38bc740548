"""The data set's place among the course's four corners, and the gain of more images."""

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from striate.report.canvas import COLOURS, Canvas, draw_lock
from striate.report.language import Words
from striate.values import CLOSED_FORM, TUNED, Block, Corner, Evidence, Growth, GrowthPoint, Plan


def four_corner_blocks(evidence: Evidence, plan: Plan, words: Words) -> list[Block]:
    """The four corners with the data set's place, and the rule of thumb."""
    where = evidence.corner
    if where is None:
        return []
    title = words("placing.corners")
    size = words("placing.large" if where.large else "placing.small")
    likeness = words("placing.similar" if where.similar else "placing.dissimilar")
    text = words(
        "placing.rule",
        size=size,
        likeness=likeness,
        each=f"{where.images_per_class:,.0f}",
        shift=f"{where.shift:.2f}",
        rule=words.named("strategy", where.rule),
        done=words.named("strategy", plan.strategy.value),
    )
    names = {rule: words.named("strategy", rule) for rule in DRAWN_STRATEGIES}
    places = [words(f"placing.{name}") for name in ("small", "large", "similar", "dissimilar")]
    return [
        Block(
            kind="chart",
            title=title,
            text=text,
            note=f"{text} {words('placing.corners_note')}",
            svg=draw_corners(
                "corners",
                title,
                words("placing.corners_about", size=size, likeness=likeness),
                where,
                names,
                x_label=words("placing.images_per_class"),
                y_label=words("placing.shift"),
                you=words("placing.you"),
            ),
            header=(words("placing.images_per_class"), places[2], places[3]),
            rows=(
                (places[0], names["linear"], names["layers"]),
                (places[1], names["shallow"], names["deep"]),
            ),
        ),
        _shift_table(evidence, words),
    ]


def learning_curve_block(found: Growth | None, words: Words) -> list[Block]:
    """Error by number of images, extrapolated, and a sentence on what to expect."""
    if found is None:
        return []
    title = words("placing.growth")
    sentence = learning_curve_sentence(found, words)
    return [
        Block(
            kind="chart",
            title=title,
            note=f"{sentence} {words('placing.growth_note', n=f'{found.n:,}')}",
            svg=draw_growth(
                "growth",
                title,
                sentence,
                found,
                x_label=words("placing.train_images"),
                y_label=words("placing.error"),
                names=(words("placing.measured"), words("placing.expected")),
            ),
            header=tuple(words(f"placing.{name}") for name in ("train_images", "error", "ground")),
            rows=(
                *(_growth_row(p, words("placing.measured"), words) for p in found.measured),
                *(_growth_row(p, words("placing.expected"), words) for p in found.expected),
            ),
        )
    ]


def learning_curve_sentence(found: Growth, words: Words) -> str:
    """The expected gain of twice as many images, in points, with its interval."""
    last, double = found.measured[-1], found.expected[0]
    figures = {
        "more": f"{double.images - last.images:,}",
        "gain": f"{100 * (last.error - double.error):.1f}",
        "low": f"{100 * max(0.0, found.gain_low):.1f}",
        "high": f"{100 * found.gain_high:.1f}",
    }
    hardly = last.error - double.error < SMALL_GAIN
    return words("placing.hardly" if hardly else "placing.gain", **figures)


def _shift_table(evidence: Evidence, words: Words) -> Block:
    rows = [
        (words.named("tapped", stage), f"{value:.3f}") for stage, value in evidence.shift.items()
    ]
    for name, found in (("neighbour", evidence.neighbour), ("class_mean", evidence.class_mean)):
        if found is not None:
            share = f"{words.percent(found.value)} ({words.span(found.low, found.high)})"
            rows.append((words(f"placing.{name}"), share))
    return Block(
        kind="table",
        title=words("placing.shifts"),
        note=words("placing.shifts_note"),
        header=(words("choices.stage"), words("placing.shift")),
        rows=tuple(rows),
        folded=True,
    )


def _growth_row(point: GrowthPoint, ground: str, words: Words) -> tuple[str, ...]:
    span = words.span(point.low, point.high)
    return f"{point.images:,}", f"{words.percent(point.error)} ({span})", ground


DRAWN_STRATEGIES = (*CLOSED_FORM, *TUNED)
SMALL_GAIN = 0.003


@draw_lock
def draw_corners(
    key: str,
    title: str,
    description: str,
    where: Corner,
    names: Mapping[str, str],
    *,
    x_label: str,
    y_label: str,
    you: str,
) -> str:
    """Images per class against shift, both logarithmic; a strategy in each corner."""
    canvas = Canvas(440, 330, left=58, right=16, top=14, bottom=50)
    axes = canvas.axes
    xs, ys = (
        (where.large_from / 40, where.large_from * 40),
        (where.similar_below / 12, 12 * where.similar_below),
    )
    x = float(np.clip(where.images_per_class, xs[0] * 1.15, xs[1] / 1.15))
    y = float(np.clip(where.shift, ys[0] * 1.1, ys[1] / 1.1))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*xs)
    axes.set_ylim(*ys)
    axes.axvline(where.large_from, color=COLOURS["line"], linewidth=1.5)
    axes.axhline(where.similar_below, color=COLOURS["line"], linewidth=1.5)
    for rule, (across, up) in CORNER_POSITIONS.items():
        chosen = rule == where.rule
        axes.text(
            across,
            up,
            _break_name(names[rule]),
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=11.5,
            color=COLOURS["ink" if chosen else "soft"],
        )
    axes.plot([x], [y], marker="o", markersize=11, color=COLOURS["accent"], zorder=3)
    # The name stands beside the dot where it crosses no line and leaves no room.
    right = where.large_from / 4 < x < where.large_from or x > where.large_from * 4
    axes.annotate(
        you,
        (x, y),
        xytext=(-10 if right else 10, 0),
        textcoords="offset points",
        ha="right" if right else "left",
        va="center",
        color=COLOURS["accent"],
        fontsize=12,
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(x_label, labelpad=6)
    axes.set_ylabel(y_label, labelpad=6)
    return canvas.svg(key, title, description)


@draw_lock
def draw_growth(
    key: str,
    title: str,
    description: str,
    found: Growth,
    *,
    x_label: str,
    y_label: str,
    names: tuple[str, str],
) -> str:
    """Measured errors with intervals, and the band of the extrapolation."""
    canvas = Canvas(440, 300, left=58, right=20, top=30, bottom=50)
    axes = canvas.axes
    canvas.grid("y")
    last = found.measured[-1]
    ahead = (last, *found.expected)
    images = [point.images for point in ahead]
    axes.fill_between(
        images,
        [last.error, *(p.low for p in found.expected)],
        [last.error, *(p.high for p in found.expected)],
        color=COLOURS["second"],
        alpha=0.25,
        linewidth=0,
    )
    axes.plot(
        images,
        [p.error for p in ahead],
        color=COLOURS["second"],
        linewidth=2,
        linestyle=(0, (4, 2)),
        label=names[1],
    )
    for point in found.measured:
        ends = [point.low, point.high]
        axes.plot([point.images] * 2, ends, color=COLOURS["accent"], linewidth=2)
    axes.plot(
        [p.images for p in found.measured],
        [p.error for p in found.measured],
        color=COLOURS["accent"],
        marker="o",
        markersize=7,
        linewidth=2,
        label=names[0],
    )
    axes.set_xscale("log")
    ticks = [point.images for point in (*found.measured, *found.expected)]
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    axes.set_xlabel(x_label, labelpad=6)
    axes.set_ylabel(y_label, labelpad=6)
    axes.legend(frameon=False, fontsize=12, labelcolor=COLOURS["ink"], loc="upper right")
    return canvas.svg(key, title, description)


def _break_name(name: str) -> str:
    """A long name on two lines."""
    words = name.split(" ")
    if len(name) < LONG_NAME or len(words) < 2:
        return name
    half = min(range(1, len(words)), key=lambda k: abs(2 * len(" ".join(words[:k])) - len(name)))
    return " ".join(words[:half]) + "\n" + " ".join(words[half:])


ACROSS, UP = 40, 12
LONG_NAME = 20
CORNER_POSITIONS = {
    "linear": (0.25, 0.12),
    "layers": (0.25, 0.88),
    "shallow": (0.75, 0.12),
    "deep": (0.75, 0.88),
}
