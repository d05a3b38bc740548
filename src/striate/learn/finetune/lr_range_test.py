"""Learning rate range test, run if `--set learning_rate=find` is given."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.batches import iterate_batches
from striate.learn.context import Budget, FitContext
from striate.learn.finetune.train_plan import initial_network, model_spec_of
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.task import task_spec
from striate.store.files import json_codec
from striate.train.batch_source import BatchSource
from striate.train.fast.machine import apply_machine
from striate.train.head import Network
from striate.train.initialise import initialise_network
from striate.train.loop import FIRST_LOOK
from striate.train.steps import NotFiniteError, prepare_training, set_training_mode, training_step
from striate.values import (
    Cache,
    Choice,
    Evidence,
    Machine,
    Plan,
    RateSearch,
    Rows,
    Targets,
    Task,
    say,
)
from striate.values.seeds import seed_for

SHARE = 0.1  # of the time left
LEAST_STEPS, MOST_STEPS = 30, 100  # steps
LOWEST, HIGHEST = 1e-3, 1e2  # times the recipe's rate
EXPLODED = 4.0  # times the least smoothed loss
BANDWIDTH = 0.25  # decades of the learning rate
MOST_OF_LEAST = 1 / 3  # of the rate with the least loss


def apply_lr_range_test(
    context: FitContext, plan: Plan, linear: BackboneFeatures | None, evidence: Evidence
) -> tuple[Plan, Evidence]:
    """The plan with the rate found and the evidence with its curve; unchanged if not requested.

    The result is stored, so that a resumed training has the same rate.
    """
    data = context.data
    if context.given_plan is not None or not context.options.overrides.wants_lr_range_test:
        return plan, evidence

    def search() -> RateSearch:
        spec = model_spec_of(context, plan)
        network = initial_network(context, plan, spec, linear)
        return run_lr_range_test(
            network,
            plan,
            data.cache,
            data.train,
            context.machine,
            labels=task_spec(data).targets(data),
            task=data.index.task,
            mean=spec.mean,
            std=spec.std,
            steps=_count_steps(context.budget, plan, evidence),
        )

    found = context.port.keep(
        "rates.json", search, json_codec(RateSearch), also=context.budget.minutes
    )
    why = say(
        "find.rate",
        "found by a learning rate range test, as you asked: over {n} steps with rates from "
        "{low:.2g} to {high:.2g}, the smoothed loss fell fastest here, well below the rate with "
        "the least loss",
        n=len(found.losses),
        low=found.rates[0] if found.rates else found.chosen,
        high=found.rates[-1] if found.rates else found.chosen,
    )
    rate = Choice(value=found.chosen, why=why, ground="measured")
    return replace(plan, learning_rate=rate), replace(evidence, rates=found)


def _count_steps(budget: Budget, plan: Plan, evidence: Evidence) -> int:
    """Steps that fit in a tenth of the time left at the measured speed, from 30 to 100."""
    speed = evidence.speeds.get(plan.strategy.value, 0.0)
    within = int(SHARE * budget.seconds_left() * speed / plan.batch_size.value)
    return min(MOST_STEPS, max(LEAST_STEPS, within))


def run_lr_range_test(
    network: Network,
    plan: Plan,
    cache: Cache,
    train_rows: Rows,
    machine: Machine,
    *,
    labels: Targets,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    steps: int = 100,
    task: Task = "label",
) -> RateSearch:
    """Batch losses at logarithmically spaced learning rates, and the rate chosen.

    From a thousandth to a hundred times the plan's rate, until the smoothed loss is 4 times its
    minimum (Smith 2017, section 3.3). The network's weights are unusable afterwards. Deterministic
    for a plan and seed.
    """
    feed = BatchSource(
        cache=cache,
        labels=labels,
        input_size=plan.input_size.value,
        mean=mean,
        std=std,
        device=machine.device,
        layout=machine.layout,
        task=task,
    )
    low, high = plan.learning_rate.value * LOWEST, plan.learning_rate.value * HIGHEST
    rates = [low * (high / low) ** (k / (steps - 1)) for k in range(steps)]
    with (
        apply_machine(replace(machine, threads=plan.threads.value)),
        torch.random.fork_rng(devices=[]),
    ):
        torch.manual_seed(seed_for(plan.seed, "rate/dropout"))
        losses = list(_measure_losses(network, plan, feed, train_rows, rates))
    return RateSearch(
        rates=tuple(rates[: len(losses)]), losses=tuple(losses), chosen=steepest_rate(rates, losses)
    )


def steepest_rate(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate at which the smoothed loss falls fastest, well below the one with the least loss.

    At most a third of the rate with the least smoothed loss: beyond it the loss soon explodes. If
    the loss never falls, the first rate.
    """
    if len(losses) < 3:
        return rates[0]
    levels, slopes = smooth_over_rates(rates[: len(losses)], losses)
    least = rates[int(levels.argmin())]
    below = [k for k in range(len(losses)) if rates[k] <= least * MOST_OF_LEAST and slopes[k] < 0]
    return rates[min(below, key=lambda k: float(slopes[k]))] if below else rates[0]


