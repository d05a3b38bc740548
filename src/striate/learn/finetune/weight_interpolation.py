"""Interpolation between initial and fine-tuned weights, with the head fitted again on each.

Fine-tuning moves the features while the head follows in a few small steps only, so the head is
solved exactly on the fine-tuned features. Half-way between pretrained and fine-tuned weights
features are often better than at either end (Wortsman et al. 2022). Leave-one-out is too optimistic
on fine-tuned features, since their training images shaped them: the penalty, the temperature and
the share are all chosen on the validation images. The head is then solved once more on training and
validation images together.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.task import task_spec
from striate.metrics import intervals
from striate.metrics.probability_calibration import (
    calibrate_scores,
    choose_calibration,
    fit_temperature,
)
from striate.predict.classifier import Classifier
from striate.probe.features import FeatureTable, extract_features
from striate.probe.ridge import RidgeFit, prepare_ridge
from striate.probe.stage_probes import fit_taps
from striate.strategy.budget import interpolation_shares
from striate.strategy.expected_gain import GATE_LEVEL
from striate.train.head import Network, build_network
from striate.values import TUNED, Choice, Plan, Rows, say


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InterpolatedHead:
    """The exact head on features of interpolated weights.

    `scores` are those of the validation images and `loss` their log loss.
    """

    share: float
    network: Network
    table: FeatureTable
    fit: RidgeFit
    scores: NDArray[np.float32]
    loss: float


def interpolate_weights(context: FitContext, learned: FitResult) -> FitResult:
    """The network with an exact head on its features, unless its trained head is better.

    The share of the fine-tuned weights is chosen by the log loss of the validation images. The
    trained head stays if it predicts more of them correctly, with a p-value below `GATE_LEVEL`: it
    saw them only when its best epoch was chosen. If the head and the share were requested or belong
    to a given plan, nothing is compared. Networks trained from scratch, several labels and numbers
    keep their trained head.
    """
    data = context.data
    plan = learned.plan
    if plan.strategy.value not in TUNED or not len(data.val):
        return learned
    if task_spec(data).correct is None:
        return learned
    decided = context.given_plan is not None or plan.head.ground == "asked"
    if decided and plan.head.value != "exact":
        return learned
    first = _initial_weights(learned)
    best: InterpolatedHead | None = None
    for share in _shares_to_try(context, plan):
        solved = _solve_head(context, learned, first, share)
        if best is None or solved.loss < best.loss:
            best = solved
    assert best is not None
    found = _with_chosen_head(
        data, plan, best, _correct_predictions(data, learned.val_probabilities), decided=decided
    )
    if found.head.value != "exact":
        return replace(learned, plan=found)
    return _with_exact_head(data, learned, best, found)


def _shares_to_try(context: FitContext, plan: Plan) -> Sequence[float]:
    if context.given_plan is not None or plan.interpolation.ground == "asked":
        return (plan.interpolation.value,)
    return interpolation_shares(len(context.data.train))


def _initial_weights(learned: FitResult) -> Mapping[str, Tensor]:
    """The backbone at its initial weights."""
    spec = learned.classifier.spec
    return build_network(spec, learned.plan.weights.value or None).backbone.state_dict()


def _solve_head(
    context: FitContext, learned: FitResult, first: Mapping[str, Tensor], share: float
) -> InterpolatedHead:
    """The exact head on the training images' features; its penalty suits the validation images."""
    data = context.data
    model, labels, plan = learned.classifier, data.labels, learned.plan
    network = interpolate_backbone(model.network, first, share)
    rows = np.sort(np.concatenate([data.train, data.val]))
    table = extract_features(
        network, data.cache, rows, model.spec, context.machine, context.port.watch
    )
    fit = fit_best_penalty(
        table.of(data.train),
        labels[data.train],
        table.of(data.val),
        labels[data.val],
        len(plan.classes),
        table.widths,
        weights=_image_weights(data, plan, data.train),
        alphas=_candidate_penalties(context, plan),
    )
    scores = fit.scores(table.of(data.val))
    loss = intervals.log_loss(intervals.softmax(scores, fit.temperature), labels[data.val])
    return InterpolatedHead(
        share=share, network=network, table=table, fit=fit, scores=scores, loss=loss
    )


def interpolate_backbone(tuned: Network, first: Mapping[str, Tensor], share: float) -> Network:
    """The network with its backbone interpolated between initial and fine-tuned weights."""
    if share == 1:
        return tuned
    between = copy.deepcopy(tuned)
    with torch.no_grad():
        for name, value in between.backbone.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.lerp(first[name].to(value), value, share))
    return between.eval()


