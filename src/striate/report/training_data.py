"""The training data: data sheet, split, one image per class, excluded files."""

import numpy as np

from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words
from striate.values import Block, Section, Values

SAMPLES, LISTED, CLASSES = 24, 100, 25


def training_data_section(values: Values, words: Words) -> Section:
    """Counts, notes on reading and splitting, images per class and split, samples."""
    notes = tuple((words.sentence(note),) for note in (*values.index.notes, *values.split.notes))
    blocks = [_data_facts(values, words)]
    if notes:
        blocks.append(Block(kind="list", title=words("source.notes"), rows=notes))
    if values.index.task == "number":
        blocks += [_number_spread(values, words)]
    else:
        blocks += [_sample_gallery(values, words), _class_shares_table(values, words)]
    return Section(
        key="source",
        title=words("source.title"),
        lead=words(f"source.lead_{values.split.evaluation.replace('-', '_')}"),
        blocks=tuple(blocks),
    )


def unused_files_section(values: Values, words: Words) -> Section | None:
    """The excluded files with reasons; None if there are none."""
    aside = [e for e in values.index.examples if e.status == "set_aside"]
    if not aside:
        return None
    rows = tuple((example.path, example.reason) for example in aside[:LISTED])
    more = len(aside) - len(rows)
    table = Block(
        kind="table",
        header=(words("aside.path"), words("aside.reason")),
        rows=rows,
        note=words("aside.more", n=more) if more else "",
    )
    return Section(
        key="aside",
        title=words("aside.title"),
        lead=words("aside.lead", n=len(aside)),
        blocks=(table,),
    )


def _data_facts(values: Values, words: Words) -> Block:
    counts = values.summary.images
    facts = [
        (words("source.root"), values.index.address or values.index.root or "–"),
        (words("source.classes"), f"{len(values.index.classes):,}"),
        (words("source.used"), words("source.of_met", used=counts.used, met=counts.met)),
        (words("source.distinct"), f"{counts.distinct:,}"),
        (words("source.sizes"), _size_range(values)),
        (words("source.seen_at"), f"{values.model.input_size} × {values.model.input_size}"),
    ]
    if counts.ignored:
        facts.append((words("source.ignored"), f"{counts.ignored:,}"))
    if counts.leaked:
        facts.append((words("source.leaked"), f"{counts.leaked:,}"))
    return Block(kind="facts", rows=tuple(facts))


def _size_range(values: Values) -> str:
    used = [e for e in values.index.examples if e.status == "used" and e.width]
    if not used:
        return "–"
    small = min(used, key=lambda e: e.width * e.height)
    large = max(used, key=lambda e: e.width * e.height)
    if (small.width, small.height) == (large.width, large.height):
        return f"{small.width} × {small.height}"
    return f"{small.width} × {small.height} – {large.width} × {large.height}"


def _class_shares_table(values: Values, words: Words) -> Block:
    targets, names = values.index.targets(), values.index.classes
    splits = ("train", "val", "test")
    rows_of = [values.split.train, values.split.val, values.split.test]
    counts_KS = np.stack([targets[rows].sum(axis=0).astype(np.int64) for rows in rows_of], 1)
    order = np.argsort(-counts_KS.sum(axis=1), kind="stable")
    shown = range(len(names)) if len(names) <= CLASSES else [*order[:10], *order[-10:]]
    rows = [(names[k], *(f"{n:,}" for n in counts_KS[k])) for k in shown]
    rows.append((words("source.total"), *(f"{len(part):,}" for part in rows_of)))
    return Block(
        kind="table",
        title=words("source.shares" if len(names) <= CLASSES else "source.shares_many"),
        header=(words("source.class"), *(words.named("split", name) for name in splits)),
        rows=tuple(rows),
        marked=(len(rows) - 1,),
        folded=len(names) > 8,
    )


def _number_spread(values: Values, words: Words) -> Block:
    """Quantiles of the numbers in each split."""
    numbers = values.index.targets()[:, 0]
    rows = []
    for name in ("train", "val", "test"):
        part = numbers[getattr(values.split, name)]
        if len(part):
            cuts = np.quantile(part, (0, 0.25, 0.5, 0.75, 1))
            shown = (words.number(float(cut)) for cut in cuts)
            rows.append((words.named("split", name), f"{len(part):,}", *shown))
    names = ("split", "images_count", "least", "quarter", "middle", "three_quarters", "greatest")
    return Block(
        kind="table",
        title=words("source.numbers"),
        header=tuple(words(f"source.{name}") for name in names),
        rows=tuple(rows),
    )


def _channels_note(channels: int, words: Words) -> str:
    """How images with other than one or three channels are shown on the page."""
    if channels in (1, 3):
        return ""
    return words("source.two_channels" if channels == 2 else "source.channels", n=channels)


def _sample_gallery(values: Values, words: Words) -> Block:
    """One training image per class; of the largest classes if there are many."""
    marks = values.index.targets()[values.split.train] > 0
    classes = np.flatnonzero(marks.any(axis=0))
    first, sizes = marks[:, classes].argmax(axis=0), marks.sum(axis=0)
    chosen = sorted(np.argsort(-sizes[classes], kind="stable")[:SAMPLES])
    rows = [int(values.split.train[first[i]]) for i in chosen]
    return Block(
        kind="gallery",
        title=words("source.samples"),
        images=tuple(image_data_uri(values.cache.images[row]) for row in rows),
        captions=tuple(
            "\n".join((values.index.classes[k], words("source.images", n=int(sizes[k]))))
            for k in classes[chosen]
        ),
        alts=tuple(words("source.alt", name=values.index.classes[k]) for k in classes[chosen]),
        note=_channels_note(values.cache.channels, words),
        severity="samples sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "samples",
    )
