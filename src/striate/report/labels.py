"""Label by label, where an image may have several: precision, F1, thresholds, worst mistakes."""

import numpy as np

from striate.report.language import Words
from striate.report.pixels import SMALL, data_uri
from striate.score import label_table
from striate.values import Block, Section, Values

SHOWN, MOST_ROWS = 24, 60


def labels_section(values: Values, words: Words) -> Section | None:
    """Every label on the judged images; of many those with the lowest precision."""
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
    """Images with the surest wrong answers on a single label."""
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
        images=tuple(data_uri(values.cache.images[values.test_rows[place]]) for place in chosen),
        captions=tuple(captions),
        alts=tuple(words("mistakes.alt", path=predictions.paths[place]) for place in chosen),
        severity="sharp" if values.cache.size <= SMALL else "",
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
