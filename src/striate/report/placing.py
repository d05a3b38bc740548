"""Where the data lies among the course's four corners, and what more images would bring."""

from striate.report.language import Words
from striate.report.placing_charts import corners, growth
from striate.values import CLOSED_FORM, TUNED, Block, Evidence, Growth, GrowthPoint, Plan


def corner_blocks(evidence: Evidence, plan: Plan, words: Words) -> list[Block]:
    """The four corners with the data's place, and the rule of thumb beside what was done."""
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
    names = {rule: words.named("strategy", rule) for rule in RULES}
    places = [words(f"placing.{name}") for name in ("small", "large", "similar", "dissimilar")]
    return [
        Block(
            kind="chart",
            title=title,
            text=text,
            note=f"{text} {words('placing.corners_note')}",
            svg=corners(
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
        _shifts(evidence, words),
    ]


def growth_block(found: Growth | None, words: Words) -> list[Block]:
    """The error against the number of images, drawn on, and a sentence of what to expect."""
    if found is None:
        return []
    title = words("placing.growth")
    sentence = growth_sentence(found, words)
    return [
        Block(
            kind="chart",
            title=title,
            note=f"{sentence} {words('placing.growth_note', n=f'{found.n:,}')}",
            svg=growth(
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
                *(_point(p, words("placing.measured"), words) for p in found.measured),
                *(_point(p, words("placing.expected"), words) for p in found.expected),
            ),
        )
    ]


def growth_sentence(found: Growth, words: Words) -> str:
    """What twice as many images should bring, in points, with its interval."""
    last, double = found.measured[-1], found.expected[0]
    figures = {
        "more": f"{double.images - last.images:,}",
        "gain": f"{100 * (last.error - double.error):.1f}",
        "low": f"{100 * max(0.0, found.gain_low):.1f}",
        "high": f"{100 * found.gain_high:.1f}",
    }
    hardly = last.error - double.error < HARDLY
    return words("placing.hardly" if hardly else "placing.gain", **figures)


def _shifts(evidence: Evidence, words: Words) -> Block:
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


def _point(point: GrowthPoint, ground: str, words: Words) -> tuple[str, ...]:
    span = words.span(point.low, point.high)
    return f"{point.images:,}", f"{words.percent(point.error)} ({span})", ground


RULES = (*CLOSED_FORM, *TUNED)
HARDLY = 0.003
