"""The learning rate found by a range test, where `--set learning_rate=find` asks for it."""

from dataclasses import replace

from striate.learn.job import Budget, FitContext
from striate.learn.kinds import kind_of
from striate.learn.linear import Read
from striate.learn.tuned import spec_of, start
from striate.overrides import finds_rate
from striate.store.files import of_json
from striate.train.finder import find_rate
from striate.values import Choice, Evidence, Plan, RateSearch, say


def with_found_rate(
    context: FitContext, plan: Plan, linear: Read | None, evidence: Evidence
) -> tuple[Plan, Evidence]:
    """The plan with the rate that was found, and the evidence with its curve; else both as given.

    Kept, so that a training that is gone on with has the same rate.
    """
    data = context.data
    if context.given_plan is not None or not finds_rate(context.options.set):
        return plan, evidence

    def search() -> RateSearch:
        spec = spec_of(context, plan)
        network = start(context, plan, spec, linear)
        return find_rate(
            network,
            plan,
            data.cache,
            data.train,
            context.machine,
            labels=kind_of(data).lesson(data),
            task=data.index.task,
            mean=spec.mean,
            std=spec.std,
            steps=_steps(context.budget, plan, evidence),
        )

    found = context.port.keep(
        "rates.json", search, of_json(RateSearch), also=context.budget.minutes
    )
    why = say(
        "find.rate",
        "you asked to find it: over {n} steps with rates from {low:.2g} to {high:.2g} the loss "
        "fell fastest here",
        n=len(found.losses),
        low=found.rates[0] if found.rates else found.chosen,
        high=found.rates[-1] if found.rates else found.chosen,
    )
    rate = Choice(value=found.chosen, why=why, ground="measured")
    return replace(plan, learning_rate=rate), replace(evidence, rates=found)


def _steps(budget: Budget, plan: Plan, evidence: Evidence) -> int:
    """As many steps as a tenth of the time left holds, by the measured speed; 100 at most."""
    speed = evidence.speeds.get(plan.strategy.value, 0.0)
    within = int(SHARE * budget.seconds_left() * speed / plan.batch_size.value)
    return min(MOST_STEPS, max(LEAST_STEPS, within))


SHARE = 0.1
LEAST_STEPS, MOST_STEPS = 30, 100