def _candidate_penalties(context: FitContext, plan: Plan) -> list[float] | None:
    """The penalty of a given plan or the one requested; None if it is to be chosen."""
    if context.given_plan is not None or context.options.overrides.touches("alpha"):
        return [plan.alpha.value]
    return None


def _image_weights(
    data: FitData, plan: Plan, rows: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    even = plan.balance.value == "none"
    return None if even else intervals.balanced_weights(data.labels[rows])


def _correct_predictions(data: FitData, found: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    assert found is not None
    return np.asarray(found.argmax(axis=1) == data.labels[data.val])


def _with_chosen_head(
    data: FitData, plan: Plan, best: InterpolatedHead, old: NDArray[np.bool_], *, decided: bool
) -> Plan:
    """The plan with the chosen head and the reason."""
    new = _correct_predictions(data, best.scores)
    stays = not decided and intervals.sign_test_better(old, new, data.groups[data.val]) < GATE_LEVEL
    end = (
        "the fine-tuned head is kept."
        if stays
        else "the new head is used, and solved once more with the validation images included."
    )
    why = say(
        "refit.not_kept" if stays else "refit.kept",
        "With weights {share:.0%} of the way from the initial to the fine-tuned ones, a newly "
        "solved head predicts {new} of {n} validation images correctly, the fine-tuned head "
        "{old}: " + end,
        share=best.share,
        new=int(new.sum()),
        n=len(new),
        old=int(old.sum()),
    )
    plan = replace(plan, because=(*plan.because, why))
    if decided or stays:
        return plan
    picked = say(
        "refit.alpha",
        "the smallest error on {n} validation images, since the leave-one-out estimate is "
        "biased on fine-tuned features",
        n=len(new),
    )
    plan = replace(
        plan,
        head=Choice(value="exact", why=why, ground="measured"),
        alpha=Choice(value=best.fit.alpha, why=picked, ground="measured"),
    )
    if plan.interpolation.ground == "asked":
        return plan
    return replace(plan, interpolation=Choice(value=best.share, why=why, ground="measured"))


def _with_exact_head(
    data: FitData, learned: FitResult, best: InterpolatedHead, plan: Plan
) -> FitResult:
    """The model with the head fitted on training and validation images together.

    Its probabilities of the validation images are those of the head fitted without them.
    """
    rows = best.table.rows
    fit = fit_taps(
        best.table,
        best.network.taps,
        rows,
        data.labels,
        len(plan.classes),
        weights=_image_weights(data, plan, rows),
        alphas=[best.fit.alpha],
    )
    exact = Network(best.network.backbone, best.network.taps, len(plan.classes), plan.dropout.value)
    exact.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    temperature, truth = best.fit.temperature, data.labels[data.val]
    how = choose_calibration(best.scores, truth, data.groups[data.val], temperature, data.seed)
    spec = replace(learned.classifier.spec, temperature=temperature, calibration=how)
    return replace(
        learned,
        classifier=Classifier(spec=spec, network=exact.eval()),
        val_probabilities=calibrate_scores(best.scores, temperature, how),
        plan=plan,
    )


def fit_best_penalty(
    features_ND: NDArray[np.float32],
    labels: Rows,
    judging_ND: NDArray[np.float32],
    judging_labels: Rows,
    classes: int,
    widths: Sequence[int] | None = None,
    weights: NDArray[np.float64] | None = None,
    alphas: Sequence[float] | None = None,
) -> RidgeFit:
    """The ridge fit on `features_ND` whose penalty has the least error on the validation images.

    The least mean squared error of their scores picks among `alphas`, 25 unless given, and the
    temperature is fitted on them. `loo_scores` and `loo_errors` are of the training images and too
    optimistic here. `weights` as in `striate.probe.ridge.prepare_ridge`.
    """
    path = prepare_ridge(features_ND, labels, classes, None, widths, weights)
    tried = path.fit().alphas if alphas is None else np.asarray(alphas, np.float64)
    truth_NK = np.eye(classes)[judging_labels]
    fits = [path.fit(alphas=[float(alpha)]) for alpha in tried]
    scores = [fit.scores(judging_ND) for fit in fits]
    best = min(range(len(fits)), key=lambda i: float(np.square(scores[i] - truth_NK).mean()))
    return replace(fits[best], temperature=fit_temperature(scores[best], judging_labels))
