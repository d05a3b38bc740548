"""From a split to a trained model on disk and predictions of the test images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.data.cache import build_cache
from striate.errors import UsageError
from striate.learn.check_options import requested_format
from striate.learn.context import Budget, FitContext, FitData, FitResult, RunPort
from striate.learn.cross_validation import cross_validate, held_out_from_folds, select_held_out
from striate.learn.fit import fit_model
from striate.predict.classifier import Classifier, as_predictions, save_classifier, with_held_out
from striate.run import FIRST_MODEL, Run
from striate.stages.improve import restore_better_earlier, set_earlier_aside
from striate.store.files import Codec, array_codec
from striate.store.plan_files import read_plan
from striate.strategy.target_plans import check_task_settings
from striate.values import (
    Cache,
    Choice,
    Evidence,
    History,
    Index,
    Machine,
    ModelSpec,
    Options,
    Overrides,
    Plan,
    Predictions,
    ReadingOptions,
    Rows,
    Split,
    Task,
    TrainingOptions,
    Trial,
    Watch,
    say,
)

T = TypeVar("T")

FOLDS_AND_MODEL = 6


def fit_and_predict(
    run: Run,
    index: Index,
    split: Split,
    cache: Cache,
    machine: Machine,
    training: TrainingOptions,
    given_plan: Plan | None,
    watch: Watch,
) -> None:
    """Train a model; store model, plan, evidence, history, trials and predictions.

    The test images are predicted once, by the final model.
    """
    crossed = split.evaluation == "cross-validation"
    if given_plan is not None:
        check_plan_classes(given_plan, index, run.record.settings)
    context = make_context(run, index, split, cache, machine, training, given_plan, watch)
    earlier = set_earlier_aside(run, watch)
    with run.timed("train"):
        learned = fit_model(context)
    found, task = learned.val_probabilities, index.task
    truth = (index.labels() if task == "label" else index.targets())[context.data.val]
    if earlier and restore_better_earlier(run, earlier, found, truth, task):
        run.write("evidence.json", learned.evidence)
        run.write("trials.jsonl", _all_trials(learned.evidence))
        return
    with run.timed("predict"):
        held_out = select_held_out(context.data, learned)
    save_classifier(with_held_out(learned.classifier, held_out), run.model)
    _write_learned(run, learned)
    rows = split.train if crossed else split.test
    run.look(learned.plan)
    with run.timed("predict"):
        probabilities = _judged_probabilities(run, context, learned, split)
    if held_out is None and split.folds is not None and index.task == "label":
        save_classifier(
            with_held_out(learned.classifier, held_out_from_folds(context.data, probabilities)),
            run.model,
        )
    spec = learned.classifier.spec
    run.write("predictions.csv", _predictions(index, rows, probabilities, spec))


def _judged_probabilities(
    run: Run, context: FitContext, learned: FitResult, split: Split
) -> NDArray[np.float32]:
    """Probabilities of the evaluated images: the test split, or every fold."""
    if split.folds is not None:
        return cross_validate(context, split.folds)
    return run.keep(
        "test.npy",
        lambda: learned.classifier.probabilities(context.data.cache.images, split.test),
        array_codec(),
    )


def make_context(
    run: Run,
    index: Index,
    split: Split,
    cache: Cache,
    machine: Machine,
    training: TrainingOptions,
    given_plan: Plan | None,
    watch: Watch,
) -> FitContext:
    """The input of the procedure; a fold of a small data set gets a sixth of the time."""
    crossed = split.evaluation == "cross-validation"
    parts = FOLDS_AND_MODEL if crossed else 1
    return FitContext(
        data=training_data(index, split, cache, training.seed),
        budget=Budget(
            minutes=run.clock.minutes / parts,
            seconds_left=lambda: run.clock.remaining() / parts,
            judge_images=0 if crossed else len(split.test),
        ),
        port=RunPort(
            checkpoints=run.checkpoints,
            keep=_TimedRun(run),
            publish=run.write,
            usable=_FirstModel(run),
            watch=watch,
        ),
        options=training,
        machine=machine,
        given_plan=given_plan,
    )


def training_data(index: Index, split: Split, cache: Cache, seed: int) -> FitData:
    """The images of a split that a fit may use: training and validation."""
    return FitData(
        index=index,
        cache=cache,
        train=split.train,
        val=split.val,
        groups=split.groups,
        feature_rows=np.sort(np.concatenate([split.train, split.val])),
        seed=seed,
    )


def check_settings_of_task(task: Task, overrides: Overrides, min_accuracy: float | None) -> None:
    """Raise `UsageError` where settings are for one label an image, and the task is another."""
    if task == "label":
        return
    named = "several labels" if task == "labels" else "a number"
    check_task_settings(task, overrides)
    if min_accuracy is not None:
        raise UsageError(
            f"--min-accuracy: there is no accuracy where an image has {named}.",
            "Leave --min-accuracy out, and read test.value in summary.json.",
        )


def build_requested_cache(
    index: Index,
    options: ReadingOptions,
    given_plan: Plan | None,
    overrides: Overrides,
    watch: Watch,
) -> tuple[Index, Cache]:
    """The cache of an index in the channels and the resizing that were asked for, and its rows."""
    form = requested_format(given_plan, overrides)
    return build_cache(index, options, watch, channels=form.channels, resize=form.resize)


def read_given_plan(options: Options) -> Plan | None:
    """The plan of `--plan`, with the weights of `--weights`.

    Raises what `read_plan` raises. The file is read once, so editing it later changes nothing.
    """
    if options.plan is None:
        return None
    plan = read_plan(Path(options.plan))
    if options.weights is None:
        return plan
    why = say("plan.weights_file", "the file you named")
    return replace(plan, weights=Choice(value=options.weights, why=why, ground="asked"))


def check_plan_classes(plan: Plan, index: Index, options: Options) -> None:
    """Raise `UsageError` if a plan is for other classes than those of the images."""
    if plan.classes != index.classes:
        other = sorted(set(plan.classes) ^ set(index.classes))
        raise UsageError(
            f"{options.plan} was made for other classes: {', '.join(other[:3]) or 'their order'}.",
            "Give a plan.json that was made for these classes, or leave --plan out.",
        )


@dataclass(slots=True)
class _TimedRun:
    """The run's stage cache, with the seconds of the long parts recorded separately."""

    run: Run

    def __call__(
        self,
        name: str,
        make: Callable[[], T],
        codec: Codec[T] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        also: Any = None,
    ) -> T:
        stage = STAGES.get(name)
        if stage is None:
            return self.run.keep(name, make, codec, inputs=inputs, also=also)
        with self.run.timed(stage):
            return self.run.keep(name, make, codec, inputs=inputs, also=also)


