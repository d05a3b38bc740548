"""Learning curves with the best epoch marked."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from striate.metrics.curve_smoothing import find_best_epoch, smooth_curve
from striate.report.canvas import COLOURS, Canvas, draw_lock
from striate.report.charts import ChartBand, ChartLine, draw_curves
from striate.report.language import Words
from striate.values import Block, Epoch, History, RateSearch, Section, Task, Values, shown

# Shorter curves are left as they are.
SMOOTHED = 4


def learning_curves_section(values: Values, words: Words) -> Section | None:
    """Accuracy (or the task's measure) and loss per epoch; None without a training."""
    history = values.history
    if history is None or not history.epochs:
        return None
    metric = METRICS[values.index.task]
    kept = [epoch for epoch in history.epochs if epoch.epoch == history.kept_epoch]
    lead = words("training.lead", n=len(history.epochs), kept=history.kept_epoch)
    if values.plan.average.value == "epochs":
        lead = words("training.lead_mean", n=len(history.epochs), kept=history.kept_epoch)
    if not kept:
        lead = words("training.lead_none", n=len(history.epochs))
    return Section(
        key="training",
        title=words("training.title"),
        lead=lead,
        blocks=(
            _chart("accuracy", metric, history, words),
            _chart("loss", "loss", history, words),
            *_choice_sentences(metric, history, words),
            _table(metric, history, words),
        ),
    )


def _choice_sentences(metric: str, history: History, words: Words) -> tuple[Block, ...]:
    """The last epoch's result, the epochs that tie with the best, and why it stopped."""
    kept = next((e for e in history.epochs if e.epoch == history.kept_epoch), None)
    losses = _smoothable_losses(history)
    if kept is None or losses is None:
        return ()
    best, last = find_best_epoch(losses, among=[kept.epoch - 1]), history.epochs[-1]
    text = words(
        "training.choice" if metric == "accuracy" else f"training.choice_{metric}",
        kept=kept.epoch,
        level=best.level,
        error=best.error,
        value=words.percent(kept.val_accuracy),
        last_level=best.last,
        last=words.percent(last.val_accuracy),
        low=history.epochs[best.low].epoch,
        high=history.epochs[best.high].epoch,
    )
    blocks = [Block(kind="text", text=text)]
    if history.stopped_early:
        n, planned = len(history.epochs), history.planned_epochs
        text = words("training.stopped", n=n, planned=planned)
        blocks.append(Block(kind="text", text=text))
    return tuple(blocks)


def _smoothable_losses(history: History) -> list[float] | None:
    """The validation losses; None if they cannot be smoothed."""
    losses = [epoch.val_loss for epoch in history.epochs]
    return losses if history.val_images and np.isfinite(losses).all() else None


def _confidence_band(figure: str, history: History) -> ChartBand | None:
    losses = _smoothable_losses(history)
    if figure != "loss" or losses is None or len(losses) < SMOOTHED:
        return None
    low, high = smooth_curve(losses).band()
    best = find_best_epoch(losses)
    return ChartBand(
        low=low.tolist(),
        high=high.tolist(),
        colour="second",
        first=best.low + 1,
        last=best.high + 1,
    )


def _chart(figure: str, name: str, history: History, words: Words) -> Block:
    title = words(f"training.{name}")
    lines = [
        ChartLine(
            name=words(f"training.{split}"),
            values=[getattr(epoch, f"{split}_{figure}") for epoch in history.epochs],
            colour=colour,
            dashed=split == "train",
        )
        for split, colour in (("train", "accent"), ("val", "second"))
        if split == "train" or history.val_images
    ]
    first, last = lines[-1].values[0], lines[-1].values[-1]
    band = _confidence_band(figure, history)
    text = words.percent if figure == "accuracy" else shown
    svg = draw_curves(
        f"training-{figure}",
        title,
        words(
            "training.about",
            figure=title,
            epochs=len(history.epochs),
            first=text(first),
            last=text(last),
            kept=history.kept_epoch,
        ),
        lines,
        kept_epoch=history.kept_epoch,
        kept_label=words("training.kept", epoch=history.kept_epoch),
        x_label=words("training.epoch"),
        percent=figure == "accuracy",
        band=band,
    )
    note = words("training.band") if band else ""
    return Block(kind="chart", title=title, svg=svg, severity="half", note=note)


def _table(metric: str, history: History, words: Words) -> Block:
    judged = ("val_loss", "val_accuracy") if history.val_images else ()
    names = ("epoch", "lr", "train_loss", "train_accuracy", *judged, "seconds")
    kept = [i for i, epoch in enumerate(history.epochs) if epoch.epoch == history.kept_epoch]
    return Block(
        kind="table",
        title=words("training.table"),
        header=tuple(words(f"training.{name.replace('accuracy', metric)}") for name in names),
        rows=tuple(_row(epoch, names, words) for epoch in history.epochs),
        marked=tuple(kept),
        folded=True,
    )


def _row(epoch: Epoch, names: tuple[str, ...], words: Words) -> tuple[str, ...]:
    cells = {
        "epoch": str(epoch.epoch),
        "lr": f"{epoch.lr:.2g}",
        "train_loss": shown(epoch.train_loss),
        "train_accuracy": words.percent(epoch.train_accuracy),
        "val_loss": shown(epoch.val_loss),
        "val_accuracy": words.percent(epoch.val_accuracy),
        "seconds": f"{epoch.seconds:.1f}",
    }
    return tuple(cells[name] for name in names)


METRICS: dict[Task, str] = {
    "label": "accuracy",
    "labels": "mean_average_precision",
    "number": "r_squared",
}


def lr_range_test_section(values: Values, words: Words) -> Section | None:
    """Loss against learning rate, the chosen one marked; None if not run."""
    search = values.evidence.rates if values.evidence is not None else None
    if search is None or not search.losses:
        return None
    title = words("rates.title")
    about = words("rates.about", chosen=f"{search.chosen:.2g}", n=len(search.losses))
    every = max(1, len(search.losses) // 20)
    block = Block(
        kind="chart",
        title=title,
        svg=_draw_rate_search(search, title, about, words),
        header=(words("rates.rate"), words("rates.loss")),
        rows=tuple(
            (f"{rate:.2g}", shown(loss))
            for rate, loss in list(zip(search.rates, search.losses, strict=True))[::every]
        ),
    )
    return Section(key="rates", title=title, lead=about, blocks=(block,))


@draw_lock
def _draw_rate_search(search: RateSearch, title: str, about: str, words: Words) -> str:
    canvas = Canvas(420, 270, left=46, right=26, top=14, bottom=46)
    axes = canvas.axes
    canvas.grid()
    axes.semilogx(search.rates, search.losses, color=COLOURS["accent"], linewidth=2)
    axes.axvline(search.chosen, color=COLOURS["soft"], linewidth=1, linestyle=(0, (2, 2)))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.minorticks_off()
    axes.set_xlabel(words("rates.rate"), labelpad=6)
    return canvas.svg("rates", title, about)
