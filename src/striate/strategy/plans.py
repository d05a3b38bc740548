"""From a strategy and its epochs to the full plan: every setting with its reason."""

from striate.strategy.recipes import DEEP, SCRATCH, Recipe
from striate.strategy.training_choices import (
    augmentation_choice,
    channels_choice,
    resize_choice,
    with_fitting_rate,
    with_preprocessing,
)
from striate.values import (
    BalanceGain,
    Choice,
    CopyGain,
    Evidence,
    Machine,
    NetSettings,
    Plan,
    Probe,
    Tap,
    TrainingOptions,
    say,
)
from striate.values.plan import WEIGHTS_AT_HAND

COMPACT = "compact"
SHALLOW_GROUPS = 4  # layer groups from the head down
_LEAST_BATCH = 16  # images
_LEAST_STEPS = 10  # steps an epoch


def linear_plan(
    evidence: Evidence, options: TrainingOptions, machine: Machine, strategy: Choice[str]
) -> Plan:
    """The plan that delivers the best probe: no gradient training.

    Raises `ValueError` if the evidence holds no probe.
    """
    probe = best_probe(evidence)
    if probe is None:
        raise ValueError("a linear plan needs a probe")
    none = say("plan.closed_form", "solved in closed form, without gradient steps")
    plan = Plan(
        seed=options.seed,
        classes=evidence.classes,
        strategy=strategy,
        net=_net_choice(evidence, evidence.net, options),
        weights=_weights_choice(evidence),
        settings=Choice(value=NetSettings(), why=none, ground="convention"),
        taps=_taps_choice(probe, len(evidence.probes)),
        alpha=_alpha_choice(probe),
        input_size=_input_size_choice(evidence.input_size, evidence.image_size),
        epochs=Choice(value=0, why=none, ground="convention"),
        batch_size=Choice(value=1, why=none, ground="convention"),
        learning_rate=Choice(value=0.0, why=none, ground="convention"),
        layer_decay=Choice(value=1.0, why=none, ground="convention"),
        weight_decay=Choice(value=0.0, why=none, ground="convention"),
        optimizer=Choice(value="none", why=none, ground="convention"),
        schedule=Choice(value="none", why=none, ground="convention"),
        label_smoothing=Choice(value=0.0, why=none, ground="convention"),
        dropout=Choice(value=0.0, why=none, ground="convention"),
        augment=Choice(value={}, why=none, ground="convention"),
        initialisation=Choice(value="none", why=none, ground="convention"),
        l1=Choice(value=0.0, why=none, ground="convention"),
        clip=Choice(value=0.0, why=none, ground="convention"),
        mix=Choice(value="none", why=none, ground="convention"),
        balance=_balance_choice(evidence.balance),
        ema=Choice(value=0.0, why=none, ground="convention"),
        l2_sp=Choice(value=0.0, why=none, ground="convention"),
        unfreeze=Choice(value="at-once", why=none, ground="convention"),
        average=Choice(value="none", why=none, ground="convention"),
        head=Choice(value="exact", why=none, ground="convention"),
        interpolation=Choice(value=0.0, why=none, ground="convention"),
        views=Choice(value=1, why=none, ground="convention"),
        head_rate=Choice(value=0.0, why=none, ground="convention"),
        stopping=Choice(value="never", why=none, ground="convention"),
        precision=_precision_choice(machine),
        threads=_threads_choice(machine),
        inference_batch_size=_inference_batch_size_choice(machine),
        channels=channels_choice(evidence.channels, "linear"),
        resize=resize_choice(evidence),
    )
    heeded = ("balance", "channels", "resize")
    return with_preprocessing(options.overrides.apply(plan, only=heeded))


