"""A plan trained beside the main one, from the same start, and held against it on validation.

Both see the same images in the same order, so the validation images pair: what one of them gets
right and the other does not is all that tells them apart.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate.errors import StriateError
from striate.learn.context import FitContext, FitData
from striate.learn.finetune.train_plan import predict_rows, train_plan
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.side_run import side_run
from striate.learn.task import Answers, task_spec
from striate.metrics import intervals
from striate.predict.classifier import Classifier
from striate.values import Evidence, Figure, History, Interval, Plan, Sentence, Trial

Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedTrial:
    """A training beside the main one: its plan as executed, and what it says of validation."""

    plan: Plan
    classifier: Classifier
    history: History
    val_probabilities: Answers
    right: Truths


def train_beside(
    context: FitContext,
    name: str,
    plan: Plan,
    linear: BackboneFeatures | None,
    evidence: Evidence,
    *,
    publish: bool = False,
) -> PairedTrial | None:
    """A training in its own checkpoint folder, from the same start; None where it diverged.

    One that was carried out already is found again in its checkpoint. Where `publish` says so,
    what it leaves is the run's.
    """
    beside = side_run(context, name)
    if publish:
        beside = replace(beside, port=replace(beside.port, publish=context.port.publish))
    try:
        classifier, history, plan = train_plan(beside, plan, linear, evidence)
        found = predict_rows(context.data, classifier, context.data.val)
    except StriateError:
        return None
    return PairedTrial(
        plan=plan,
        classifier=classifier,
        history=history,
        val_probabilities=found,
        right=correct_predictions(context.data, found),
    )


def correct_predictions(data: FitData, found_NK: Answers) -> Truths:
    """Which validation images are right, of a task whose answers are right or wrong."""
    correct = task_spec(data).correct
    assert correct is not None
    return correct(data, found_NK, data.val)


def chance_of_better(data: FitData, new: Truths, old: Truths) -> float:
    """How often luck alone would put `new` as far before `old` or further: the sign test."""
    return intervals.sign_test_better(new, old, data.groups[data.val])


def gain_in_points(data: FitData, new: Truths, old: Truths) -> dict[str, Figure]:
    """The difference of accuracies in percentage points, with its 95 % interval, for a sentence."""
    groups = data.groups[data.val]
    gain: Interval = intervals.paired_difference(new, old, groups, seed=data.seed)
    return {"points": 100 * gain.value, "low": 100 * gain.low, "high": 100 * gain.high}


def make_paired_trial_line(
    data: FitData,
    plan: Plan,
    history: History | None,
    right: Truths,
    settings: dict[str, Figure],
    *,
    kept: bool,
    why: Sentence,
) -> Trial:
    """A training beside the main one as a line of `trials.jsonl`; without epochs if it diverged."""
    epochs = history.epochs if history else ()
    return Trial(
        strategy=plan.strategy.value,
        net=plan.net.value,
        settings=settings,
        accuracy=intervals.accuracy_interval(right, data.groups[data.val], data.seed),
        log_loss=min((epoch.val_loss for epoch in epochs), default=0.0),
        epochs=len(epochs),
        seconds=sum(epoch.seconds for epoch in epochs),
        kept=kept,
        why=why,
    )
