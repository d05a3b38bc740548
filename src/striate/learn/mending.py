"""A training that diverges is tried once more with the remedy, where nobody asked for its settings.

What it reached before is kept: the weights of its best epoch stand as a usable model.
"""

from dataclasses import replace

from striate.classifier import Classifier
from striate.errors import UsageError
from striate.learn.job import FitContext
from striate.learn.kinds import kind_of
from striate.learn.linear import Read
from striate.learn.tuned import spec_of, start, train_plan
from striate.train.diverging import DivergedError
from striate.train.head import Network
from striate.values import Choice, Evidence, History, Plan, say


def train_or_mend(
    context: FitContext, plan: Plan, linear: Read | None, evidence: Evidence
) -> tuple[Classifier, History, Plan]:
    """`train_plan`; where the loss stops being a number, once more by `mended`, which is said.

    Raises `UsageError` where the settings were asked for, and `DivergedError` where the second
    training diverges before its first epoch is done.
    """
    try:
        return train_plan(context, plan, linear, evidence)
    except DivergedError as fault:
        _keep(context, plan, linear, fault)
        if context.given_plan is not None or any(
            choice.ground == "asked" for choice in _steering(plan)
        ):
            raise UsageError(fault.sentence, fault.hint) from fault
        again = mended(plan, fault)
    try:
        return train_plan(context, again, linear, evidence, "training-mended")
    except DivergedError as fault:
        if fault.state is None or fault.history is None:
            raise
        classifier = _classifier(context, again, linear, fault)
        said = say(
            "mend.stopped",
            "It diverged again, at step {step}: the weights of epoch {epoch}, the best before, "
            "are the model.",
            step=fault.step,
            epoch=fault.history.kept_epoch,
        )
        return classifier, fault.history, replace(again, because=(*again.because, said))


def mended(plan: Plan, fault: DivergedError) -> Plan:
    """The plan with a tenth of the rate and gradients no longer than 1, and a sentence why."""
    rate = plan.learning_rate.value
    figures = {"step": fault.step, "rate": rate, "slower": rate / SLOWER, "length": LENGTH}
    where = str(fault.origin) if fault.origin else "?"
    why = say("mend.why", "with {rate:g} the loss stopped being a number", rate=rate)
    said = say(
        "mend.again",
        "At step {step} the loss was no longer a number (it began in {where}): trained once more "
        "with a rate of {slower:g} for {rate:g} and gradients no longer than {length:g}.",
        where=where,
        **figures,
    )
    return replace(
        plan,
        learning_rate=Choice(value=rate / SLOWER, why=why, ground="measured"),
        clip=Choice(value=LENGTH, why=why, ground="measured"),
        because=(*plan.because, said),
    )


def _steering(plan: Plan) -> tuple[Choice[float] | Choice[str], ...]:
    """The choices that decide whether a training diverges."""
    return plan.learning_rate, plan.clip, plan.optimizer, plan.initialisation, plan.schedule


def _keep(context: FitContext, plan: Plan, linear: Read | None, fault: DivergedError) -> None:
    """The best epoch's weights become a usable model, where there is none yet."""
    if fault.state is not None:
        context.port.usable(_classifier(context, plan, linear, fault))


def _classifier(
    context: FitContext, plan: Plan, linear: Read | None, fault: DivergedError
) -> Classifier:
    spec = spec_of(context, plan)
    network: Network = start(context, plan, spec, linear)
    assert fault.state is not None
    network.load_state_dict(fault.state)
    return kind_of(context.data).finished(context.data, spec, network)


SLOWER = 10.0
LENGTH = 1.0
