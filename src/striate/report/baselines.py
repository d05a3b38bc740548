"""Baselines: what each level of model adds, as a chart and learning curves."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import FuncFormatter, MaxNLocator

from striate.report.canvas import COLOURS, Canvas, draw_lock, estimate_text_width, is_narrow
from striate.report.language import Words, plain_spaces
from striate.values import CLOSED_FORM, Block, Interval, Ladder, Rung, Section, Values

WIDTH, ROW = 660, 50
NARROW_ROW = 88  # the texts of a step stand above its interval
HEADER = ("step", "accuracy", "interval", "gain", "seconds", "learnt", "judged", "features")


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """One model in the chart: name, description, accuracy, and the text beside it."""

    name: str
    below: str
    accuracy: Interval
    stated: str
    beside: str


def baselines_section(values: Values, words: Words) -> Section | None:
    """The section on baselines; None for runs of earlier versions."""
    ladder = values.ladder
    if ladder is None:
        return None
    return Section(
        key="ladder",
        title=words("ladder.title"),
        lead=_lead(ladder, words),
        blocks=(_ladder_block(ladder, words), *_curve_blocks(ladder, words)),
    )


@draw_lock
def draw_ladder(key: str, title: str, description: str, steps: Sequence[LadderStep]) -> str:
    """The models from the simplest at the bottom to the chosen one, with their intervals."""
    left = 24 + max(estimate_text_width(text, 12.5) for s in steps for text in (s.name, s.below))
    right = 26 + max(
        estimate_text_width(text, 12.5) for s in steps for text in (s.stated, s.beside)
    )
    row_height = ROW
    if is_narrow():
        left, right, row_height = 14, 14, NARROW_ROW
    height = row_height * len(steps) + 44
    canvas = Canvas(WIDTH, height, left=left, right=right, top=10, bottom=34)
    axes = canvas.axes
    canvas.grid("x")
    last = len(steps) - 1
    places = [step.accuracy.value for step in steps]
    for row in range(last):
        pair = (places[row], places[row + 1])
        axes.plot([pair[0]] * 2, [row, row + 1], color=COLOURS["line"], linewidth=1.5)
        axes.plot(pair, [row + 1] * 2, color=COLOURS["line"], linewidth=1.5)
    for row, step in enumerate(steps):
        best = row == last
        colour = COLOURS["accent" if best else "soft"]
        span = [step.accuracy.low, step.accuracy.high]
        axes.plot(span, [row, row], color=colour, linewidth=5 if best else 3.5, alpha=0.55)
        axes.plot([places[row]], [row], color=colour, marker="o", markersize=11 if best else 8)
        _draw_texts(canvas, row, step, left, best)
    axes.set_ylim(*((-0.3, last + 0.7) if is_narrow() else (-0.5, last + 0.5)))
    axes.set_yticks([])
    axes.set_xlim(max(0.0, min(s.accuracy.low for s in steps) - 0.04), 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    return canvas.svg(key, title, description)


def _draw_texts(canvas: Canvas, row: int, step: LadderStep, left: float, best: bool) -> None:
    """Names at the left and accuracies at the right of the chart.

    In the narrow form names stand above the interval, and what is beside it below.
    """
    transform = canvas.axes.get_yaxis_transform()
    upper, lower = (40, 24) if is_narrow() else (7, -9)
    below = -17 if is_narrow() else lower
    at_right = (0, "right") if is_narrow() else (18, "left")
    for x, shift, align, foot, pair in (
        (0.0, -left + 4, "left", lower, (step.name, step.below)),
        (1.0, *at_right, below, (step.stated, step.beside)),
    ):
        for text, rise, colour, weight in (
            (pair[0], upper, "ink", "bold" if best else "normal"),
            (pair[1], foot, "soft", "normal"),
        ):
            canvas.axes.annotate(
                text,
                (x, row),
                xycoords=transform,
                xytext=(shift, rise),
                textcoords="offset points",
                ha=align,
                va="center",
                color=COLOURS[colour],
                fontweight=weight,
                fontsize=12.5,
                annotation_clip=False,
            )


def _ladder_block(ladder: Ladder, words: Words) -> Block:
    title = words("ladder.chart")
    steps = [_step(ladder, k, words) for k in range(len(ladder.rungs))]
    return Block(
        kind="chart",
        svg=draw_ladder("ladder", title, words("ladder.about"), steps),
        note=_note(ladder, words),
        title="",
        header=tuple(words(f"ladder.{name}") for name in HEADER),
        rows=tuple(_row(ladder, k, words) for k in range(len(ladder.rungs))),
        marked=(len(ladder.rungs) - 1,),
    )


def _step(ladder: Ladder, k: int, words: Words) -> LadderStep:
    rung = ladder.rungs[k]
    gain = _gain(ladder, k, words)
    seconds = words.seconds(rung.seconds) if rung.seconds else words("ladder.no_time")
    return LadderStep(
        name=plain_spaces(_name(ladder, rung, words)),
        below=plain_spaces(_rung_detail(ladder, rung, words)),
        accuracy=rung.accuracy,
        stated=plain_spaces(words.percent(rung.accuracy.value)),
        beside=plain_spaces(f"{gain} · {seconds}" if gain else seconds),
    )


def _row(ladder: Ladder, k: int, words: Words) -> tuple[str, ...]:
    rung = ladder.rungs[k]
    return (
        _name(ladder, rung, words),
        words.percent(rung.accuracy.value),
        words.span(rung.accuracy.low, rung.accuracy.high),
        _gain(ladder, k, words) or "–",
        words.seconds(rung.seconds) if rung.seconds else "–",
        f"{rung.train_images:,}",
        f"{rung.accuracy.n:,}",
        f"{rung.dimensions:,}" if rung.dimensions else "–",
    )


def _gain(ladder: Ladder, k: int, words: Words) -> str:
    """Percentage points above the model below; empty if their training images differ."""
    if k == 0 or ladder.rungs[k].train_images != ladder.rungs[k - 1].train_images:
        return ""
    points = 100 * (ladder.rungs[k].accuracy.value - ladder.rungs[k - 1].accuracy.value)
    return words("ladder.points", points=f"{points:+.1f}".replace("-", "−"))


def _name(ladder: Ladder, rung: Rung, words: Words) -> str:
    if rung.name == "chosen" and ladder.strategy in CLOSED_FORM:
        return words("rung.pretrained")
    return words.named("rung", rung.name)


def _rung_detail(ladder: Ladder, rung: Rung, words: Words) -> str:
    if rung.name == "chosen":
        return words("ladder.chosen", net=ladder.net)
    return words.named("rung_about", rung.name)


def _lead(ladder: Ladder, words: Words) -> str:
    """What the chosen network brings over hand-made features, in one sentence.

    They are compared only where both were trained and evaluated on the same images.
    """
    shallow = next((rung for rung in ladder.rungs if rung.name == "shallow"), ladder.rungs[0])
    if shallow.name in ("majority", "chosen") and ladder.left_out:
        return _left_out(ladder, words)
    found = shallow.difference
    if found is None:
        return words("ladder.lead_unequal", learnt=shallow.train_images, train=ladder.train_images)
    low, high = sorted((abs(found.low), abs(found.high)))
    figures = {"points": 100 * abs(found.value), "low": 100 * low, "high": 100 * high}
    if found.low > 0:
        return words("ladder.lead", n=found.n, **figures)
    if found.high < 0:
        return words("ladder.lead_worse", n=found.n, **figures)
    return words("ladder.lead_equal", n=found.n, low=100 * found.low, high=100 * found.high)


def _curve_blocks(ladder: Ladder, words: Words) -> tuple[Block, ...]:
    """Learning curves of the baselines with fewer training images than the chosen model."""
    rungs = [rung for rung in ladder.rungs if rung.curve]
    sizes = sorted(
        {point.train_images for rung in rungs for point in rung.curve}
        | {rung.train_images for rung in rungs}
    )
    if len(sizes) < 2:  # one size is no curve: the table of the baselines has it
        return ()
    title = words("ladder.curves")
    return (
        Block(
            kind="chart",
            svg=_draw_curves(ladder, rungs, sizes, title, words),
            title=title,
            note=words("ladder.curves_note"),
            header=(words("ladder.learnt"), *(_name(ladder, rung, words) for rung in rungs)),
            rows=tuple(
                (f"{size:,}", *(_at_size(rung, size, words) for rung in rungs)) for size in sizes
            ),
        ),
    )


def _at_size(rung: Rung, size: int, words: Words) -> str:
    points = {point.train_images: point.accuracy for point in rung.curve}
    points[rung.train_images] = rung.accuracy
    found = points.get(size)
    if found is None:
        return "–"
    return f"{words.percent(found.value)} ({words.span(found.low, found.high)})"


@draw_lock
def _draw_curves(
    ladder: Ladder, rungs: Sequence[Rung], sizes: Sequence[int], title: str, words: Words
) -> str:
    """Accuracy by number of training images, with the chosen model as a single point."""
    canvas = Canvas(WIDTH, 260, left=52, right=20, top=28, bottom=40)
    axes = canvas.axes
    canvas.grid("y")
    for rung, marker, colour in zip(rungs, "osD", ("second", "third", "accent"), strict=False):
        points = {point.train_images: point.accuracy for point in rung.curve}
        points[rung.train_images] = rung.accuracy
        x, found = list(points), list(points.values())
        y = [each.value for each in found]
        down = [each.value - each.low for each in found]
        up = [each.high - each.value for each in found]
        axes.errorbar(
            x,
            y,
            yerr=(down, up),
            color=COLOURS[colour],
            marker=marker,
            capsize=2,
            label=plain_spaces(_name(ladder, rung, words)),
        )
    chosen = ladder.rungs[-1]
    axes.plot(
        [chosen.train_images],
        [chosen.accuracy.value],
        color=COLOURS["accent"],
        marker="*",
        markersize=13,
        linestyle="none",
        label=plain_spaces(_rung_detail(ladder, chosen, words)),
    )
    axes.set_xscale("log")
    axes.set_xticks([*sizes, ladder.train_images])
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    axes.set_xlabel(plain_spaces(words("ladder.learnt")))
    axes.legend(frameon=False)
    return canvas.svg("ladder-curves", title, words("ladder.curves_note"))


def _left_out(ladder: Ladder, words: Words) -> str:
    names = words("unit.comma").join(words.named("rung", name) for name in ladder.left_out)
    return words("ladder.left_out", names=names)


def _note(ladder: Ladder, words: Words) -> str:
    sentences = [words("ladder.note")]
    if ladder.left_out:
        sentences.append(_left_out(ladder, words))
    fewest = min(rung.train_images for rung in ladder.rungs)
    judged = ladder.rungs[-1].accuracy.n
    if fewest < ladder.train_images:
        sentences.append(words("ladder.some", learnt=fewest, train=ladder.train_images))
    if judged < ladder.judge_images:
        sentences.append(words("ladder.sampled", judged=judged, judge=ladder.judge_images))
    if ladder.evaluation == "cross-validation":
        sentences.append(words("ladder.crossed"))
    return words("unit.space").join(sentences)
