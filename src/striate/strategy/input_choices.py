"""What becomes of an image before the first layer: channels, resizing, preprocessing."""

from dataclasses import replace

from striate.values import OWN, WHITENING, Choice, Evidence, Plan, say


def channels_choice(channels: int, strategy: str) -> Choice[int]:
    """How many channels the images have, and what the network makes of them."""
    pretrained = strategy != "scratch"
    if channels == 1 and pretrained:
        why = say(
            "plan.channels_repeated",
            "every image is grey; the pretrained network sees grey three times over",
        )
    elif channels == 1:
        why = say("plan.channels_grey", "every image is grey")
    elif channels == 3:
        why = say("plan.channels_colour", "in colour; what is transparent is seen over white")
    elif pretrained:
        why = say(
            "plan.channels_adapted",
            "the images have {n} channels; the filters of the pretrained first layer are repeated "
            "in turn, times 3/{n}",
            n=channels,
        )
    else:
        why = say("plan.channels_many", "as many as the images have")
    return Choice(value=channels, why=why, ground="convention")


def resize_choice(evidence: Evidence) -> Choice[str]:
    """How an image comes to its square."""
    if evidence.square:
        why = say("plan.resize_square", "every image is a square: there is nothing to cut or fill")
    else:
        why = say("plan.resize", "the whole image is seen: a crop may cut off what counts")
    return Choice(value=evidence.resize, why=why, ground="convention")


def with_preprocessing(plan: Plan) -> Plan:
    """The plan with the reason of its preprocessing, where nobody asked for another.

    A pretrained network keeps its own, whatever is asked of one that is trained from scratch.
    """
    if plan.strategy.value != "scratch":
        why = say(
            "plan.preprocess_own", "what the network was trained with, or its weights mislead"
        )
        unused = _whiten_unused(plan)
        return replace(unused, preprocess=Choice(value=OWN, why=why, ground="convention"))
    if plan.preprocess.ground != "asked":
        why = say(
            "plan.preprocess",
            "every channel with mean 0 and deviation 1 over the training images: it costs nothing",
        )
        plan = replace(plan, preprocess=replace(plan.preprocess, why=why))
    if plan.preprocess.value not in WHITENING:
        return _whiten_unused(plan)
    kept = say("plan.whiten_components", "all directions in which training images differ")
    bound = say(
        "plan.whiten_eps",
        "a share of the mean variance, so that faint directions are not blown up; CIFAR-10 was "
        "whitened so by Goodfellow et al. 2013",
    )
    reasons = {"whiten_components": (kept, "convention"), "whiten_eps": (bound, "paper")}
    for name, (why, ground) in reasons.items():
        choice = getattr(plan, name)
        if choice.ground != "asked":
            plan = replace(plan, **{name: replace(choice, why=why, ground=ground)})
    return plan


def _whiten_unused(plan: Plan) -> Plan:
    why = say("plan.no_whitening", "only whitening of whole images has a use for it")
    return replace(
        plan,
        whiten_components=replace(plan.whiten_components, why=why),
        whiten_eps=replace(plan.whiten_eps, why=why),
    )
