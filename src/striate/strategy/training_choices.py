"""Choices of a training: augmentations measured to keep labels, rate, channels, preprocessing."""

from dataclasses import replace

from striate.strategy.recipes import Recipe
from striate.values import OWN, WHITENING, Choice, CopyGain, Evidence, Plan, say

_COPIES_USED = {
    "plan.copies_both": "both are used",
    "plan.copies_flips": "only flipping is used",
    "plan.copies_turns": "only rotation is used",
    "plan.copies_none": "neither is used, only small shifts",
    "plan.copies_flips_scratch": "only flipping is used; rotation keeps the labels, but whether "
    "it helps a training from scratch was not measured",
    "plan.copies_none_scratch": "neither is used; rotation keeps the labels, but whether it "
    "helps a training from scratch was not measured",
}


def augmentation_choice(
    recipe: Recipe, evidence: Evidence, strategy: str
) -> Choice[dict[str, float]]:
    """The recipe's augmentations, and flips and rotations measured to keep labels.

    Rotation was measured on pretrained features and is used for fine-tuning only: whether it pays
    in a short training from scratch was not measured.
    """
    flips, turns = evidence.flips, evidence.rotations
    if flips is None or turns is None:
        return _flips_only_choice(recipe, flips)
    figures = {
        "flips": flips.gain,
        "flips_error": flips.error,
        "turns": turns.gain,
        "turns_error": turns.error,
        "loss": flips.log_loss,
        "n": flips.n,
    }
    measured = (
        "a linear model's log loss on {n:,} unchanged images falls from {loss:.3f} by "
        "{flips:.3f} ± {flips_error:.3f} with flipped images and by {turns:.3f} ± "
        "{turns_error:.3f} with rotated images"
    )
    tuned = strategy != "scratch"
    used = {"flip": 1.0} if flips.helps else {}
    used |= {"rotate": 1.0} if turns.helps and tuned else {}
    code = {
        (True, True, True): "plan.copies_both",
        (True, True, False): "plan.copies_flips_scratch",
        (False, True, True): "plan.copies_turns",
        (False, True, False): "plan.copies_none_scratch",
    }.get(
        (flips.helps, turns.helps, tuned),
        "plan.copies_flips" if flips.helps else "plan.copies_none",
    )
    why = say(code, f"{measured}: {_COPIES_USED[code]}", **figures)
    return Choice(value={**recipe.augment.value, **used}, why=why, ground="measured")


def _flips_only_choice(recipe: Recipe, flips: CopyGain | None) -> Choice[dict[str, float]]:
    """The same if rotation was not measured, as in earlier runs."""
    if flips is None:
        return recipe.augment
    figures = {"gain": flips.gain, "error": flips.error, "loss": flips.log_loss, "n": flips.n}
    if flips.helps:
        why = say(
            "plan.flips",
            "flipped images lower a linear model's log loss by {gain:.3f} ± {error:.3f} from "
            "{loss:.3f} on {n:,} unchanged images",
            **figures,
        )
        return Choice(value={**recipe.augment.value, "flip": 1.0}, why=why, ground="measured")
    why = say(
        "plan.no_flips",
        "small shifts do not change a label; flipped images do not help a linear model (log loss "
        "lower by {gain:.3f} ± {error:.3f} from {loss:.3f} on {n:,} images)",
        **figures,
    )
    return Choice(value=recipe.augment.value, why=why, ground="measured")


def with_fitting_rate(plan: Plan) -> Plan:
    """The plan with a rate that suits its optimizer, if only the optimizer was requested."""
    if plan.optimizer.ground != "asked" or plan.learning_rate.ground == "asked":
        return plan
    kind = "scratch" if plan.strategy.value == "scratch" else "tuned"
    rate = RATES.get((kind, plan.optimizer.value))
    return plan if rate is None else replace(plan, learning_rate=rate)


# Pairs that are not here keep the recipe's rate. From scratch SGD does, since Muon's 0.12 was as
# good for it as 0.1 (LOG 2026-11-25); tuned by Muon none was measured.
RATES: dict[tuple[str, str], Choice[float]] = {
    ("scratch", "adamw"): Choice(
        value=3e-3,
        why=say(
            "plan.rate_adamw",
            "the middle one of 0.001, 0.003 and 0.01; with it, AdamW was as good as Muon at "
            "its own rate on 840 CIFAR-10 images",
        ),
        ground="measured",
    ),
    ("tuned", "sgd"): Choice(
        value=1e-2,
        why=say(
            "plan.rate_sgd",
            "ten times the rate of AdamW: usual for fine-tuning with momentum, whose steps "
            "scale with the gradient",
        ),
        ground="convention",
    ),
}


def channels_choice(channels: int, strategy: str) -> Choice[int]:
    """How many channels the images have, and how the network uses them."""
    pretrained = strategy != "scratch"
    if channels == 1 and pretrained:
        why = say(
            "plan.channels_repeated",
            "all images are greyscale; the pretrained network takes the grey channel three times",
        )
    elif channels == 1:
        why = say("plan.channels_grey", "all images are greyscale")
    elif channels == 3:
        why = say("plan.channels_colour", "colour images; transparent areas are shown on white")
    elif pretrained:
        why = say(
            "plan.channels_adapted",
            "the images have {n} channels; the filters of the pretrained first layer are "
            "repeated in turn and multiplied by 3/{n}",
            n=channels,
        )
    else:
        why = say("plan.channels_many", "the number of channels of the images")
    return Choice(value=channels, why=why, ground="convention")


def resize_choice(evidence: Evidence) -> Choice[str]:
    """How an image is resized to a square."""
    if evidence.square:
        why = say("plan.resize_square", "all images are square, so nothing is cropped or padded")
    else:
        why = say("plan.resize", "the whole image is used; a crop may cut off what matters")
    return Choice(value=evidence.resize, why=why, ground="convention")


def with_preprocessing(plan: Plan) -> Plan:
    """The plan with the reason of its preprocessing, if none was requested.

    A pretrained network keeps its own, whatever is requested for one trained from scratch.
    """
    if plan.strategy.value != "scratch":
        why = say(
            "plan.preprocess_own",
            "the preprocessing that the pretrained network was trained "
            "with; another would make its features worse",
        )
        unused = _mark_whitening_unused(plan)
        return replace(unused, preprocess=Choice(value=OWN, why=why, ground="convention"))
    if plan.preprocess.ground != "asked":
        why = say(
            "plan.preprocess",
            "each channel is scaled to mean 0 and standard deviation 1 over the training "
            "images, at almost no cost",
        )
        plan = replace(plan, preprocess=replace(plan.preprocess, why=why))
    if plan.preprocess.value not in WHITENING:
        return _mark_whitening_unused(plan)
    kept = say("plan.whiten_components", "all directions in which the training images vary")
    bound = say(
        "plan.whiten_eps",
        "a fraction of the mean variance, so that directions of small variance are not "
        "amplified too much; used on CIFAR-10 by Goodfellow et al. 2013",
    )
    reasons = {"whiten_components": (kept, "convention"), "whiten_eps": (bound, "paper")}
    for name, (why, ground) in reasons.items():
        choice = getattr(plan, name)
        if choice.ground != "asked":
            plan = replace(plan, **{name: replace(choice, why=why, ground=ground)})
    return plan


def _mark_whitening_unused(plan: Plan) -> Plan:
    why = say("plan.no_whitening", "used only by the whitening of whole images")
    return replace(
        plan,
        whiten_components=replace(plan.whiten_components, why=why),
        whiten_eps=replace(plan.whiten_eps, why=why),
    )
