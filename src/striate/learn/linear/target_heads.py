"""The exact head for several labels or a number: ridge regression on frozen features.

Legend: `N` images, `K` labels (1 for a number). The targets of several labels are 1 and 0, which
rank images as 1 and -1 would; the scale of a number does not matter either, since the intercept is
not penalised.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.learn.context import FitContext, FitData
from striate.learn.linear.linear_model import pretrained_spec
from striate.metrics import target_metrics
from striate.predict.classifier import Classifier
from striate.probe.features import FeatureTable
from striate.probe.ridge import RidgeFit, prepare_ridge
from striate.train.head import Network
from striate.values import Plan, Rows, Tap

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetSolution:
    """A ridge solution whose scores are logits of each label, or the number itself."""

    fit: RidgeFit
    thresholds: tuple[float, ...]


def solve_labels(
    data: FitData, table: FeatureTable, taps: tuple[Tap, ...], rows: Rows
) -> TargetSolution:
    """The solution on some taps and rows; thresholds are best for what leave-one-out says."""
    targets = data.index.targets()[rows]
    fit = _calibrate_labels(_solve_ridge(data, table, taps, rows, targets), targets)
    chances = target_metrics.logistic(fit.loo_scores)
    return TargetSolution(fit=fit, thresholds=target_metrics.best_thresholds(chances, targets))


def solve_number(
    data: FitData, table: FeatureTable, taps: tuple[Tap, ...], rows: Rows
) -> TargetSolution:
    """The solution on some taps and rows, its score the number in its own unit."""
    fit = _solve_ridge(data, table, taps, rows, data.index.targets()[rows])
    return TargetSolution(fit=fit, thresholds=())


def target_classifier(
    context: FitContext, backbone: Network, plan: Plan, solved: TargetSolution
) -> Classifier:
    """The pretrained network with a solution as its head."""
    taps, fit = plan.taps.value, solved.fit
    spec = pretrained_spec(context, plan.net.value, plan.input_size.value, taps)
    spec = replace(spec, strategy=plan.strategy.value, thresholds=solved.thresholds)
    own = Network(backbone.backbone, taps, spec.outputs)
    own.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    return Classifier(spec=spec, network=own.eval())


def _solve_ridge(
    data: FitData, table: FeatureTable, taps: tuple[Tap, ...], rows: Rows, targets_NK: Floats
) -> RidgeFit:
    width = dict(zip(table.taps, table.widths, strict=True))
    features, widths = table.of(rows, taps), [width[tap] for tap in taps]
    groups = data.groups[rows]
    return prepare_ridge(features, targets_NK, targets_NK.shape[1], groups, widths).fit()


def _calibrate_labels(fit: RidgeFit, targets_NK: Floats) -> RidgeFit:
    """The fit with scores turned into logits: a slope and offset per label, by left-out images."""
    pairs = [
        target_metrics.fit_logistic(fit.loo_scores[:, k], targets_NK[:, k])
        for k in range(targets_NK.shape[1])
    ]
    slopes, offsets = np.array(pairs, np.float32).T
    return replace(
        fit,
        weights=fit.weights * slopes,
        bias=fit.bias * slopes + offsets,
        loo_scores=fit.loo_scores * slopes + offsets,
    )
