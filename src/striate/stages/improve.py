"""More minutes for a finished run: the earlier model is kept unless the new one is better."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ModelError
from striate.metrics import target_metrics
from striate.predict.model_files import read_model, write_model
from striate.run import Run
from striate.store.files import Codec, array_codec
from striate.store.plan_files import PLAN
from striate.store.tables import HISTORY, PREDICTIONS
from striate.strategy.more_minutes import no_change_reason
from striate.values import (
    History,
    Plan,
    Predictions,
    Progress,
    Sentence,
    Task,
    Values,
    Watch,
    say,
    unwatched,
)

Answers = NDArray[np.float32]
Truth = NDArray[np.int64] | NDArray[np.float64]

_KEPT_FILES: dict[str, Codec[Any]] = {
    "plan.json": PLAN,
    "history.csv": HISTORY,
    "predictions.csv": PREDICTIONS,
    "val.npy": array_codec(),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EarlierResult:
    """The result of a run's previous round; its model is in `checkpoints/earlier/model`."""

    plan: Plan
    history: History
    predictions: Predictions
    val_probabilities: NDArray[np.float32]


def set_earlier_aside(run: Run, watch: Watch = unwatched) -> EarlierResult | None:
    """Copy the previous round's result; None in a first round.

    A run that is killed while it improves finds the copy again, not its own partial result. Damaged
    files are not copied; then the new round is compared with nothing, and a note says so.
    """
    rounds = run.record.rounds
    if not rounds:
        return None
    try:
        return _put_by(run, rounds)
    except ModelError as error:
        note = say(
            "improve.unreadable",
            "The earlier result of this run cannot be read, so the new one is not "
            "compared with it: {reason}",
            reason=error.sentence,
        )
        watch(Progress(stage="train", note=note))
        return None


def _put_by(run: Run, rounds: int) -> EarlierResult | None:
    folder = run.checkpoints / "earlier"
    marker = f"earlier/{rounds}.json"
    if not run.holds(marker):
        if not all(run.holds(name) for name in _KEPT_FILES):
            return None
        write_model(folder / "model", *read_model(run.model))
        for name, codec in _KEPT_FILES.items():
            run.write(f"earlier/{name}", run.read(name, codec), codec)
        run.write(marker, run.read("plan.json"), PLAN)
    read_model(folder / "model")
    plan, history, predictions, val = (
        run.read(f"earlier/{name}", codec) for name, codec in _KEPT_FILES.items()
    )
    return EarlierResult(
        plan=plan, history=history, predictions=predictions, val_probabilities=np.asarray(val)
    )


def restore_better_earlier(
    run: Run, earlier: EarlierResult, found: Answers | None, truth: Truth, task: Task = "label"
) -> bool:
    """Restore the earlier model if the new one is worse on the validation images.

    `truth` is their class numbers N, or for other tasks their targets N x K.
    """
    if found is None or len(earlier.val_probabilities) != len(truth):
        return False
    why = WORSE_BY_TASK[task](found, earlier.val_probabilities, truth)
    if why is None:
        return False
    plan = replace(earlier.plan, because=(*earlier.plan.because, why))
    write_model(run.model, *read_model(run.checkpoints / "earlier" / "model"))
    run.write("plan.json", plan)
    run.write("history.csv", earlier.history)
    run.write("predictions.csv", earlier.predictions)
    run.write("val.npy", earlier.val_probabilities, array_codec())
    return True


def explain_no_change(run: Run, values: Values) -> Values:
    """The values, with a sentence in the plan if a round of more minutes changed nothing.

    Until an improved run is finished, its folder holds the summary of the previous round.
    """
    evidence, plan, test = values.evidence, values.plan, values.summary.test
    told = any(sentence.code.startswith("improve.") for sentence in plan.because)
    if not run.record.rounds or not run.holds("summary.json") or evidence is None or told:
        return values
    before = run.summary
    if before.test is None or test is None or before.test.value != test.value:
        return values
    if before.plan.strategy != plan.strategy.value:
        return values
    spent = sum(run.record.stages.get(name, 0.0) for name in ("decode", "features", "evidence"))
    parts = values.folds + 1 if values.folds else 1
    reason = no_change_reason(evidence, plan, run.record.settings, spent, parts)
    plan = replace(plan, because=(*plan.because, reason))
    run.write("plan.json", plan)
    return replace(values, plan=plan)


def _has_lower_accuracy(found: Answers, earlier: Answers, truth: Truth) -> Sentence | None:
    now, before = (int((each.argmax(axis=1) == truth).sum()) for each in (found, earlier))
    if now >= before:
        return None
    return say(
        "improve.not_kept",
        "With more minutes, {now} of {n} validation images were classified "
        "correctly, before {before}: the earlier model is kept.",
        now=now,
        before=before,
        n=len(truth),
    )


def _has_lower_precision(found: Answers, earlier: Answers, truth: Truth) -> Sentence | None:
    now, before, _ = target_metrics.compare_labels(found, earlier, np.asarray(truth, np.float64))
    if now >= before:
        return None
    return say(
        "improve.not_kept_labels",
        "With more minutes, the mean average precision on {n} validation images was "
        "{now:.1%}, before {before:.1%}: the earlier model is kept.",
        now=now,
        before=before,
        n=len(truth),
    )


def _has_larger_error(found: Answers, earlier: Answers, truth: Truth) -> Sentence | None:
    now, before, _ = target_metrics.compare_numbers(found[:, 0], earlier[:, 0], truth[:, 0])
    if now <= before:
        return None
    return say(
        "improve.not_kept_number",
        "With more minutes, the mean absolute error on {n} validation images was "
        "{now:.3g}, before {before:.3g}: the earlier model is kept.",
        now=now,
        before=before,
        n=len(truth),
    )


WORSE_BY_TASK: dict[Task, Callable[[Answers, Answers, Truth], Sentence | None]] = {
    "label": _has_lower_accuracy,
    "labels": _has_lower_precision,
    "number": _has_larger_error,
}