def training_plan(
    evidence: Evidence,
    options: TrainingOptions,
    machine: Machine,
    strategy: Choice[str],
    epochs: Choice[int],
) -> Plan:
    """The plan of a gradient training: the strategy's recipe, adapted to this data.

    `shallow` follows the recipe of `deep` with the first layer groups frozen.
    """
    recipe = recipe_for(strategy.value)
    probe = best_probe(evidence)
    tuned = strategy.value != "scratch" and probe is not None
    size = evidence.input_size if tuned else evidence.image_size
    plan = Plan(
        seed=options.seed,
        classes=evidence.classes,
        strategy=strategy,
        net=_net_choice(evidence, evidence.net if tuned else COMPACT, options),
        weights=_weights_choice(evidence) if tuned else _no_weights_choice(),
        settings=recipe.settings,
        taps=_taps_choice(probe, len(evidence.probes)) if tuned and probe else recipe.taps,
        alpha=_alpha_choice(probe) if tuned and probe else _no_alpha_choice(),
        input_size=_input_size_choice(size, evidence.image_size),
        epochs=epochs,
        batch_size=_batch_size_choice(recipe, sum(evidence.images_per_class)),
        learning_rate=recipe.learning_rate,
        layer_decay=recipe.layer_decay,
        head_rate=recipe.head_rate,
        weight_decay=recipe.weight_decay,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        label_smoothing=recipe.label_smoothing,
        dropout=recipe.dropout,
        augment=augmentation_choice(recipe, evidence, strategy.value),
        balance=_balance_choice(evidence.balance),
        views=_views_choice(strategy.value, evidence.flips),
        precision=_training_precision_choice(evidence, strategy.value, machine),
        threads=_threads_choice(machine),
        inference_batch_size=_inference_batch_size_choice(machine),
        tuned=_trained_groups_choice(strategy.value),
        channels=channels_choice(evidence.channels, strategy.value),
        resize=resize_choice(evidence),
    )
    return with_preprocessing(with_fitting_rate(options.overrides.apply(plan)))


def best_probe(evidence: Evidence) -> Probe | None:
    """The best probe by the evidence; None if there is none."""
    return next((probe for probe in evidence.probes if probe.name == evidence.best_probe), None)


def recipe_for(strategy: str) -> Recipe:
    """The recipe of a strategy with gradient training."""
    return SCRATCH if strategy == "scratch" else DEEP


def _trained_groups_choice(strategy: str) -> Choice[int]:
    if strategy != "shallow":
        why = say("plan.tuned_all", "all layers are trained")
        return Choice(value=0, why=why, ground="convention")
    why = say(
        "plan.tuned_last",
        "the last stages and the head are trained; the earlier stages hold general "
        "features and stay fixed",
    )
    return Choice(value=SHALLOW_GROUPS, why=why, ground="convention")


def _net_choice(evidence: Evidence, name: str, options: TrainingOptions) -> Choice[str]:
    if options.net != "auto":
        return Choice(
            value=options.net,
            why=say("plan.net_asked", "you asked for {net}", net=options.net),
            ground="asked",
        )
    if name == COMPACT:
        why = say("plan.net_compact", "a small network that trains fast on a small machine")
    elif evidence.networks:
        why = say(
            "plan.net_raced",
            "the best of {n} networks, or as good as the best and faster",
            n=len(evidence.networks),
        )
        return Choice(value=name, why=why, ground="measured")
    else:
        why = say("plan.net_pretrained", "its pretrained weights are available offline")
    return Choice(value=name, why=why, ground="convention")


def _weights_choice(evidence: Evidence) -> Choice[str]:
    if not evidence.weights:
        return WEIGHTS_AT_HAND
    why = say("plan.weights_file", "the file you named")
    return Choice(value=evidence.weights, why=why, ground="asked")


def _no_weights_choice() -> Choice[str]:
    why = say("plan.no_weights", "trained from scratch: no pretrained weights")
    return Choice(value="", why=why, ground="convention")


