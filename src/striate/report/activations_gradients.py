"""Activations and gradients per layer, as charts and a table."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from striate.report.canvas import COLOURS, Canvas, draw_lock, estimate_text_width
from striate.report.html import image_data_uri
from striate.report.language import Words
from striate.values import Block, Explanation, LayerState, LayerStates, Section, Values

Moment = tuple[str, tuple[LayerState, ...]]


def layers_section(values: Values, words: Words) -> Section | None:
    """Spread of outputs and gradient norm per layer; None if no network was trained."""
    states = values.layers
    if states is None or values.history is None or not _weighted_places(states):
        return None
    moments = _known_moments(states)
    return Section(
        key="layers",
        title=words("layers.title"),
        lead=_layers_lead(states, moments, words),
        blocks=(
            _chart("deviation", states, moments, words),
            _chart("gradient", states, _moments_with_gradients(moments), words),
            _table(states, words),
        ),
    )


def _known_moments(states: LayerStates) -> list[Moment]:
    """The moments with statistics, in order."""
    known = (("drawn", states.drawn), ("begun", states.begun), ("trained", states.layers))
    return [(name, layers) for name, layers in known if layers]


def _weighted_places(states: LayerStates) -> list[int]:
    """Positions of the layers with weights; activations have no gradient of their own."""
    return [place for place, layer in enumerate(states.layers) if layer.weight]


def _layer_figures(layers: Sequence[LayerState], places: Sequence[int], figure: str) -> list[float]:
    return [getattr(layers[place], figure) for place in places if place < len(layers)]


def _moments_with_gradients(moments: Sequence[Moment]) -> list[Moment]:
    """The moments with gradients; below a head of zeros there are none."""
    return [moment for moment in moments if sum(layer.gradient > 0 for layer in moment[1]) > 1]


def _layers_lead(states: LayerStates, moments: Sequence[Moment], words: Words) -> str:
    spans = []
    for name, layers in moments:
        found = [
            value
            for value in _layer_figures(layers, _weighted_places(states), "deviation")
            if value
        ]
        spans.append(
            words(
                f"layers.span_{name}", low=_short_number(min(found)), high=_short_number(max(found))
            )
        )
    lead = words("layers.lead", n=states.images, spans=words.listed(spans))
    acting = [layer for layer in states.layers if layer.units and not layer.weight]
    if not acting:
        return lead
    worst = max(acting, key=lambda layer: layer.dead / layer.units)
    if not worst.dead:
        return lead + words("unit.space") + words("layers.none_dead")
    share = words.percent(worst.dead / worst.units, 0)
    return lead + words("unit.space") + words("layers.dead", share=share, layer=_name(worst))


def _chart(figure: str, states: LayerStates, moments: Sequence[Moment], words: Words) -> Block:
    title = words(f"layers.{figure}")
    lines = [
        (words(f"layers.{name}"), _layer_figures(layers, _weighted_places(states), figure))
        for name, layers in moments
    ]
    about = words("layers.about", figure=title, layers=len(lines[0][1]), moments=len(lines))
    return Block(
        kind="chart",
        title=title,
        note=words(f"layers.{figure}_note"),
        svg=draw_layer_profile(f"layers-{figure}", title, about, lines, words("layers.number")),
        severity="half",
    )


@draw_lock
def draw_layer_profile(
    key: str,
    title: str,
    description: str,
    lines: Sequence[tuple[str, Sequence[float]]],
    x_label: str,
) -> str:
    """One figure for all layers, one line per moment, on a logarithmic axis without zeros."""
    canvas = Canvas(420, 280, left=58, right=16, top=34, bottom=46)
    axes = canvas.axes
    canvas.grid()
    axes.set_yscale("log")
    x = axes.get_position().x0 * canvas.width
    for (name, values), (colour, dashes) in zip(lines, LINE_STYLES[-len(lines) :], strict=True):
        seen = [value if value > 0 else math.nan for value in values]
        style: dict[str, Any] = {"color": COLOURS[colour], "linestyle": dashes, "linewidth": 2}
        axes.plot(range(1, len(seen) + 1), seen, marker="o", markersize=4, **style)
        axes.plot(
            [x / canvas.width, (x + 18) / canvas.width],
            [1 - 16 / canvas.height] * 2,
            transform=canvas.figure.transFigure,
            clip_on=False,
            **style,
        )
        canvas.figure.text(
            (x + 24) / canvas.width,
            1 - 16 / canvas.height,
            name,
            va="center",
            color=COLOURS["ink"],
            fontsize=12,
        )
        x += 40 + estimate_text_width(name)
    low, high = axes.get_ylim()
    between = (1.0, 2.0, 5.0) if high < FEW_DECADES * low else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=between, numticks=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short_number(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(x_label, labelpad=6)
    return canvas.svg(key, title, description)


def _table(states: LayerStates, words: Words) -> Block:
    """Mean, deviation, dead share and gradient of every layer."""
    moments = _known_moments(states)
    rows = []
    for place, layer in enumerate(states.layers):
        cells = [_name(layer), layer.kind]
        for _, layers in moments:
            one = layers[place] if place < len(layers) else None
            cells.append(
                f"{_short_number(one.mean)} ± {_short_number(one.deviation)}" if one else "–"
            )
        cells.append(_dead(layer, words))
        for _, layers in _moments_with_gradients(moments):
            one = layers[place] if place < len(layers) else None
            cells.append(_short_number(one.gradient) if one and one.weight else "–")
        rows.append(tuple(cells))
    names = [words(f"layers.{name}") for name, _ in moments]
    return Block(
        kind="table",
        title=words("layers.table"),
        note=words("layers.table_note"),
        header=(
            words("layers.layer"),
            words("layers.kind"),
            *(words("layers.output", moment=name) for name in names),
            words("layers.dead_share"),
            *(
                words("layers.gradient_at", moment=words(f"layers.{name}"))
                for name, _ in _moments_with_gradients(moments)
            ),
        ),
        rows=tuple(rows),
        folded=True,
    )


def _name(layer: LayerState) -> str:
    return layer.layer.removeprefix("backbone.") or "–"


def _dead(layer: LayerState, words: Words) -> str:
    if layer.weight or not layer.units:
        return "–"
    return words.percent(layer.dead / layer.units, 0)


def _short_number(value: float) -> str:
    return f"{value:.2g}" if 1e-3 <= abs(value) < 1e4 or not value else f"{value:.0e}"


FEW_DECADES = 100
# The last line is the trained one, whatever stands before it.
LINE_STYLES: tuple[tuple[str, str], ...] = (("soft", ":"), ("second", "--"), ("accent", "-"))


def explanations_section(explanations: tuple[Explanation, ...], words: Words) -> Section | None:
    """One gallery per explanation; None if there are none."""
    if not explanations:
        return None
    return Section(
        key="seeing",
        title=words("seeing.title"),
        lead=words("seeing.lead"),
        blocks=tuple(_gallery(explanation, words) for explanation in explanations),
    )


def _gallery(explanation: Explanation, words: Words) -> Block:
    title = words.filled(f"method_title.{explanation.method}", {}, explanation.title)
    return Block(
        kind="gallery",
        title=title,
        text=words.sentence(explanation.about),
        images=tuple(image_data_uri(image, longest=240) for image in explanation.images),
        captions=explanation.captions,
        alts=tuple(f"{title}: {caption}" for caption in explanation.captions),
        severity=f"sharp {explanation.method}",
    )
