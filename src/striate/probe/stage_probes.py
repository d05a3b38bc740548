"""Linear probes on the stages of a network, before any training."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics.intervals import accuracy_interval, log_loss, softmax
from striate.probe.features import FeatureTable
from striate.probe.ridge import RidgeFit, fit_ridge_path, prepare_ridge
from striate.values import Evidence, Interval, Probe, Rows, Tap, Trial

# The best of eight stages by leave-one-out was worse by 2.4 points at 5 images a class, by 1.5 at
# 20, by none at 100 (11 sets, LOG 2026-11-24).
WHOLE = ("top", "taps", "all")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeResults:
    """Every probe, and the best one's solution: the first usable model.

    `columns` are the columns of the feature table that the best probe reads; `val_scores` are its
    scores of the validation rows, in their order.
    """

    probes: tuple[Probe, ...]
    best: Probe
    fit: RidgeFit
    columns: Rows
    val_scores: NDArray[np.float32]


def probe_taps(
    table: FeatureTable,
    labels: Rows,
    classes: int,
    train_rows: Rows,
    val_rows: Rows,
    groups: Rows | None = None,
    seed: int = 0,
    only: tuple[str, ...] | None = None,
) -> ProbeResults:
    """A linear model on every stage, on the top alone, on all below it, and on all together.

    `labels` and `groups` have an entry per row of the index. Each model is fitted on the training
    rows and evaluated by leave-one-(group-)out; the validation rows are only predicted. `only`
    names the probes to make. The best is picked by `choose_best_probe`.
    """
    truth, val_truth = labels[train_rows], labels[val_rows]
    owners, val_owners = (None, None) if groups is None else (groups[train_rows], groups[val_rows])
    path = prepare_ridge(table.of(train_rows), truth, classes, owners, table.widths)
    val_values = table.of(val_rows)
    probes, fits, hits = [], [], []
    for name, taps in tap_sets(table.taps):
        if only is not None and name not in only:
            continue
        columns = table.columns(taps)
        started = time.perf_counter()
        fit = path.fit(columns)
        val_scores = fit.scores(val_values[:, columns])
        hits.append(fit.loo_scores.argmax(axis=1) == truth)
        fits.append((fit, columns, val_scores))
        probes.append(
            Probe(
                name=name,
                taps=taps,
                dimensions=len(columns),
                alpha=fit.alpha,
                temperature=fit.temperature,
                loo_accuracy=accuracy_interval(hits[-1], owners, seed),
                loo_log_loss=log_loss(softmax(fit.loo_scores, fit.temperature), truth),
                val_accuracy=_optional_accuracy(val_scores, val_truth, val_owners, seed),
                val_log_loss=_optional_loss(val_scores, val_truth, fit.temperature),
                seconds=time.perf_counter() - started,
            )
        )
    may = [i for i, probe in enumerate(probes) if probe.name in WHOLE]
    chosen = may[choose_best_probe([probes[i] for i in may], [hits[i] for i in may], owners)]
    fit, columns, val_scores = fits[chosen]
    return ProbeResults(
        probes=tuple(probes),
        best=probes[chosen],
        fit=fit,
        columns=columns,
        val_scores=val_scores,
    )


def fit_taps(
    table: FeatureTable,
    taps: tuple[Tap, ...],
    rows: Rows,
    labels: Rows,
    classes: int,
    groups: Rows | None = None,
    weights: NDArray[np.float64] | None = None,
    alphas: Sequence[float] | None = None,
) -> RidgeFit:
    """The ridge solution on some stages and some rows of the index, as a probe would fit it.

    `weights` are the sample weights of the rows; `alphas` are as in `RidgePath.fit`.
    """
    width = dict(zip(table.taps, table.widths, strict=True))
    return fit_ridge_path(
        table.of(rows, taps),
        labels[rows],
        classes,
        None if groups is None else groups[rows],
        alphas,
        widths=[width[tap] for tap in taps],
        weights=weights,
    )


def choose_best_probe(
    probes: Sequence[Probe], hits: Sequence[NDArray[np.bool_]], groups: Rows | None = None
) -> int:
    """Place of the probe to use: of those that leave-one-out cannot tell from the most accurate
    one (within one standard error of the paired difference), the one with the least log-loss.

    `hits` tells for each probe which training images it got right when they were left out.
    """
    first = max(range(len(probes)), key=lambda i: hits[i].sum())
    near = [i for i in range(len(probes)) if within_standard_error(hits[i], hits[first], groups)]
    return min(near, key=lambda i: probes[i].loo_log_loss)


def gather_probes(
    probed: ProbeResults | None,
    *,
    labels: Rows,
    train_rows: Rows,
    val_rows: Rows,
    classes: tuple[str, ...],
    net: str,
    input_size: int,
    image_size: int,
    channels: int,
    speeds: dict[str, float],
    trials: Sequence[Trial] = (),
) -> Evidence:
    """All measurements as one value; `labels` has an entry per row of the index.

    `probed` is None and `net` is "" if there is no pretrained network. `speeds` has the keys that
    `Evidence` names, as far as they were measured.
    """
    counts = np.bincount(labels[train_rows], minlength=len(classes))
    return Evidence(
        probes=() if probed is None else probed.probes,
        best_probe="" if probed is None else probed.best.name,
        trials=tuple(trials),
        speeds=dict(speeds),
        net=net,
        input_size=input_size,
        val_images=len(val_rows),
        classes=classes,
        images_per_class=tuple(int(count) for count in counts),
        majority=float(counts.max() / counts.sum()),
        image_size=image_size,
        channels=channels,
    )


def tap_sets(taps: tuple[Tap, ...]) -> list[tuple[str, tuple[Tap, ...]]]:
    """Names and stages of the probes, shallow to deep; no set of stages is probed twice."""
    stages = tuple(dict.fromkeys(tap.stage for tap in taps))
    top = stages[-1]
    found = [(stage, tuple(tap for tap in taps if tap.stage == stage)) for stage in stages[:-1]]
    found.append(("top", tuple(tap for tap in taps if tap.stage == top and tap.pool == "mean")))
    if len(stages) > 2:
        found.append(("taps", tuple(tap for tap in taps if tap.stage != top)))
    if len(stages) > 1:
        found.append(("all", taps))
    return found


def within_standard_error(
    hits: NDArray[np.bool_], best: NDArray[np.bool_], groups: Rows | None
) -> bool:
    """Whether `hits` is within one standard error of the difference from `best`."""
    gap = best.astype(np.float64) - hits
    if groups is not None:
        _, owner = np.unique(groups, return_inverse=True)
        gap = np.bincount(owner, gap).astype(np.float64)
    # The error under "no difference", as in McNemar's test.
    return bool(gap.sum() <= np.sqrt(np.square(gap).sum()))


def _optional_accuracy(
    scores_NK: NDArray[np.float32], truth: Rows, groups: Rows | None, seed: int
) -> Interval | None:
    if not len(truth):
        return None
    return accuracy_interval(scores_NK.argmax(axis=1) == truth, groups, seed)


def _optional_loss(scores_NK: NDArray[np.float32], truth: Rows, temperature: float) -> float | None:
    return log_loss(softmax(scores_NK, temperature), truth) if len(truth) else None
