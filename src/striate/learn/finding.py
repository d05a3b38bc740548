"""The learning rate found by a range test, where `--set learning_rate=find` asks for it."""

from dataclasses import replace

from striate.learn.job import Job
from striate.learn.kinds import kind_of
from striate.learn.linear import Read
from striate.learn.tuned import spec_of, start
from striate.overrides import finds_rate
from striate.store.files import of_json
from striate.train.finder import find_rate
from striate.values import Choice, Evidence, Plan, RateSearch, say


def with_found_rate(
    job: Job, plan: Plan, linear: Read | None, evidence: Evidence
) -> tuple[Plan, Evidence]:
    """The plan with the rate that was found, and the evidence with its curve; else both as given.

    Kept, so that a training that is gone on with has the same rate.
    """
    if job.given_plan is not None or not finds_rate(job.options.set):
        return plan, evidence

    def search() -> RateSearch:
        spec = spec_of(job, plan)
        network = start(job, plan, spec, linear)
        return find_rate(
            network,
            plan,
            job.cache,
            job.train,
            job.machine,
            labels=kind_of(job).lesson(job),
            task=job.index.task,
            mean=spec.mean,
            std=spec.std,
            steps=_steps(job, plan, evidence),
        )

    found = job.keep("rates.json", search, of_json(RateSearch), also=job.minutes)
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


def _steps(job: Job, plan: Plan, evidence: Evidence) -> int:
    """As many steps as a tenth of the time left holds, by the measured speed; 100 at most."""
    speed = evidence.speeds.get(plan.strategy.value, 0.0)
    within = int(SHARE * job.seconds_left() * speed / plan.batch_size.value)
    return min(MOST_STEPS, max(LEAST_STEPS, within))


SHARE = 0.1
LEAST_STEPS, MOST_STEPS = 30, 100
