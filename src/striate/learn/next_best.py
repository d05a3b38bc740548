"""Where the first training did not pass the gate: the next promising one, if there is time left."""

from dataclasses import replace

from striate.learn.job import Job, Learned
from striate.learn.linear import Read
from striate.learn.stepping import Exact, learn_by_steps
from striate.store.plans import PLAN
from striate.strategy.choose import choose
from striate.values import Plan, say


def or_next_best(job: Job, learned: Learned, tried: str, read: Read, exact: Exact) -> Learned:
    """The model as it is, or that of the next training, held against the linear one in its turn.

    `tried` is the strategy that was trained. Only where `auto` chose it and the linear model was
    delivered instead: then whatever else may still pass it and fits into the time that is left.
    """
    free = job.given_plan is None and job.options.strategy == "auto"
    if not free or learned.plan.strategy.value == tried:
        return learned
    plan = job.keep("next.json", lambda: _next(job, learned, tried), PLAN, also=job.minutes)
    if not plan.epochs.value:
        return learned
    beside = replace(job, checkpoints=job.checkpoints / "next")
    return learn_by_steps(beside, plan, learned.evidence, read, exact)


def _next(job: Job, learned: Learned, tried: str) -> Plan:
    """What is chosen without the strategy that was tried; no reason is told twice."""
    plan = choose(learned.evidence, job.seconds_left(), job.options, job.machine, without=(tried,))
    told = {sentence.text for sentence in learned.plan.because}
    why = say(
        "next.try",
        "There is time left, so {strategy} is tried next.",
        strategy=plan.strategy.value,
    )
    new = tuple(sentence for sentence in plan.because if sentence.text not in told)
    return replace(plan, because=(*learned.plan.because, why, *new))
