"""Expected accuracy of a gradient training in the time that is left, before it is run."""

from dataclasses import dataclass, replace

from striate.metrics.intervals import sign_test
from striate.strategy import budget
from striate.strategy.corners import SMALL_IMAGE as SMALL_IMAGE
from striate.strategy.plans import best_probe, recipe_for
from striate.values import (
    CLOSED_FORM,
    TUNED,
    Choice,
    Evidence,
    Figure,
    Interval,
    Probe,
    Sentence,
    TrainingOptions,
    Trial,
    say,
)

# A network replaces the linear model if "no better" has less than this one-sided p-value.
GATE_LEVEL = 0.1

# Of the images that the linear model did not learn from, the share missed that is next to nothing.
LITTLE = 0.005

# Validation images that tuning needs.
JUDGES = 5

# The speed of tuning all layers is not known before it is measured: with hope for this many times
# the fewest epochs no other way is looked at.
SURE = 2

# Errors fell with this power of the epochs on CIFAR-10 from 3 to 7 epochs: on none of the sets
# that the strategy benchmark judges by.
LEARNING_EXPONENT = 0.35

# Measured 5.5 to 8 for all layers on a CPU: a pass back costs two forward, and nothing can be
# folded or fused. The last stages above what is frozen and kept: 1.5.
TUNING_COSTS = {"shallow": 1.2, "deep": 5.0}


_MANY_IMAGES = 2000  # images
# Of the errors of the linear model this share was left at 20 images a class (LOG 2026-11-24).
DEEP_KEEPS = 0.85
# Validation and test images are predicted once more at the end.
_SETS_TO_JUDGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedGain:
    """The expected validation accuracy of a strategy, and whether it is worth a training."""

    strategy: str
    accuracy: float
    hopeful: bool
    why: Sentence


def candidate_strategies(
    evidence: Evidence, remaining_seconds: float, options: TrainingOptions
) -> tuple[tuple[str, ...], tuple[Sentence, ...]]:
    """Strategies that could be trained in time, and why the others are excluded.

    Fine-tuning the last stages alone is for budgets too short to fine-tune all layers.
    """
    found, out = [], []
    for strategy, reason in (
        ("scratch", _reason_against_scratch(evidence, options)),
        ("deep", _reason_against_tuning(evidence)),
        ("shallow", _reason_against_tuning(evidence)),
    ):
        if strategy == "shallow" and "deep" in found:
            continue
        reason = reason or _reason_against_time(evidence, strategy, remaining_seconds)
        if reason is None:
            found.append(strategy)
        else:
            out.append(reason)
    return tuple(found), tuple(out)


def strategies_to_measure(
    evidence: Evidence, remaining_seconds: float, options: TrainingOptions
) -> tuple[str, ...]:
    """Strategies whose training speed affects the choice, so that it is worth measuring.

    Fine-tuning costs at least `TUNING_COSTS` times feature extraction: if even that leaves no time
    for it, nothing is measured. Nor is anything where the time is used up.
    """
    probe = best_probe(evidence)
    if not budget.training_seconds(remaining_seconds):
        return ()
    if options.strategy != "auto":
        return () if options.strategy in CLOSED_FORM else (options.strategy,)
    if probe is not None and no_gain_reason(evidence, probe) is not None:
        return ()
    found = ["scratch"] if _reason_against_scratch(evidence, options) is None else []
    features = evidence.speeds.get("features", 0.0)
    hoped = {**evidence.speeds, **{name: features / cost for name, cost in TUNING_COSTS.items()}}
    fast = replace(evidence, speeds=hoped)
    if _reason_against_tuning(evidence) is None:
        for tuning in ("deep", "shallow"):
            if _reason_against_time(fast, tuning, remaining_seconds) is None:
                found.append(tuning)
            if (
                full_epochs(fast, "deep", remaining_seconds)
                >= SURE * recipe_for("deep").least_epochs
            ):
                break
    return tuple(found)


def no_gain_reason(evidence: Evidence, probe: Probe) -> Sentence | None:
    """Why no training could significantly beat the linear model; None if one could."""
    if probe.val_accuracy is None:
        return say(
            "choose.no_validation",
            "There are too few images to set any aside for validation, so whether training "
            "improves on the linear model could not be checked.",
        )
    judged = (probe.loo_accuracy, probe.val_accuracy)
    n = sum(found.n for found in judged)
    wrong = sum(_count_errors(found) for found in judged)
    if wrong > LITTLE * n:
        return None
    return say(
        "choose.nothing_to_win",
        "The linear model is wrong on only {wrong} of {n:,} images it was not trained on, so "
        "training could gain almost nothing.",
        wrong=wrong,
        n=n,
    )


