"""The network itself: its stages as a picture, its layers as a table, their weights."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from striate.report.canvas import COLOURS, Canvas, draw_lock, is_narrow
from striate.report.html import image_data_uri
from striate.report.language import Words
from striate.values import (
    Architecture,
    Block,
    LayerCard,
    LayerStates,
    LayerWeights,
    NetworkView,
    Section,
)

MOST_OPEN_ROWS = 24
ROW, CELL_WIDTH, CELL_HEIGHT = 34, 150, 92  # pixels of the drawings
MOST_HISTOGRAMS = 60
MOST_KERNEL_LAYERS = 20
SCALE = 4  # pixels a weight, so that a small kernel is not blurred by the browser


def architecture_section(view: NetworkView | None, words: Words) -> Section | None:
    """Stages as bars and every layer as a row; None where no network was looked into."""
    found = view.architecture if view is not None else None
    if found is None:
        return None
    largest = max(found.layers, key=lambda layer: layer.multiply_adds)
    lead = words(
        "architecture.lead",
        net=found.net,
        parameters=f"{found.parameters:,}",
        adds=words.number(found.multiply_adds / 1e6),
        layer=largest.layer,
        share=words.percent(largest.multiply_adds / max(1, found.multiply_adds), 0),
    )
    title = words("architecture.picture")
    return Section(
        key="architecture",
        title=words("architecture.title"),
        lead=lead,
        blocks=(
            Block(
                kind="chart",
                title=title,
                svg=draw_stages("architecture", title, lead, found, words("architecture.image")),
                note=words("architecture.picture_note"),
            ),
            _table(found, words),
        ),
    )


@draw_lock
def draw_stages(key: str, title: str, about: str, found: Architecture, image: str) -> str:
    """A bar for the image and each stage: as long as its side, as thick as its channels."""
    side = found.input_size
    shapes: list[tuple[str, tuple[int, ...]]] = [(image, (found.channels, side, side))]
    shapes += [(stage.name, stage.output) for stage in found.stages]
    canvas = Canvas(640, ROW * len(shapes) + 8, left=0, right=0, top=4, bottom=4)
    axes = canvas.axes
    axes.set_axis_off()
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(ROW * len(shapes), 0)
    left, right = (84, 128) if is_narrow() else (150, 190)
    most = math.log2(1 + max(shape[0] for _, shape in shapes))
    for place, (name, shape) in enumerate(shapes):
        middle = ROW * (place + 0.5)
        thick = 4 + (ROW - 12) * math.log2(1 + shape[0]) / most
        length = max(3.0, (canvas.width - left - right) * shape[-1] / side)
        colour = COLOURS["second" if place == 0 else "accent"]
        axes.barh(middle, length, thick, left=left, color=colour, alpha=0.85)
        axes.text(left - 10, middle, name, ha="right", va="center", color=COLOURS["ink"])
        text = " × ".join(f"{count:,}" for count in shape)
        axes.text(left + length + 8, middle, text, ha="left", va="center", fontsize=12)
    return canvas.svg(key, title, about)


def _table(found: Architecture, words: Words) -> Block:
    names = ("layer", "kind", "kernel", "output", "parameters", "adds", "field")
    return Block(
        kind="table",
        title=words("architecture.table"),
        note=words("architecture.table_note"),
        header=tuple(words(f"architecture.{name}") for name in names),
        rows=tuple(_row(layer, words) for layer in found.layers),
        folded=len(found.layers) > MOST_OPEN_ROWS,
    )


def _row(layer: LayerCard, words: Words) -> tuple[str, ...]:
    kernel = f"{layer.kernel} × {layer.kernel}" if layer.kernel else "–"
    if layer.stride > 1:
        kernel = words("architecture.strided", kernel=kernel, stride=layer.stride)
    return (
        layer.layer,
        layer.kind,
        kernel,
        " × ".join(f"{side:,}" for side in layer.output),
        f"{layer.parameters:,}",
        f"{layer.multiply_adds:,}",
        f"{layer.receptive_field:,}",
    )


def weights_section(
    view: NetworkView | None, states: LayerStates | None, words: Words
) -> Section | None:
    """Histograms and kernels of every layer, before training too where a run kept them."""
    if view is None or not view.weights:
        return None
    before = {one.layer: one for one in states.weights_begun} if states is not None else {}
    shown = view.weights[:MOST_HISTOGRAMS]
    title = words("weights.histograms")
    moved = [_moved(before[one.layer], one) for one in view.weights if one.layer in before]
    key = "weights.lead" if moved else "weights.lead_frozen"
    lead = words(
        key,
        n=len(view.weights),
        least=f"{min(moved, default=1.0):.2f}",
        most=f"{max(moved, default=1.0):.2f}",
    )
    pairs = [(one, before.get(one.layer)) for one in shown]
    chart = Block(
        kind="chart",
        title=title,
        svg=draw_histograms("weights", title, lead, pairs),
        note=words("weights.note" if moved else "weights.note_frozen"),
        header=tuple(words(f"weights.{name}") for name in TWIN),
        rows=tuple(_weights_row(now, then) for now, then in pairs),
    )
    galleries = _kernel_galleries(view.weights, before, words)
    return Section(
        key="weights", title=words("weights.title"), lead=lead, blocks=(chart, *galleries)
    )


def _moved(before: LayerWeights, after: LayerWeights) -> float:
    """How many times as widely the weights of a layer spread after training."""
    return after.deviation / before.deviation if before.deviation else 1.0


def _weights_row(now: LayerWeights, then: LayerWeights | None) -> tuple[str, ...]:
    shape = " × ".join(f"{side:,}" for side in now.shape)
    start = f"{then.mean:.2g} ± {then.deviation:.2g}" if then is not None else "–"
    return _short_name(now), shape, start, f"{now.mean:.2g} ± {now.deviation:.2g}"


@draw_lock
def draw_histograms(
    key: str,
    title: str,
    about: str,
    pairs: Sequence[tuple[LayerWeights, LayerWeights | None]],
) -> str:
    """One small histogram a layer: dashed before training, filled after, on one axis each."""
    columns = 2 if is_narrow() else 5
    width = 320 if is_narrow() else 760
    rows = -(-len(pairs) // columns)
    canvas = Canvas(width, rows * CELL_HEIGHT + 4, left=0, right=0, top=2, bottom=2)
    axes = canvas.axes
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(rows * CELL_HEIGHT, 0)
    cell = width / columns
    for place, (now, then) in enumerate(pairs):
        left, top = place % columns * cell + 4, place // columns * CELL_HEIGHT
        low = min(now.low, then.low if then else now.low)
        high = max(now.high, then.high if then else now.high)
        known = [one for one in (now, then) if one is not None]
        peak = max(float(_density(one).max()) for one in known) or 1.0
        span = (low, high, peak)
        x, y = _outline(now, span, left, cell - 14, top + CELL_HEIGHT - 26, CELL_HEIGHT - 48)
        base = top + CELL_HEIGHT - 26
        axes.fill_between(x, y, base, color=COLOURS["accent"], alpha=0.45, linewidth=0)
        if then is not None:
            x, y = _outline(then, span, left, cell - 14, base, CELL_HEIGHT - 48)
            line = np.stack([x, y], axis=1)
            style = {"color": COLOURS["second"], "linewidth": 1.4, "linestyle": (0, (3, 2))}
            # The stubs want named arguments; the style is a dict of them.
            axes.add_collection(LineCollection([line], **style))  # type: ignore[arg-type]
        axes.plot([left, left + cell - 14], [base] * 2, color=COLOURS["line"], linewidth=1)
        most = int((cell - 14) / 6.4)
        name = _short_name(now)
        name = name if len(name) <= most else f"…{name[1 - most :]}"
        axes.text(left, top + 10, name, va="center", color=COLOURS["ink"], fontsize=11)
        for edge, where in ((low, "left"), (high, "right")):
            x_edge = left if where == "left" else left + cell - 14
            axes.text(
                x_edge,
                base + 10,
                f"{edge:.2g}".replace("-", "−"),
                ha=where,
                va="center",
                fontsize=10,
            )
    return canvas.svg(key, title, about)


def _density(weights: LayerWeights) -> NDArray[np.float64]:
    counts = np.asarray(weights.counts, np.float64)
    width = (weights.high - weights.low) / max(1, len(counts)) or 1.0
    density: NDArray[np.float64] = counts / (max(1.0, float(counts.sum())) * width)
    return density


def _outline(
    weights: LayerWeights,
    span: tuple[float, float, float],
    left: float,
    width: float,
    base: float,
    height: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The histogram's outline in pixels; `span` is the axis' low and high and the peak."""
    low, high, peak = span
    density = _density(weights)
    edges = np.linspace(weights.low, weights.high, len(density) + 1)
    x = left + (np.repeat(edges, 2)[1:-1] - low) / ((high - low) or 1.0) * width
    y = base - np.repeat(density, 2) / peak * height
    return x, y


