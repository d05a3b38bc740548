"""Answers against the true numbers: the chart with its table, and the images furthest off."""

import numpy as np
from numpy.typing import NDArray

from striate.measures import crossed, number_measures
from striate.report.canvas import COLOURS, Canvas, drawn
from striate.report.language import Words
from striate.report.pixels import SMALL, data_uri
from striate.values import Block, Section, Values

SHOWN, MOST_DOTS, BINS, BIN_IMAGES = 24, 1000, 10, 5


def numbers_section(values: Values, words: Words) -> Section | None:
    """A dot an image, and by parts of the range how far off the answers are."""
    counted = values.counted
    if not counted.any():
        return None
    truth = values.predictions.targets[counted, 0]
    answers = values.predictions.numbers[counted].astype(np.float64)
    groups = values.counted_groups
    order = np.argsort(truth, kind="stable")
    parts = np.array_split(order, max(1, min(BINS, len(order) // BIN_IMAGES)))
    rows = []
    for part in parts:
        error = number_measures(answers[part], truth[part], groups[part], values.plan.seed)[0]
        error = crossed(error, values.folds) if values.folds else error
        rows.append(
            (
                f"{words.number(truth[part].min())} – {words.number(truth[part].max())}",
                f"{len(part):,}",
                words.number(float(answers[part].mean())),
                words.number(float((answers[part] - truth[part]).mean())),
                words.number(error.value),
                f"{words.number(error.low)}–{words.number(error.high)}",
            )
        )
    title = words("numbers.chart")
    chart = Block(
        kind="chart",
        title=title,
        note=words("numbers.note"),
        svg=_scatter(truth[order], answers[order], title, words),
        header=tuple(words(f"numbers.{name}") for name in HEADER),
        rows=tuple(rows),
    )
    return Section(
        key="numbers", title=words("numbers.title"), lead=words("numbers.lead"), blocks=(chart,)
    )


def number_mistakes(values: Values, words: Words) -> Section | None:
    """The images whose answers are furthest off."""
    counted = values.counted
    if not counted.any():
        return None
    predictions = values.predictions
    off = np.abs(predictions.numbers - predictions.targets[:, 0])
    places = np.flatnonzero(counted)
    chosen = places[np.argsort(-off[places], kind="stable")][:SHOWN]
    gallery = Block(
        kind="gallery",
        images=tuple(data_uri(values.cache.images[values.test_rows[place]]) for place in chosen),
        captions=tuple(
            "\n".join(
                (
                    words("numbers.said", value=words.number(float(predictions.numbers[place]))),
                    words(
                        "numbers.given", value=words.number(float(predictions.targets[place, 0]))
                    ),
                    predictions.paths[place],
                )
            )
            for place in chosen
        ),
        alts=tuple(words("mistakes.alt", path=predictions.paths[place]) for place in chosen),
        severity="sharp" if values.cache.size <= SMALL else "",
    )
    lead = words("numbers.furthest", n=len(chosen))
    return Section(key="mistakes", title=words("mistakes.title"), lead=lead, blocks=(gallery,))


@drawn
def _scatter(
    truth: NDArray[np.float64], answers: NDArray[np.float64], title: str, words: Words
) -> str:
    """Answers against truth, evenly chosen where they are many, and the line where both agree."""
    some = np.linspace(0, len(truth) - 1, min(len(truth), MOST_DOTS)).round().astype(np.int64)
    canvas = Canvas(440, 380, left=70, right=16, top=14, bottom=50)
    axes = canvas.axes
    canvas.grid("both")
    low = float(min(truth.min(), answers.min()))
    high = float(max(truth.max(), answers.max()))
    axes.plot([low, high], [low, high], color=COLOURS["soft"], linewidth=1, linestyle=(0, (3, 3)))
    axes.plot(
        truth[some],
        answers[some],
        color=COLOURS["accent"],
        marker="o",
        markersize=4,
        markeredgewidth=0,
        linestyle="none",
        alpha=0.55,
    )
    axes.set_xlabel(words("numbers.true"), labelpad=6)
    axes.set_ylabel(words("numbers.answered"), labelpad=8)
    return canvas.svg("numbers", title, words("numbers.about", n=len(truth)))


HEADER = ("range", "n", "mean", "bias", "error", "interval")
