"""More minutes for a finished run: what it had is put by, and wins unless the new is better."""

import shutil
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.run import Run
from striate.store.files import Codec, of_array
from striate.store.plans import PLAN
from striate.store.tables import HISTORY, PREDICTIONS
from striate.values import History, Plan, Predictions, Rows, say

_KEPT: dict[str, Codec[Any]] = {
    "plan.json": PLAN,
    "history.csv": HISTORY,
    "predictions.csv": PREDICTIONS,
    "val.npy": of_array(),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Earlier:
    """What a run ended with the last time; its model lies in `checkpoints/earlier/model`."""

    plan: Plan
    history: History
    predictions: Predictions
    val_probabilities: NDArray[np.float32]


def put_by(run: Run) -> Earlier | None:
    """The end of the round before this one, copied aside; None in a first round.

    A run that is killed while it improves finds the copy again, not its own half.
    """
    rounds = run.record.rounds
    if not rounds:
        return None
    folder = run.checkpoints / "earlier"
    marker = f"earlier/{rounds}.json"
    if not run.holds(marker):
        if not all(run.holds(name) for name in _KEPT):
            return None
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(run.model, folder / "model", dirs_exist_ok=True)
        for name, codec in _KEPT.items():
            run.write(f"earlier/{name}", run.read(name, codec), codec)
        run.write(marker, run.read("plan.json"), PLAN)
    plan, history, predictions, val = (
        run.read(f"earlier/{name}", codec) for name, codec in _KEPT.items()
    )
    return Earlier(
        plan=plan, history=history, predictions=predictions, val_probabilities=np.asarray(val)
    )


def keep_earlier(
    run: Run, earlier: Earlier, found: NDArray[np.float32] | None, truth: Rows
) -> bool:
    """Puts the earlier model back where the new one gets fewer validation images right."""
    if found is None or len(earlier.val_probabilities) != len(truth):
        return False
    before = int((earlier.val_probabilities.argmax(axis=1) == truth).sum())
    now = int((found.argmax(axis=1) == truth).sum())
    if now >= before:
        return False
    why = say(
        "improve.not_kept",
        "With more minutes {now} of {n} validation images were right, before {before}: the "
        "earlier model stays.",
        now=now,
        before=before,
        n=len(truth),
    )
    plan = replace(earlier.plan, because=(*earlier.plan.because, why))
    shutil.copytree(run.checkpoints / "earlier" / "model", run.model, dirs_exist_ok=True)
    run.write("plan.json", plan)
    run.write("history.csv", earlier.history)
    run.write("predictions.csv", earlier.predictions)
    run.write("val.npy", earlier.val_probabilities, of_array())
    return True