def _kernel_galleries(
    weights: Sequence[LayerWeights], before: dict[str, LayerWeights], words: Words
) -> list[Block]:
    """The first kernels of each convolution, before and after side by side."""
    layers = [one for one in weights if one.kernels][:MOST_KERNEL_LAYERS]
    if not layers:
        return []
    images, captions = [], []
    for one in layers:
        then = before.get(one.layer)
        for moment, which in (("before", then), ("after", one)):
            if which is not None and which.kernels:
                images.append(image_data_uri(kernel_sheet(which), longest=240))
                name = words(f"weights.{moment}") if then is not None else ""
                captions.append(f"{_short_name(one)}\n{name}".rstrip("\n"))
    return [
        Block(
            kind="gallery",
            title=words("weights.kernels"),
            text=words("weights.kernels_text"),
            images=tuple(images),
            captions=tuple(captions),
            alts=tuple(f"{words('weights.kernels')}: {text}" for text in captions),
            severity="sharp samples",
        )
    ]


def kernel_sheet(weights: LayerWeights) -> NDArray[np.uint8]:
    """The kept kernels on one sheet, zero at mid grey, each scaled to its largest weight."""
    channels, height, width = weights.kernel_shape
    kernels = np.asarray(weights.kernels, np.float64).reshape(-1, channels, height, width)
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    shades = 127.5 + 127.5 * kernels / np.where(largest, largest, 1.0)
    pixels = np.round(np.clip(shades, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    pixels = pixels.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    columns = math.ceil(math.sqrt(len(pixels)))
    rows = math.ceil(len(pixels) / columns)
    gap = 2
    high, wide = height * SCALE + gap, width * SCALE + gap
    sheet = np.full((rows * high - gap, columns * wide - gap, channels), 255, np.uint8)
    for place, kernel in enumerate(pixels):
        top, left = place // columns * high, place % columns * wide
        sheet[top : top + height * SCALE, left : left + width * SCALE] = kernel
    return sheet[..., 0] if channels == 1 else sheet


def _short_name(weights: LayerWeights) -> str:
    return weights.layer.removeprefix("backbone.")


TWIN = ("layer", "shape", "at_begin", "now")