def _count_errors(found: Interval) -> int:
    return round((1 - found.value) * found.n)


def expected_gain(
    evidence: Evidence, strategy: str, remaining_seconds: float, probe: Probe
) -> ExpectedGain:
    """The expected result of `strategy`, from its trial or, without one, from experience."""
    assert probe.val_accuracy is not None
    linear = probe.val_accuracy.value
    trial = next((t for t in evidence.trials if t.strategy == strategy), None)
    if trial is not None:
        return _extrapolate_trial(evidence, trial, remaining_seconds, linear)
    if strategy in TUNED:
        some = strategy == "shallow"
        template = (
            "Fine-tuning the last stages starts from the linear model's head, so it may gain a "
            "little."
            if some
            else "Fine-tuning all layers starts from the linear model's head, so it may gain a "
            "little."
        )
        why = say("promise.shallow" if some else "promise.deep", template)
        accuracy = 1 - DEEP_KEEPS * (1 - linear)
        return ExpectedGain(strategy=strategy, accuracy=accuracy, hopeful=True, why=why)
    images, size = sum(evidence.images_per_class), evidence.image_size
    hopeful = size <= SMALL_IMAGE or images >= _MANY_IMAGES
    if hopeful:
        why = say(
            "promise.scratch_untried",
            "{n:,} images of {size} pixels are enough to train a small network from scratch.",
            n=images,
            size=size,
        )
    else:
        why = say(
            "promise.scratch_unproven",
            "{n:,} images of {size} pixels are too few to train a network from scratch unless "
            "a trial run shows otherwise, and none was made.",
            n=images,
            size=size,
        )
    return ExpectedGain(strategy=strategy, accuracy=linear, hopeful=hopeful, why=why)


def epochs_in_seconds(evidence: Evidence, strategy: str, seconds: float) -> int:
    """Epochs of a training that takes `seconds`, at the measured speed; 0 if none is measured."""
    each = _epoch_seconds(evidence, strategy)
    if each is None:
        return 0
    return budget.epochs_within(seconds, each, recipe_for(strategy).most_epochs)


def full_epochs(evidence: Evidence, strategy: str, remaining_seconds: float) -> int:
    """Epochs of a training that takes all the time left except the reserve."""
    speed = evidence.speeds.get(strategy, 0.0)
    mirrored = strategy == "scratch" and evidence.flips is not None and evidence.flips.helps
    judged = _SETS_TO_JUDGE * evidence.val_images * (2 if mirrored else 1)
    judge_seconds = judged / (budget.STEPS_PER_JUDGING * speed) if speed else 0.0
    features = evidence.speeds.get("features", 0.0)
    images, val_images = sum(evidence.images_per_class), evidence.val_images
    if strategy in TUNED and features:
        judge_seconds += budget.refit_seconds(images, val_images, features)
    if strategy == "shallow" and features:
        judge_seconds += budget.frozen_seconds(images, val_images, features)
    return epochs_in_seconds(
        evidence, strategy, budget.training_seconds(remaining_seconds, judge_seconds)
    )


def epochs_choice(evidence: Evidence, strategy: str, epochs: int) -> Choice[int]:
    """The number of epochs with its reason."""
    speed = evidence.speeds.get(strategy, 0.0)
    recipe = recipe_for(strategy)
    if not speed:
        why = say(
            "epochs.unmeasured",
            "the training speed was not measured, so this is the smallest useful number",
        )
        return Choice(value=epochs, why=why, ground="convention")
    if epochs >= recipe.most_epochs:
        why = say("epochs.most", "more than {epochs} epochs bring no further gain", epochs=epochs)
        return Choice(value=epochs, why=why, ground="convention")
    why = say(
        "epochs.time",
        "as many as fit in the time: {speed:,.0f} images per second, {each:.1f} s per epoch",
        speed=speed,
        each=_epoch_seconds(evidence, strategy) or 0.0,
    )
    return Choice(value=epochs, why=why, ground="measured")


