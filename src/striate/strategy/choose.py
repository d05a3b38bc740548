"""From evidence to a plan: which short trials to run, then what to train, with reasons."""

from dataclasses import replace

from striate.errors import UsageError
from striate.strategy import budget
from striate.strategy.expected_gain import (
    SMALL_IMAGE,
    candidate_strategies,
    epochs_choice,
    epochs_in_seconds,
    expected_gain,
    full_epochs,
    no_gain_reason,
)
from striate.strategy.plans import best_probe, linear_plan, recipe_for, training_plan
from striate.values import (
    CLOSED_FORM,
    Candidate,
    Choice,
    Evidence,
    Machine,
    Plan,
    Probe,
    Sentence,
    TrainingOptions,
    say,
)


def choose_trials(
    evidence: Evidence, remaining_seconds: float, options: TrainingOptions, machine: Machine
) -> tuple[Candidate, ...]:
    """Short trainings worth running before choosing; none if the choice is clear.

    A trial is for a network that may significantly beat the linear model. It gets 12 % of the whole
    budget and at most a quarter of what is left. Which sets suit training from scratch is not
    predicted: thresholds set on some sets failed on the next (LOG 2026-11-24).
    """
    probe = best_probe(evidence)
    if options.strategy != "auto" or probe is None or no_gain_reason(evidence, probe):
        return ()
    may, _ = candidate_strategies(evidence, remaining_seconds, options)
    # Tuning is never tried: it starts at the linear model, and a short one only unsettles it.
    # Small images train fast: where nothing else contends, the trial would only cost epochs.
    if "scratch" not in may or (may == ("scratch",) and evidence.image_size <= SMALL_IMAGE):
        return ()
    seconds = budget.trial_seconds(options.minutes, remaining_seconds)
    epochs = epochs_in_seconds(evidence, "scratch", seconds)
    if not epochs:
        return ()
    why = say(
        "try.scratch",
        "{n:,} images of {size} pixels: a small network trained from scratch may be more accurate",
        n=sum(evidence.images_per_class),
        size=evidence.image_size,
    )
    strategy = Choice(value="scratch", why=why, ground="convention")
    plan = training_plan(
        evidence, options, machine, strategy, epochs_choice(evidence, "scratch", epochs)
    )
    return (Candidate(plan=plan, seconds=seconds, why=why),)


def choose_plan(
    evidence: Evidence,
    remaining_seconds: float,
    options: TrainingOptions,
    machine: Machine,
    without: tuple[str, ...] = (),
) -> Plan:
    """The plan for the time that is left; `because` gives the reasons in sentences.

    A gradient training is chosen if it is expected to beat the linear model; whether it does is
    tested after training, on the validation images. Strategies in `without` are excluded, since
    they were tried. Raises `UsageError` if the requested strategy needs a pretrained network and
    there is none.
    """
    if options.strategy != "auto":
        return _plan_as_asked(evidence, remaining_seconds, options, machine)
    probe = best_probe(evidence)
    if probe is None:
        why = say(
            "choose.no_pretrained",
            "No pretrained network is available, so a network is trained from scratch.",
        )
        if options.net != "auto":
            why = say(
                "choose.net_unpretrained",
                "You asked for {net}, which has no pretrained weights, so it is trained from "
                "scratch.",
                net=options.net,
            )
        return _plan_training(evidence, remaining_seconds, options, machine, "scratch", (why,))
    said: tuple[Sentence, ...] = (_describe_linear(probe),)
    nothing = no_gain_reason(evidence, probe)
    if nothing is not None:
        return _plan_linear(evidence, options, machine, (*said, nothing))
    may, out = candidate_strategies(evidence, remaining_seconds, options)
    may = tuple(strategy for strategy in may if strategy not in without)
    promises = [expected_gain(evidence, strategy, remaining_seconds, probe) for strategy in may]
    said = (*said, *out, *(found.why for found in promises))
    hopeful = [found for found in promises if found.hopeful]
    if not hopeful:
        return _plan_linear(evidence, options, machine, said)
    best = max(hopeful, key=lambda found: found.accuracy)
    return _plan_training(evidence, remaining_seconds, options, machine, best.strategy, said)


def _plan_as_asked(
    evidence: Evidence, remaining_seconds: float, options: TrainingOptions, machine: Machine
) -> Plan:
    name = options.strategy
    why = say("choose.asked", "You asked for the strategy {strategy}.", strategy=name)
    if name == "scratch":
        return _plan_training(
            evidence, remaining_seconds, options, machine, name, (why,), asked=True
        )
    if best_probe(evidence) is None:
        raise UsageError(
            f"The strategy {name} needs a pretrained network, and none is at hand.",
            "Type --strategy scratch, or name a network with --net.",
        )
    if name in CLOSED_FORM:
        strategy = Choice(value=name, why=why, ground="asked")
        plan = linear_plan(_keep_layer_probes(evidence, name), options, machine, strategy)
        return replace(plan, because=(why,))
    return _plan_training(evidence, remaining_seconds, options, machine, name, (why,), asked=True)


def _keep_layer_probes(evidence: Evidence, strategy: str) -> Evidence:
    """For `layers`, evidence with the probes that read several stages only."""
    others = [probe for probe in evidence.probes if probe.name in ("taps", "all")]
    if strategy != "layers" or not others or evidence.best_probe != "top":
        return evidence
    return replace(evidence, best_probe=min(others, key=lambda p: p.loo_log_loss).name)


def _plan_linear(
    evidence: Evidence, options: TrainingOptions, machine: Machine, said: tuple[Sentence, ...]
) -> Plan:
    why = say("choose.linear", "The linear model on pretrained features is the final model.")
    strategy = Choice(value="linear", why=why, ground="measured")
    plan = linear_plan(evidence, options, machine, strategy)
    return replace(plan, because=(*said, why))


def _plan_training(
    evidence: Evidence,
    remaining_seconds: float,
    options: TrainingOptions,
    machine: Machine,
    strategy: str,
    said: tuple[Sentence, ...],
    asked: bool = False,
) -> Plan:
    least = 1 if evidence.speeds.get(strategy) else recipe_for(strategy).least_epochs
    epochs = max(least, full_epochs(evidence, strategy, remaining_seconds))
    why = training_reason(strategy, epochs)
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


def training_reason(strategy: str, epochs: int) -> Sentence:
    """The consequence of choosing a strategy with gradient training."""
    return say(
        "choose.train",
        "Therefore {strategy} is trained for {epochs} epochs; the result is kept only if it is "
        "better on the validation images.",
        strategy=strategy,
        epochs=epochs,
    )


def _describe_linear(probe: Probe) -> Sentence:
    loo, val = probe.loo_accuracy, probe.val_accuracy
    if val is None:
        return say(
            "choose.linear_found",
            "A linear model on pretrained features has a leave-one-out accuracy of {loo:.1%} "
            "on {n:,} images.",
            loo=loo.value,
            n=loo.n,
        )
    return say(
        "choose.linear_validated",
        "A linear model on pretrained features has a leave-one-out accuracy of {loo:.1%} on "
        "{n:,} training images, and an accuracy of {val:.1%} on {m:,} validation images.",
        loo=loo.value,
        n=loo.n,
        val=val.value,
        m=val.n,
    )
