"""What a strategy that trains by steps may reach in the time that is left, before it is run."""

from dataclasses import dataclass, replace

from striate.statistics import sign_test
from striate.strategy import budget
from striate.strategy.corners import SMALL_IMAGE as SMALL_IMAGE
from striate.strategy.corners import TUNED_FROM
from striate.strategy.plans import best_probe, recipe_for
from striate.values import Choice, Evidence, Figure, Options, Probe, Sentence, Trial, say

# A network replaces the linear model if "no better" has less than this one-sided mid-p value.
GATE_LEVEL = 0.1

# Errors fell with this power of the epochs on CIFAR-10 from 3 to 7 epochs: on none of the sets
# that the strategy benchmark judges by.
LEARNING_EXPONENT = 0.35

# Measured 5.5 to 8 for all layers on a CPU: a pass back costs two forward, and nothing can be
# folded or fused. The last stages above what is frozen and kept: 1.5.
TUNING_COSTS = {"shallow": 1.2, "deep": 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The accuracy that a strategy may reach on validation, and whether it is worth a training."""

    strategy: str
    accuracy: float
    hopeful: bool
    why: Sentence


def contenders(
    evidence: Evidence, remaining_seconds: float, options: Options
) -> tuple[tuple[str, ...], tuple[Sentence, ...]]:
    """Strategies that could be trained in time, and why the others are out of the question."""
    found, out = [], []
    for strategy, reason in (
        ("scratch", _against_scratch(evidence, options)),
        ("shallow", _against_tuning(evidence, "shallow")),
        ("deep", _against_tuning(evidence, "deep")),
    ):
        reason = reason or _against_time(evidence, strategy, remaining_seconds)
        if reason is None:
            found.append(strategy)
        else:
            out.append(reason)
    return tuple(found), tuple(out)


def worth_measuring(
    evidence: Evidence, remaining_seconds: float, options: Options
) -> tuple[str, ...]:
    """Strategies whose training speed matters to the choice, so that it is worth its seconds.

    Tuning costs at least `TUNING_COSTS` times a pass for features: where not even that speed
    leaves time for it, nothing is measured.
    """
    probe = best_probe(evidence)
    if options.strategy != "auto":
        return () if options.strategy in ("linear", "layers") else (options.strategy,)
    if probe is not None and nothing_to_win(evidence, probe) is not None:
        return ()
    found = ["scratch"] if _against_scratch(evidence, options) is None else []
    features = evidence.speeds.get("features", 0.0)
    hoped = {**evidence.speeds, **{name: features / cost for name, cost in TUNING_COSTS.items()}}
    fast = replace(evidence, speeds=hoped)
    for tuning in TUNING_COSTS:
        against = _against_tuning(evidence, tuning)
        if not against and not _against_time(fast, tuning, remaining_seconds):
            found.append(tuning)
    return tuple(found)


def nothing_to_win(evidence: Evidence, probe: Probe) -> Sentence | None:
    """Why no training could be seen to beat the linear model; None where one could."""
    if probe.val_accuracy is None:
        return say(
            "choose.no_validation",
            "No images can be spared for validation, so no training could be shown to be better.",
        )
    n = probe.val_accuracy.n
    wrong = round((1 - probe.val_accuracy.value) * n)
    if sign_test(wrong, 0) < GATE_LEVEL:
        return None
    return say(
        "choose.nothing_to_win",
        "It misses {wrong} of {n:,} validation images, so few that even a perfect network "
        "could not be told from it.",
        wrong=wrong,
        n=n,
    )


def promise(evidence: Evidence, strategy: str, remaining_seconds: float, probe: Probe) -> Promise:
    """What `strategy` may reach, from its trial or, without one, from what is known of it."""
    assert probe.val_accuracy is not None
    linear = probe.val_accuracy.value
    trial = next((t for t in evidence.trials if t.strategy == strategy), None)
    if trial is not None:
        return _from_trial(evidence, trial, remaining_seconds, linear)
    if strategy in TUNING_COSTS:
        some = strategy == "shallow"
        template = (
            "Tuning the last stages starts at the linear model's head, so it may gain a little."
            if some
            else "Tuning all layers starts at the linear model's head, so it may gain a little."
        )
        why = say("promise.shallow" if some else "promise.deep", template)
        accuracy = 1 - _DEEP_KEEPS * (1 - linear)
        return Promise(strategy=strategy, accuracy=accuracy, hopeful=True, why=why)
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
            "Without a trial {n:,} images of {size} pixels are too few to train a network from "
            "scratch.",
            n=images,
            size=size,
        )
    return Promise(strategy=strategy, accuracy=linear, hopeful=hopeful, why=why)


def epochs_for(evidence: Evidence, strategy: str, seconds: float) -> int:
    """Epochs of a training that takes `seconds`, at the measured speed; 0 if none is measured."""
    each = _epoch_seconds(evidence, strategy)
    if each is None:
        return 0
    return budget.epochs_within(seconds, each, recipe_for(strategy).most_epochs)


def full_epochs(evidence: Evidence, strategy: str, remaining_seconds: float) -> int:
    """Epochs of a training that takes all the time that is left but the reserve."""
    speed = evidence.speeds.get(strategy, 0.0)
    mirrored = strategy == "scratch" and evidence.flips is not None and evidence.flips.helps
    judged = _SETS_TO_JUDGE * evidence.val_images * (2 if mirrored else 1)
    judge_seconds = judged / (budget.STEPS_PER_JUDGING * speed) if speed else 0.0
    features = evidence.speeds.get("features", 0.0)
    if strategy == "shallow" and features:
        images = sum(evidence.images_per_class)
        judge_seconds += budget.frozen_seconds(images, evidence.val_images, features)
    return epochs_for(evidence, strategy, budget.training_seconds(remaining_seconds, judge_seconds))


def epochs_choice(evidence: Evidence, strategy: str, epochs: int) -> Choice[int]:
    """The number of epochs with its reason."""
    speed = evidence.speeds.get(strategy, 0.0)
    recipe = recipe_for(strategy)
    if not speed:
        why = say("epochs.unmeasured", "no speed was measured; the fewest that are of use")
        return Choice(value=epochs, why=why, ground="convention")
    if epochs >= recipe.most_epochs:
        why = say("epochs.most", "more than {epochs} bring no more", epochs=epochs)
        return Choice(value=epochs, why=why, ground="convention")
    why = say(
        "epochs.time",
        "what the time allows: {speed:,.0f} images a second, {each:.1f} s an epoch",
        speed=speed,
        each=_epoch_seconds(evidence, strategy) or 0.0,
    )
    return Choice(value=epochs, why=why, ground="measured")


def _from_trial(
    evidence: Evidence, trial: Trial, remaining_seconds: float, linear: float
) -> Promise:
    """The trial's error, shrunk as errors shrink with the length of a training.

    `hopeful` takes the trial at the upper end of its interval: a network that may win is
    trained, since the linear model stays unless the network beats it.
    """
    epochs = max(1, full_epochs(evidence, trial.strategy, remaining_seconds))
    shrink = min(1.0, (max(1, trial.epochs) / epochs) ** LEARNING_EXPONENT)
    accuracy = 1 - (1 - trial.accuracy.value) * shrink
    best_case = 1 - (1 - trial.accuracy.high) * shrink
    hopeful = best_case > linear
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
            "In {seconds:.0f} s of trial {strategy} reached {tried:.1%}; {epochs} epochs should "
            "bring about {accuracy:.1%}, which is worth a training.",
            **figures,
        )
    else:
        why = say(
            "promise.hopeless",
            "In {seconds:.0f} s of trial {strategy} reached {tried:.1%}; {epochs} epochs should "
            "bring about {accuracy:.1%}, not enough to pass the linear model.",
            **figures,
        )
    return Promise(strategy=trial.strategy, accuracy=accuracy, hopeful=hopeful, why=why)


def _against_scratch(evidence: Evidence, options: Options) -> Sentence | None:
    if options.net != "auto" and best_probe(evidence) is not None:
        return say("out.net_asked", "You asked for {net}, so no other is tried.", net=options.net)
    return None


def _against_tuning(evidence: Evidence, strategy: str) -> Sentence | None:
    """Why the last stages, or all, are not worth tuning; only one of the two ways is tried."""
    if best_probe(evidence) is None:
        return say("out.no_pretrained", "No pretrained network is at hand to tune.")
    where = evidence.corner
    each = sum(evidence.images_per_class) / max(1, len(evidence.images_per_class))
    if each < TUNED_FROM:
        return say(
            "out.tuning_few",
            "{each:.0f} images a class are too few to tune: below {least:.0f} it has not gained "
            "on any set.",
            each=each,
            least=TUNED_FROM,
        )
    if where is None:  # nothing says how similar the images are
        return None
    if (strategy == "deep") == (where.large and not where.similar):
        return None
    figures: dict[str, Figure] = {"each": each, "shift": where.shift}
    if strategy == "deep":
        return say(
            "out.shallow_will_do",
            "{each:.0f} images a class and a shift of {shift:.2f}: of the ways of tuning only that "
            "of the last stages is tried.",
            **figures,
        )
    return say(
        "out.all_layers",
        "{each:.0f} images a class and a shift of {shift:.2f}: of the ways of tuning only that of "
        "all layers is tried.",
        **figures,
    )


def _against_time(evidence: Evidence, strategy: str, remaining_seconds: float) -> Sentence | None:
    if not evidence.speeds.get(strategy):
        if strategy == "deep" and evidence.speeds.get("features"):
            return say("out.deep_slow", "Tuning all layers would not be done in the time left.")
        if strategy == "shallow" and evidence.speeds.get("features"):
            return say("out.shallow_slow", "Tuning the last stages would not be done in time.")
        return say("out.unmeasured", "The speed of {strategy} was not measured.", strategy=strategy)
    least = recipe_for(strategy).least_epochs
    epochs = full_epochs(evidence, strategy, remaining_seconds)
    if epochs >= least:
        return None
    return say(
        "out.no_time",
        "Epochs of {strategy} that the time left holds: {epochs}; under {least} do more harm "
        "than good.",
        strategy=strategy,
        epochs=epochs,
        least=least,
    )


def _epoch_seconds(evidence: Evidence, strategy: str) -> float | None:
    speed = evidence.speeds.get(strategy, 0.0)
    if not speed:
        return None
    return budget.epoch_seconds(sum(evidence.images_per_class), speed, evidence.val_images)


_MANY_IMAGES = 2000
# Tuning all layers was kept on 2 sets of 7, so its promise is small.
_DEEP_KEEPS = 0.95
# Validation and test images are predicted once more at the end.
_SETS_TO_JUDGE = 2
