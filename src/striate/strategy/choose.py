"""Evidence in, plan out: what to try, then what to do, each with the figures that say so."""

from dataclasses import replace

from striate.errors import UsageError
from striate.strategy import budget
from striate.strategy.expected_gain import (
    SMALL_IMAGE,
    contenders,
    epochs_choice,
    epochs_for,
    full_epochs,
    nothing_to_win,
    promise,
)
from striate.strategy.plans import best_probe, linear_plan, recipe_for, training_plan
from striate.values import (
    CLOSED_FORM,
    Candidate,
    Choice,
    Evidence,
    Machine,
    Options,
    Plan,
    Probe,
    Sentence,
    say,
)


def what_to_try(
    evidence: Evidence, remaining_seconds: float, options: Options, machine: Machine
) -> tuple[Candidate, ...]:
    """Short trainings worth their seconds before choosing; none where the choice is clear.

    A trial is for a network that may beat the linear model and could be seen to do so. It gets
    12 % of the whole budget and at most a quarter of what is left. Which sets a network from
    scratch suits is not foreseen: thresholds set on some sets failed on the next (LOG 2026-11-24).
    """
    probe = best_probe(evidence)
    if options.strategy != "auto" or probe is None or nothing_to_win(evidence, probe):
        return ()
    may, _ = contenders(evidence, remaining_seconds, options)
    # Tuning is never tried: it starts at the linear model, and a short one only unsettles it.
    # Small images train fast: where nothing else contends, the trial would only cost epochs.
    if "scratch" not in may or (may == ("scratch",) and evidence.image_size <= SMALL_IMAGE):
        return ()
    seconds = budget.trial_seconds(options.minutes, remaining_seconds)
    epochs = epochs_for(evidence, "scratch", seconds)
    if not epochs:
        return ()
    why = say(
        "try.scratch",
        "{n:,} images of {size} pixels: a small network trained from scratch may do better",
        n=sum(evidence.images_per_class),
        size=evidence.image_size,
    )
    strategy = Choice(value="scratch", why=why, ground="convention")
    plan = training_plan(
        evidence, options, machine, strategy, epochs_choice(evidence, "scratch", epochs)
    )
    return (Candidate(plan=plan, seconds=seconds, why=why),)


def choose(
    evidence: Evidence,
    remaining_seconds: float,
    options: Options,
    machine: Machine,
    without: tuple[str, ...] = (),
) -> Plan:
    """The plan for the time that is left; `because` says in sentences how it came about.

    A plan that trains by steps promises more than the linear model at hand; whether it keeps
    the promise is judged after training, on the validation images. Strategies in `without` are
    left out: they were tried.
    Raises `UsageError` where the strategy asked for needs a pretrained network and none is there.
    """
    if options.strategy != "auto":
        return _asked(evidence, remaining_seconds, options, machine)
    probe = best_probe(evidence)
    if probe is None:
        why = say("choose.no_pretrained", "No pretrained network is at hand, so one is trained.")
        return _train(evidence, remaining_seconds, options, machine, "scratch", (why,))
    said: tuple[Sentence, ...] = (_what_linear_does(probe),)
    nothing = nothing_to_win(evidence, probe)
    if nothing is not None:
        return _stay(evidence, options, machine, (*said, nothing))
    may, out = contenders(evidence, remaining_seconds, options)
    may = tuple(strategy for strategy in may if strategy not in without)
    promises = [promise(evidence, strategy, remaining_seconds, probe) for strategy in may]
    said = (*said, *out, *(found.why for found in promises))
    hopeful = [found for found in promises if found.hopeful]
    if not hopeful:
        return _stay(evidence, options, machine, said)
    best = max(hopeful, key=lambda found: found.accuracy)
    return _train(evidence, remaining_seconds, options, machine, best.strategy, said)


def _asked(
    evidence: Evidence, remaining_seconds: float, options: Options, machine: Machine
) -> Plan:
    name = options.strategy
    why = say("choose.asked", "You asked for {strategy}.", strategy=name)
    if name == "scratch":
        return _train(evidence, remaining_seconds, options, machine, name, (why,), asked=True)
    if best_probe(evidence) is None:
        raise UsageError(
            f"The strategy {name} needs a pretrained network, and none is at hand.",
            "Type --strategy scratch, or name a network with --net.",
        )
    if name in CLOSED_FORM:
        strategy = Choice(value=name, why=why, ground="asked")
        plan = linear_plan(_only_layers(evidence, name), options, machine, strategy)
        return replace(plan, because=(why,))
    return _train(evidence, remaining_seconds, options, machine, name, (why,), asked=True)


def _only_layers(evidence: Evidence, strategy: str) -> Evidence:
    """For `layers` the best probe is sought among those that read several stages."""
    others = [probe for probe in evidence.probes if probe.name in ("taps", "all")]
    if strategy != "layers" or not others or evidence.best_probe != "top":
        return evidence
    return replace(evidence, best_probe=min(others, key=lambda p: p.loo_log_loss).name)


def _stay(
    evidence: Evidence, options: Options, machine: Machine, said: tuple[Sentence, ...]
) -> Plan:
    why = say("choose.linear", "The linear model on pretrained features is kept.")
    strategy = Choice(value="linear", why=why, ground="measured")
    plan = linear_plan(evidence, options, machine, strategy)
    return replace(plan, because=(*said, why))


def _train(
    evidence: Evidence,
    remaining_seconds: float,
    options: Options,
    machine: Machine,
    strategy: str,
    said: tuple[Sentence, ...],
    asked: bool = False,
) -> Plan:
    least = 1 if evidence.speeds.get(strategy) else recipe_for(strategy).least_epochs
    epochs = max(least, full_epochs(evidence, strategy, remaining_seconds))
    why = to_be_trained(strategy, epochs)
    if asked:
        choice = Choice(value=strategy, why=said[0], ground="asked")
        because = said
    else:
        choice = Choice(value=strategy, why=why, ground="measured")
        because = (*said, why)
    plan = training_plan(
        evidence, options, machine, choice, epochs_choice(evidence, strategy, epochs)
    )
    return replace(plan, because=because)


def to_be_trained(strategy: str, epochs: int) -> Sentence:
    """What follows from the choice of a strategy that trains by steps."""
    return say(
        "choose.train",
        "So {strategy} is trained for {epochs} epochs, and kept only if it is better on "
        "validation images.",
        strategy=strategy,
        epochs=epochs,
    )


def _what_linear_does(probe: Probe) -> Sentence:
    loo, val = probe.loo_accuracy, probe.val_accuracy
    if val is None:
        return say(
            "choose.linear_found",
            "A linear model on pretrained features gets {loo:.1%} of {n:,} images right when "
            "each is left out in turn.",
            loo=loo.value,
            n=loo.n,
        )
    return say(
        "choose.linear_validated",
        "A linear model on pretrained features gets {loo:.1%} of {n:,} training images right "
        "when each is left out in turn, and {val:.1%} of {m:,} validation images.",
        loo=loo.value,
        n=loo.n,
        val=val.value,
        m=val.n,
    )