STAGES = {"features.npz": "features", "measured.json": "evidence"}


@dataclass(slots=True)
class _FirstModel:
    """Writes a usable model to disk, and records when the first one was ready."""

    run: Run

    def __call__(self, classifier: Classifier) -> None:
        if (self.run.model / "weights.safetensors").exists():
            return
        save_classifier(classifier, self.run.model)
        self.run.stage_done(FIRST_MODEL, self.run.clock.elapsed())


def _write_learned(run: Run, learned: FitResult) -> None:
    nothing = History(epochs=(), kept_epoch=0, train_images=0, val_images=0)
    run.write("evidence.json", learned.evidence)
    run.write("plan.json", learned.plan)
    run.write("trials.jsonl", _all_trials(learned.evidence))
    run.write("history.csv", learned.history or nothing)
    if learned.val_probabilities is not None:
        run.write("val.npy", learned.val_probabilities, array_codec())


def _all_trials(evidence: Evidence) -> tuple[Trial, ...]:
    return (*evidence.networks, *evidence.trials)


def _predictions(
    index: Index, rows: Rows, probabilities: NDArray[np.float32], spec: ModelSpec
) -> Predictions:
    if spec.task != "label":
        examples = [index.examples[row] for row in rows]
        found, said = probabilities[:, : spec.outputs], probabilities[:, spec.outputs :]
        return as_predictions(spec, examples, found, said > 0 if said.size else None)
    return Predictions(
        classes=index.classes,
        paths=tuple(index.examples[row].path for row in rows),
        probabilities=np.asarray(probabilities, np.float32),
        truth=index.labels()[rows],
    )
