"""A plan that trains by steps, carried out: trained, mended, held against the exact model."""

from collections.abc import Callable
from dataclasses import replace

from striate.learn.gate import gate
from striate.learn.job import FitContext, FitResult
from striate.learn.linear import Read
from striate.learn.mending import train_or_mend
from striate.learn.refitting import refitted
from striate.learn.remedying import remedied
from striate.learn.tuned import probabilities
from striate.train.diverging import DivergedError
from striate.values import Choice, Evidence, Plan, say

Exact = Callable[[Evidence, Choice[str]], FitResult]


def learn_by_steps(
    context: FitContext, plan: Plan, evidence: Evidence, read: Read | None, exact: Exact | None
) -> FitResult:
    """The trained model, or the exact linear one where that is as good on validation images.

    `exact` makes the linear model of a choice and its reason; None where no pretrained network
    was read. A strategy that was asked for is delivered whatever the linear model can do.
    """
    data = context.data
    asked = plan.strategy.ground == "asked"
    try:
        trained, history, plan = train_or_mend(context, plan, read, evidence)
    except DivergedError as fault:
        if exact is None or asked:
            raise
        return _instead(plan, evidence, exact, fault)
    found = probabilities(data, trained, data.val) if len(data.val) else None
    learned = FitResult(
        classifier=trained,
        plan=plan,
        evidence=evidence,
        history=history,
        val_probabilities=found,
    )
    learned = refitted(context, remedied(context, learned, read))
    if exact is None or learned.val_probabilities is None or asked:
        return learned
    won = Choice(value="linear", why=say("gate.linear", "the exact head won"), ground="measured")
    return gate(data, learned, exact(learned.evidence, won))


def _instead(plan: Plan, evidence: Evidence, exact: Exact, fault: DivergedError) -> FitResult:
    """The linear model, where the training diverged twice before its first epoch was done."""
    why = say(
        "gate.diverged",
        "The training diverged at step {step} of its second try too: the linear model is "
        "delivered.",
        step=fault.step,
    )
    learned = exact(evidence, Choice(value="linear", why=why, ground="measured"))
    return replace(learned, plan=replace(learned.plan, because=(*plan.because, why)))