def _batch_size_choice(recipe: Recipe, train_images: int) -> Choice[int]:
    """Batch size; smaller for small sets, so that an epoch has some steps.

    The rate is unchanged: Muon's steps have one length whatever the gradient, and 0.12 was as good
    as smaller rates, or better, at batches of 16 on three sets (LOG 2026-11-24, "small batches
    want").
    """
    size = smaller = recipe.batch_size.value
    while smaller > _LEAST_BATCH and train_images < _LEAST_STEPS * smaller:
        smaller //= 2
    if smaller == size:
        return recipe.batch_size
    why = say(
        "plan.smaller_batch",
        "with {n:,} training images, a batch smaller than {size} gives at least {steps} steps "
        "per epoch",
        n=train_images,
        size=size,
        steps=min(_LEAST_STEPS, -(-train_images // smaller)),
    )
    return Choice(value=smaller, why=why, ground="convention")


def _views_choice(strategy: str, flips: CopyGain | None) -> Choice[int]:
    """Test-time flipping if flipping keeps labels and twice the forward pass is affordable."""
    if strategy != "scratch" or flips is None or not flips.helps:
        why = say("plan.one_view", "each image is predicted once, unflipped")
        return Choice(value=1, why=why, ground="convention")
    why = say(
        "plan.two_views",
        "measurements show that flipping keeps the labels, and a small network is fast, so the "
        "predictions for an image and its mirror image are averaged",
    )
    return Choice(value=2, why=why, ground="measured")


def _balance_choice(found: BalanceGain | None) -> Choice[str]:
    """Class weights if a linear model's left-out images show that they help."""
    if found is None:
        why = say(
            "plan.balance_even", "no class was found to be rare, so all images have the same weight"
        )
        return Choice(value="none", why=why, ground="convention")
    figures = {
        "plain": found.balanced_plain,
        "weighted": found.balanced_weighted,
        "old": found.accuracy_plain,
        "new": found.accuracy_weighted,
        "n": found.n,
    }
    if found.helps:
        why = say(
            "plan.balance",
            "class weights raise a linear model's balanced accuracy from {plain:.1%} to "
            "{weighted:.1%} (accuracy from {old:.1%} to {new:.1%}), by leave-one-out on {n:,} "
            "images",
            **figures,
        )
        return Choice(value="weights", why=why, ground="measured")
    why = say(
        "plan.no_balance",
        "class weights do not clearly help a linear model: they change its balanced accuracy "
        "from {plain:.1%} to {weighted:.1%} and its accuracy from {old:.1%} to {new:.1%}, by "
        "leave-one-out on {n:,} images",
        **figures,
    )
    return Choice(value="none", why=why, ground="measured")


def _taps_choice(probe: Probe, probes: int) -> Choice[tuple[Tap, ...]]:
    why = say(
        "plan.taps",
        "'{name}' has the best leave-one-out accuracy of {n} choices: {accuracy:.1%}",
        name=probe.name,
        n=probes,
        accuracy=probe.loo_accuracy.value,
    )
    return Choice(value=probe.taps, why=why, ground="measured")


def _alpha_choice(probe: Probe) -> Choice[float]:
    why = say("plan.alpha", "the smallest leave-one-out error of all penalties tried")
    return Choice(value=probe.alpha, why=why, ground="measured")


def _no_alpha_choice() -> Choice[float]:
    why = say("plan.no_alpha", "there is no closed-form head to penalise")
    return Choice(value=0.0, why=why, ground="convention")


def _input_size_choice(size: int, image_size: int) -> Choice[int]:
    if size == image_size:
        why = say("plan.size_as_is", "the images keep their size of {size} pixels", size=size)
    else:
        why = say(
            "plan.size_scaled",
            "the pretrained network takes images of {size} pixels; yours have {image_size}",
            size=size,
            image_size=image_size,
        )
    return Choice(value=size, why=why, ground="convention")


def _training_precision_choice(evidence: Evidence, strategy: str, machine: Machine) -> Choice[str]:
    """The precision in which a training step was fastest; else the machine's own."""
    measured = evidence.precisions.get(strategy)
    if measured is None:
        return _precision_choice(machine)
    why = say("plan.training_precision", "the fastest precision for training steps on this machine")
    return Choice(value=measured, why=why, ground="measured")


def _precision_choice(machine: Machine) -> Choice[str]:
    why = say(
        "plan.precision",
        "the fastest on this machine within the error bounds: error {error:.2%} relative to "
        "float32",
        error=machine.precision_error,
    )
    return Choice(value=machine.precision, why=why, ground="measured")


def _threads_choice(machine: Machine) -> Choice[int]:
    why = say("plan.threads", "{n} threads are fastest on this machine", n=machine.threads)
    return Choice(value=machine.threads, why=why, ground="measured")


def _inference_batch_size_choice(machine: Machine) -> Choice[int]:
    why = say("plan.inference_batch_size", "the fastest batch size on this machine")
    return Choice(value=machine.batch_size, why=why, ground="measured")
