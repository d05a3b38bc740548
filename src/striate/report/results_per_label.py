"""Results per label of a multi-label task, and of a number: metrics and worst errors."""

import numpy as np
from numpy.typing import NDArray

from striate.metrics.score import label_table
from striate.metrics.target_metrics import number_measures, widen_by_folds
from striate.report.canvas import COLOURS, Canvas, draw_lock
from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words
from striate.values import Block, Section, Values

SHOWN, MOST_ROWS = 24, 60


def label_results_section(values: Values, words: Words) -> Section | None:
    """Every label on the evaluated images; if there are many, the least precise."""
    predictions, counted = values.predictions, values.counted
    if not counted.any():
        return None
    seed, folds = values.plan.seed, values.folds
    table = label_table(predictions, counted, values.counted_groups, seed, folds)[:-1]
    marks, said = predictions.targets[counted] > 0, predictions.said[counted]
    trained = values.index.targets()[values.split.train].sum(axis=0)
    order = np.argsort([pair[0].value for pair in table], kind="stable")
    rows, bars = [], []
    for k in sorted(order[:MOST_ROWS].tolist()):
        precise, found = table[k]
        known = bool(marks[:, k].any())
        right = int((marks[:, k] & said[:, k]).sum())
        rows.append(
            (
                predictions.classes[k],
                f"{int(trained[k]):,}",
                f"{int(marks[:, k].sum()):,}",
                words.percent(precise.value) if known else "–",
                words.span(precise.low, precise.high) if known else "–",
                words.percent(found.value) if known else "–",
                words.span(found.low, found.high) if known else "–",
                words.percent(right / said[:, k].sum()) if said[:, k].any() else "–",
                words.percent(right / marks[:, k].sum()) if known else "–",
                f"{predictions.thresholds[k]:.2f}",
            )
        )
        bars.append((precise.value, precise.low, precise.high) if known else (0.0, 0.0, 0.0))
    block = Block(
        kind="table",
        header=tuple(words(f"labels.{name}") for name in HEADER),
        rows=tuple(rows),
        bars=tuple(bars),
    )
    lead = words("labels.lead")
    return Section(key="labels", title=words("labels.title"), lead=lead, blocks=(block,))


def label_mistakes(values: Values, words: Words) -> Section | None:
    """Images with the most confident mistakes on a single label."""
    predictions, counted = values.predictions, values.counted
    wrong = (predictions.said != (predictions.targets > 0)) & counted[:, None]
    images = np.flatnonzero(wrong.any(axis=1))
    if not counted.any():
        return None
    title = words("mistakes.title")
    if not len(images):
        text = words("mistakes.none", n=int(counted.sum()))
        return Section(key="mistakes", title=title, blocks=(Block(kind="text", text=text),))
    # How far a probability lies on the wrong side of its threshold.
    distance = np.abs(predictions.probabilities - np.asarray(predictions.thresholds))
    worst = np.where(wrong, distance, -1.0)
    chosen = images[np.argsort(-worst[images].max(axis=1), kind="stable")][:SHOWN]
    captions = []
    for place in chosen:
        missed = predictions.targets[place] > 0
        true = "|".join(n for n, one in zip(predictions.classes, missed, strict=True) if one)
        k = int(worst[place].argmax())
        captions.append(
            "\n".join(
                (
                    words(
                        "labels.said",
                        said=predictions.texts[place].strip("|") or "–",
                        name=predictions.classes[k],
                        share=words.percent(float(predictions.probabilities[place, k]), 0),
                    ),
                    words("mistakes.given", name=true or "–"),
                    predictions.paths[place],
                )
            )
        )
    gallery = Block(
        kind="gallery",
        images=tuple(
            image_data_uri(values.cache.images[values.test_rows[place]]) for place in chosen
        ),
        captions=tuple(captions),
        alts=tuple(words("mistakes.alt", path=predictions.paths[place]) for place in chosen),
        severity="sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "",
    )
    lead = words("labels.mistakes", n=len(images), judged=int(counted.sum()))
    return Section(key="mistakes", title=title, lead=lead, blocks=(gallery,))


HEADER = (
    "name",
    "trained",
    "judged",
    "average_precision",
    "interval",
    "f1",
    "f1_interval",
    "precision",
    "recall",
    "threshold",
)


MOST_WRONG_SHOWN, MOST_DOTS, BINS, BIN_IMAGES = 24, 1000, 10, 5


def number_results_section(values: Values, words: Words) -> Section | None:
    """Predictions against true numbers, and errors by part of the range."""
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
        error = widen_by_folds(error, values.folds) if values.folds else error
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
        svg=_draw_scatter(truth[order], answers[order], title, words),
        header=tuple(words(f"numbers.{name}") for name in NUMBERS_HEADER),
        rows=tuple(rows),
    )
    return Section(
        key="numbers", title=words("numbers.title"), lead=words("numbers.lead"), blocks=(chart,)
    )


def number_mistakes(values: Values, words: Words) -> Section | None:
    """The images with the largest errors."""
    counted = values.counted
    if not counted.any():
        return None
    predictions = values.predictions
    off = np.abs(predictions.numbers - predictions.targets[:, 0])
    places = np.flatnonzero(counted)
    chosen = places[np.argsort(-off[places], kind="stable")][:MOST_WRONG_SHOWN]
    gallery = Block(
        kind="gallery",
        images=tuple(
            image_data_uri(values.cache.images[values.test_rows[place]]) for place in chosen
        ),
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
        severity="sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "",
    )
    lead = words("numbers.furthest", n=len(chosen))
    return Section(key="mistakes", title=words("mistakes.title"), lead=lead, blocks=(gallery,))


@draw_lock
def _draw_scatter(
    truth: NDArray[np.float64], answers: NDArray[np.float64], title: str, words: Words
) -> str:
    """Predictions against true numbers, sampled evenly if there are many, and the diagonal."""
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


NUMBERS_HEADER = ("range", "n", "mean", "bias", "error", "interval")