def smooth_over_rates(
    rates: Sequence[float], losses: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The loss and its slope per decade at every rate, by local linear regression over log rates.

    Gaussian weights with a standard deviation of a quarter of a decade. A straight line has no lag,
    as a moving average has, and its slope uses all losses around it: over twelve seeds the choice
    spread by 0.07 decades, by the slope between two points of the average by 0.22. What explodes at
    the end counts as twice the first loss.
    """
    places_N = np.log10(np.asarray(rates, np.float64))
    capped_N = np.minimum(np.asarray(losses, np.float64), 2 * max(losses[0], 1e-12))
    apart_NN = places_N[None] - places_N[:, None]
    weights_NN = np.exp(-0.5 * (apart_NN / BANDWIDTH) ** 2)
    total_N = weights_NN.sum(1)
    centre_N = (weights_NN * apart_NN).sum(1) / total_N
    mean_N = (weights_NN * capped_N).sum(1) / total_N
    shifted_NN = apart_NN - centre_N[:, None]
    spread_N = np.maximum((weights_NN * shifted_NN**2).sum(1), 1e-12)
    slopes_N = (weights_NN * shifted_NN * (capped_N - mean_N[:, None])).sum(1) / spread_N
    return mean_N - slopes_N * centre_N, slopes_N


def smooth_losses(losses: Sequence[float], keep: float = 0.9) -> list[float]:
    """Exponential moving average with bias correction for its start at 0: tells an explosion."""
    found: list[float] = []
    average = 0.0
    for k, value in enumerate(losses, start=1):
        average = keep * average + (1 - keep) * value
        found.append(average / (1 - keep**k))
    return found


def _measure_losses(
    network: Network, plan: Plan, feed: BatchSource, train_rows: Rows, rates: list[float]
) -> Iterator[float]:
    optimizer = prepare_training(network, plan, feed)
    if plan.strategy.value == "scratch":
        first = torch.Generator().manual_seed(seed_for(plan.seed, "initialise"))
        some = next(iterate_batches(train_rows, FIRST_LOOK, seed=plan.seed, purpose="initialise"))
        initialise_network(network, feed.images(some), first, plan.initialisation.value)
    generator = torch.Generator().manual_seed(seed_for(plan.seed, "rate/augment"))
    set_training_mode(network, plan)
    seen: list[float] = []
    for rate, rows in zip(rates, _endless_batches(plan, train_rows), strict=False):
        try:
            logits_NK, labels = training_step(network, optimizer, plan, feed, rows, generator, rate)
        except NotFiniteError:
            return
        seen.append(float(feed.objective.loss(logits_NK, labels, 0.0, None)))
        smooth = smooth_losses(seen)
        if not math.isfinite(seen[-1]) or smooth[-1] > EXPLODED * min(smooth):
            return
        yield seen[-1]


def _endless_batches(plan: Plan, rows: Rows) -> Iterator[Rows]:
    size = min(plan.batch_size.value, len(rows))
    for epoch in itertools.count(1):
        yield from iterate_batches(
            rows, size, seed=plan.seed, purpose="rate", epoch=epoch, drop_last=True
        )
