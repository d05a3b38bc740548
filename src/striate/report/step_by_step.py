"""One value of the first layer, worked out: window, kernel, products, sum, and on to the next."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.report.canvas import COLOURS, Canvas, draw_lock, is_narrow
from striate.report.html import image_data_uri
from striate.report.language import Words
from striate.values import (
    Block,
    NetworkView,
    Section,
    WorkedPlace,
    WorkedStep,
    WorkedValue,
)

MOST_CELL, LEAST_CELL = 44.0, 21.0  # pixels; numbers are written in cells of LEAST_CELL and more
WIDE_CELL = 34.0  # a cell with room for two decimals
MOST_TWIN_ROWS = 80
DIMMED = 0.35
SMALLEST_IMAGE = 120  # pixels


def step_by_step_section(view: NetworkView | None, words: Words) -> Section | None:
    """Small multiples, a place each, then each value's way in a table; None without a value."""
    worked = view.worked if view is not None else None
    if worked is None or not worked.places:
        return None
    channels, side, _ = worked.kernel.shape
    lead = words(
        "steps.lead",
        path=worked.path,
        filter=worked.filter,
        filters=worked.filters,
        layer=worked.layer,
        channels=channels,
        side=side,
        n=channels * side * side,
    )
    charts = tuple(_chart(worked, k, words) for k in range(len(worked.places)))
    return Section(
        key="steps",
        title=words("steps.title"),
        lead=lead,
        blocks=(_windows(worked, words), *charts, _table(worked, words)),
    )


def _windows(worked: WorkedValue, words: Words) -> Block:
    """The image once for each place, dark but for the window."""
    captions = [
        f"{words('steps.place', k=k + 1)}\n"
        + words("steps.at", row=place.row, column=place.column, value=_figure(place.value))
        for k, place in enumerate(worked.places)
    ]
    return Block(
        kind="gallery",
        title=words("steps.windows"),
        images=tuple(image_data_uri(_spotlight(worked, place), 320) for place in worked.places),
        captions=tuple(captions),
        alts=tuple(caption.replace("\n", ", ") for caption in captions),
        severity="sharp samples",
    )


