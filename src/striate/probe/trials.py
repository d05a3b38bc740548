"""Short trials before choosing: the speed of a training step, and what a short training reaches."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.batches import iterate_batches
from striate.metrics import intervals
from striate.nets import find_net
from striate.nets.pretrained import adapt_channel_statistics
from striate.train.batch_source import BatchSource
from striate.train.fast.machine import apply_machine
from striate.train.frozen_cache import cache_frozen_stages
from striate.train.head import Network
from striate.train.steps import prepare_training, set_training_mode, training_step
from striate.values import Cache, History, Machine, Plan, Rows, Sentence, Targets, Task, Trial
from striate.values.seeds import seed_for

LEAST_STEPS = 3  # steps
SLOW = 3.0  # times the seconds of a measurement, then it ends


def measure_training_speed(
    network: Network,
    plan: Plan,
    cache: Cache,
    train_rows: Rows,
    machine: Machine,
    *,
    labels: Targets,
    seconds: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
    task: Task = "label",
) -> float:
    """Images per second of the plan's training step, by the median step of about `seconds`.

    The first step, which builds kernels, does not count, nor does the frozen part, which is
    computed only once. On a machine so slow that three steps take too long, one is the measure, if
    need be the first. The network's weights are restored. `clock` may be process time, if other
    programs are running.
    """
    pretrained = plan.strategy.value != "scratch"
    net = plan.net.value
    channels = cache.channels
    if pretrained:
        channels = len(adapt_channel_statistics(find_net(net).card(net), channels)[0])
    grey = (0.5,) * channels
    feed = BatchSource(
        cache=cache,
        labels=labels,
        input_size=plan.input_size.value,
        mean=grey,
        std=grey,
        device=machine.device,
        layout=machine.layout,
        task=task,
    )
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with apply_machine(replace(machine, threads=plan.threads.value)):
        speed = _time_steps(network, plan, feed, train_rows, machine, seconds, clock)
    network.load_state_dict(before)
    return speed


def make_trial(
    plan: Plan,
    history: History,
    val_groups: Rows,
    why: Sentence,
    right: NDArray[np.bool_] | None = None,
) -> Trial:
    """A short training as a line of `trials.jsonl`: what its best epoch reached on validation.

    `right` marks the validation images predicted correctly; a group counts as one observation.
    """
    kept = history.epochs[max(0, history.kept_epoch - 1)]
    n = len(val_groups)
    found = intervals.wilson(round(kept.val_accuracy * n), n)
    if right is not None:
        found = intervals.accuracy_interval(right, val_groups, plan.seed)
    return Trial(
        strategy=plan.strategy.value,
        net=plan.net.value,
        settings={
            "epochs": plan.epochs.value,
            "learning_rate": plan.learning_rate.value,
            "batch_size": plan.batch_size.value,
            "optimizer": plan.optimizer.value,
            "input_size": plan.input_size.value,
        },
        accuracy=found,
        log_loss=kept.val_loss,
        epochs=len(history.epochs),
        seconds=sum(epoch.seconds for epoch in history.epochs),
        kept=False,
        why=why,
    )


def _time_steps(
    network: Network,
    plan: Plan,
    feed: BatchSource,
    train_rows: Rows,
    machine: Machine,
    seconds: float,
    clock: Callable[[], float],
) -> float:
    optimizer = prepare_training(network, plan, feed)
    set_training_mode(network, plan)
    size = min(plan.batch_size.value, len(train_rows))
    rows = next(iterate_batches(train_rows, size, seed=plan.seed, purpose="speed"))
    upper = cache_frozen_stages(network, plan, feed, rows, rows[:0], machine)
    learner, feed = (network, feed) if upper is None else upper
    generator = torch.Generator().manual_seed(seed_for(plan.seed, "speed"))
    first = clock()
    training_step(learner, optimizer, plan, feed, rows, generator, 0.0)
    start = clock()
    if start - first > SLOW * seconds:
        return size / (start - first)
    each: list[float] = []
    while (passed := clock() - start) < seconds or len(each) < LEAST_STEPS:
        if each and passed > SLOW * seconds:
            break
        begun = clock()
        training_step(learner, optimizer, plan, feed, rows, generator, 0.0)
        each.append(clock() - begun)
    return size / float(np.median(each))