def _extrapolate_trial(
    evidence: Evidence, trial: Trial, remaining_seconds: float, linear: float
) -> ExpectedGain:
    """The trial's error, scaled as errors fall with the length of a training.

    `hopeful` takes the trial at the upper end of its interval: a network that may win is trained,
    since the linear model stays unless it is beaten. For small images no trial is too poor: an
    epoch or two on gtsrb32 reached 18 % where the whole training reached 97 % (LOG 2026-11-25).
    """
    epochs = max(1, full_epochs(evidence, trial.strategy, remaining_seconds))
    shrink = min(1.0, (max(1, trial.epochs) / epochs) ** LEARNING_EXPONENT)
    accuracy = 1 - (1 - trial.accuracy.value) * shrink
    best_case = 1 - (1 - trial.accuracy.high) * shrink
    hopeful = best_case > linear
    small = evidence.image_size <= SMALL_IMAGE
    figures: dict[str, Figure] = {
        "seconds": trial.seconds,
        "strategy": trial.strategy,
        "tried": trial.accuracy.value,
        "epochs": epochs,
        "accuracy": accuracy,
    }
    if hopeful:
        why = say(
            "promise.hopeful",
            "In a trial of {seconds:.0f} s, {strategy} reached {tried:.1%}; {epochs} epochs "
            "are expected to reach about {accuracy:.1%}, so a full training is worthwhile.",
            **figures,
        )
    elif small:
        why = say(
            "promise.small",
            "In a trial of {seconds:.0f} s, {strategy} reached {tried:.1%}; the trial was too "
            "short to decide. Images of {size} pixels must be enlarged for a pretrained "
            "network, which costs accuracy, so a full training from scratch is worthwhile.",
            seconds=trial.seconds,
            strategy=trial.strategy,
            tried=trial.accuracy.value,
            size=evidence.image_size,
        )
    else:
        why = say(
            "promise.hopeless",
            "In a trial of {seconds:.0f} s, {strategy} reached {tried:.1%}; {epochs} epochs "
            "are expected to reach about {accuracy:.1%}, not enough to beat the linear model.",
            **figures,
        )
    return ExpectedGain(
        strategy=trial.strategy, accuracy=accuracy, hopeful=hopeful or small, why=why
    )


def _reason_against_scratch(evidence: Evidence, options: TrainingOptions) -> Sentence | None:
    probe = best_probe(evidence)
    if options.net != "auto" and probe is not None:
        return say(
            "out.net_asked", "You asked for {net}, so no other network is tried.", net=options.net
        )
    if probe is None or probe.val_accuracy is None:
        return None
    wrong, n = _count_errors(probe.val_accuracy), probe.val_accuracy.n
    if sign_test(wrong, 0) < GATE_LEVEL:
        return None
    return say(
        "out.scratch_unprovable",
        "Training from scratch was skipped: the linear model is wrong on only {wrong} of {n:,} "
        "validation images, so even a perfect network would not be significantly better.",
        wrong=wrong,
        n=n,
    )


def _reason_against_tuning(evidence: Evidence) -> Sentence | None:
    """Why a pretrained network is not worth fine-tuning."""
    if best_probe(evidence) is None:
        return say(
            "out.no_pretrained", "Fine-tuning was skipped: no pretrained network is available."
        )
    if evidence.val_images >= JUDGES:
        return None
    return say(
        "out.tuning_few",
        "Fine-tuning was skipped: {n} validation images are too few to tell whether it helps; "
        "at least {least} are needed.",
        n=evidence.val_images,
        least=JUDGES,
    )


def _reason_against_time(
    evidence: Evidence, strategy: str, remaining_seconds: float
) -> Sentence | None:
    if not evidence.speeds.get(strategy):
        if not budget.training_seconds(remaining_seconds):
            return say(
                "out.used_up",
                "Training with the strategy {strategy} was skipped: the time was used up before "
                "it. Give more minutes with --minutes to have it tried.",
                strategy=strategy,
            )
        if strategy == "deep" and evidence.speeds.get("features"):
            return say(
                "out.deep_slow",
                "Fine-tuning all layers was skipped: it would not finish in the time left.",
            )
        if strategy == "shallow" and evidence.speeds.get("features"):
            return say(
                "out.shallow_slow",
                "Fine-tuning the last stages was skipped: it would not finish in the time left.",
            )
        return say(
            "out.unmeasured",
            "The strategy {strategy} was skipped: its training speed was not measured.",
            strategy=strategy,
        )
    least = recipe_for(strategy).least_epochs
    epochs = full_epochs(evidence, strategy, remaining_seconds)
    if epochs >= least:
        return None
    return say(
        "out.no_time",
        "Training with the strategy {strategy} was skipped: only {epochs} epochs fit in the "
        "time left, and fewer than {least} do more harm than good.",
        strategy=strategy,
        epochs=epochs,
        least=least,
    )


def _epoch_seconds(evidence: Evidence, strategy: str) -> float | None:
    speed = evidence.speeds.get(strategy, 0.0)
    if not speed:
        return None
    return budget.epoch_seconds(sum(evidence.images_per_class), speed, evidence.val_images)