def _spotlight(worked: WorkedValue, place: WorkedPlace) -> NDArray[np.uint8]:
    """The image dimmed, with a frame around the window."""
    scale = max(1, -(-SMALLEST_IMAGE // max(worked.image.shape[:2])))
    image = worked.image[..., :3] if worked.image.shape[-1] >= 3 else worked.image[..., :1]
    pixels = image.repeat(scale, axis=0).repeat(scale, axis=1)
    if pixels.shape[-1] == 1:
        pixels = pixels.repeat(3, axis=-1)
    shown = (pixels * DIMMED).astype(np.uint8)
    reach = ((worked.kernel.shape[-1] - 1) * worked.dilation + 1) * scale
    top, left = max(0, place.top * scale), max(0, place.left * scale)
    bottom, right = place.top * scale + reach, place.left * scale + reach
    edge = 2
    shown[max(0, top - edge) : bottom + edge, max(0, left - edge) : right + edge] = 255
    shown[top:bottom, left:right] = pixels[top:bottom, left:right]
    return shown


def _chart(worked: WorkedValue, k: int, words: Words) -> Block:
    place = worked.places[k]
    title = words("steps.products_at", k=k + 1)
    sums = place.products.sum(axis=(1, 2))
    about = words("steps.about", k=k + 1, sum=_figure(float(sums.sum())), bias=_figure(place.bias))
    names = _channel_names(worked, words)
    heads = tuple(words(f"steps.{name}") for name in ("window", "kernel", "products"))
    svg = draw_products(
        f"steps-{k + 1}",
        title,
        about,
        (place.pixels, worked.kernel, place.products),
        names,
        heads,
        (words("steps.channel_sum"), sums),
    )
    return Block(
        kind="chart",
        title=title,
        note=about,
        svg=svg,
        header=tuple(words(f"steps.{name}") for name in TWIN),
        rows=_twin(worked, place, names) if place.products.size <= MOST_TWIN_ROWS else (),
    )


def _channel_names(worked: WorkedValue, words: Words) -> tuple[str, ...]:
    channels = len(worked.kernel)
    if channels == 3:
        return tuple(words(f"steps.{name}") for name in ("red", "green", "blue"))
    if channels == 1:
        return (words("steps.grey"),)
    return tuple(words("steps.channel", k=k + 1) for k in range(channels))


def _twin(
    worked: WorkedValue, place: WorkedPlace, names: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Every product of one place as a row."""
    return tuple(
        (
            f"{names[c]} {row + 1}, {column + 1}",
            f"{place.pixels[c, row, column]:.3f}",
            f"{worked.kernel[c, row, column]:.3f}",
            f"{place.products[c, row, column]:.3f}",
        )
        for c, row, column in np.ndindex(*place.products.shape)
    )


@draw_lock
def draw_products(
    key: str,
    title: str,
    about: str,
    parts: tuple[NDArray[np.float32], ...],
    names: Sequence[str],
    heads: tuple[str, ...],
    sums: tuple[str, NDArray[np.float32]],
) -> str:
    """Window × kernel = products, a row of grids for each channel and its sum at the end."""
    channels, side, _ = parts[0].shape
    width = 320 if is_narrow() else 660
    # On a narrow screen the channel's name stands above its row, to leave its cells more room.
    left, right, gap, over = (0, 48, 10, 22) if is_narrow() else (64, 92, 30, 0)
    cell = min(MOST_CELL, (width - left - right - 3 * gap) / (3 * side))
    high = side * cell + 14 + over
    canvas = Canvas(width, round(channels * high + 30 + over), left=0, right=0, top=0, bottom=0)
    axes = canvas.axes
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(canvas.height, 0)
    for j, part in enumerate(parts):
        x = left + j * (side * cell + gap)
        axes.text(x + side * cell / 2, 12, heads[j], ha="center", va="center", color=COLOURS["ink"])
        largest = float(np.abs(part).max()) or 1.0
        for c in range(channels):
            _draw_grid(axes, part[c], x, 26 + over + c * high, cell, largest)
            sign = ("×", "=", "" if over else "→")[j]
            middle = 26 + over + c * high + side * cell / 2
            axes.text(x + side * cell + gap / 2, middle, sign, ha="center", va="center")
    end = left + 3 * (side * cell + gap)
    axes.text(end + (right - 8) / 2, 12, sums[0], ha="center", va="center", color=COLOURS["ink"])
    for c, name in enumerate(names):
        middle = 26 + over + c * high + side * cell / 2
        x, y, side_of = (
            (0, 26 + c * high + over / 2, "left") if over else (left - 8, middle, "right")
        )
        axes.text(x, y, name, ha=side_of, va="center", color=COLOURS["ink"])
        text = _figure(float(sums[1][c]))
        axes.text(end + (right - 8) / 2, middle, text, ha="center", va="center", weight="bold")
    return canvas.svg(key, title, about)


def _draw_grid(
    axes: Any, part: NDArray[np.float32], x: float, y: float, cell: float, largest: float
) -> None:
    """One channel's cells, coloured by sign and size, with their numbers where there is room."""
    for (row, column), value in np.ndenumerate(part):
        left, top = x + column * cell, y + row * cell
        colour = COLOURS["accent" if value >= 0 else "second"]
        strength = 0.55 * min(1.0, abs(float(value)) / largest)
        box = [left, left + cell - 1, left + cell - 1, left]
        axes.fill(box, [top, top, top + cell - 1, top + cell - 1], color=colour, alpha=strength)
        if cell >= LEAST_CELL:
            roomy = cell >= WIDE_CELL
            text = f"{value:.{2 if roomy else 1}f}".replace("-", "−")
            axes.text(
                left + cell / 2,
                top + cell / 2,
                text,
                ha="center",
                va="center",
                color=COLOURS["ink"],
                fontsize=11 if roomy else 9,
            )


def _table(worked: WorkedValue, words: Words) -> Block:
    """Each place's value on its way, a column a place; a step that one lacks is a dash there."""
    names = _channel_names(worked, words)
    rows = [
        (words("steps.sum_of", channel=name), *(_sum_of(place, c) for place in worked.places))
        for c, name in enumerate(names)
    ]
    rows.append((words("steps.bias"), *(_figure(place.bias) for place in worked.places)))
    rows.append((words("steps.value"), *(_figure(place.value) for place in worked.places)))
    marked = [len(rows) - 1]
    for k in range(max(len(place.steps) for place in worked.places)):
        steps = [place.steps[k] if k < len(place.steps) else None for place in worked.places]
        known = next(step for step in steps if step is not None)
        if known.operation == "convolution":
            rows += _next_layer_rows(steps, words)
            marked.append(len(rows))
        rows.append((_step_name(known, words), *(_step_cell(step, words) for step in steps)))
    return Block(
        kind="table",
        title=words("steps.table"),
        note=words("steps.table_note"),
        header=(
            words("steps.step"),
            *(words("steps.place", k=k + 1) for k in range(len(worked.places))),
        ),
        rows=tuple(rows),
        marked=tuple(marked),
    )


def _sum_of(place: WorkedPlace, channel: int) -> str:
    return _figure(float(place.products[channel].sum()))


def _step_name(step: WorkedStep, words: Words) -> str:
    return words(f"steps.{step.operation}", kind=step.kind, layer=step.layer, n=step.terms)


def _next_layer_rows(steps: Sequence[WorkedStep | None], words: Words) -> list[tuple[str, ...]]:
    """The one weight of the next layer that meets the value, and their product."""
    weights = (step and _figure(step.weight) for step in steps)
    products = (step and _figure(step.before * step.weight) for step in steps)
    return [
        (words("steps.next_weight"), *(text or "–" for text in weights)),
        (words("steps.next_product"), *(text or "–" for text in products)),
    ]


def _step_cell(step: WorkedStep | None, words: Words) -> str:
    if step is None:
        return "–"
    if step.operation != "pooling":
        return _figure(step.after)
    window = ", ".join(_figure(value) for value in step.window)
    how = "max" if "Max" in step.kind else "mean"
    return f"{how}({window}) = {_figure(step.after)}"


def _figure(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


TWIN = ("weight", "pixel", "kernel", "product")
