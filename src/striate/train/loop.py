"""The training loop: plan, cache and rows in; weights of the best epoch and their history out."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from striate.data.batches import iterate_batches
from striate.train import checkpoint as checkpoints
from striate.train.batch_source import BatchSource
from striate.train.best_epoch import (
    averaged_state,
    choose_kept_epoch,
    count_averaged_epochs,
    hold_latest,
    is_better_epoch,
    is_finished,
    make_weight_average,
    update_mean,
)
from striate.train.checkpoint import Checkpoint, Tensors
from striate.train.divergence import DivergedError, find_divergence
from striate.train.fast.machine import apply_machine
from striate.train.frozen_cache import cache_frozen_stages
from striate.train.head import Network
from striate.train.initialise import initialise_network
from striate.train.loss import class_loss_weights, sample_epoch_rows
from striate.train.optimizer import Optimizer
from striate.train.schedule import lr_factor, shorten_schedule, shorten_schedule_at_step
from striate.train.steps import (
    NotFiniteError,
    evaluate_network,
    forward_logits,
    prepare_training,
    set_training_mode,
    training_step,
    unfreeze_groups,
)
from striate.train.torch_context import isolated_rng
from striate.values import (
    Cache,
    Choice,
    Epoch,
    History,
    Machine,
    Plan,
    Progress,
    Rows,
    Targets,
    Task,
    Watch,
    say,
    unwatched,
)
from striate.values.seeds import seed_for

SAVE_SECONDS = 5.0
FIRST_LOOK = 1000  # images
SLOWER = 1.25  # times the seconds that are left
_EVALUATION_SHARE = 1 / 3  # of a training step's seconds an image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingResult:
    """The result of a training: `state` of the best epoch, and `plan` as it was executed.

    The network that was passed in holds the same weights.
    """

    state: Tensors
    history: History
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Training:
    """The parts of a running training; `average` is the moving average of the weights, if any."""

    network: nn.Module
    optimizer: Optimizer
    average: AveragedModel | None
    feed: BatchSource
    train_rows: Rows
    val_rows: Rows


def train_network(
    network: Network,
    plan: Plan,
    cache: Cache,
    train_rows: Rows,
    val_rows: Rows,
    machine: Machine,
    *,
    labels: Targets,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    checkpoint_dir: Path | None = None,
    watch: Watch = unwatched,
    deadline_seconds: float | None = None,
    task: Task = "label",
    begun: Callable[[Network], None] | None = None,
) -> TrainingResult:
    """Train for the plan's epochs and keep the one with the lowest smoothed validation loss.

    `labels` are the class numbers of the index's rows, or for other tasks the targets that
    `train.loss.OBJECTIVES` describes. Strategy `scratch` initialises the network; the others
    start from the weights it has and keep its batch-normalisation statistics frozen. A checkpoint
    of the same training in `checkpoint_dir` is resumed, with bit-identical results. If the machine
    is over a quarter slower than `deadline_seconds` allows, the schedule is shortened to end at
    an earlier epoch, or at a step where the epoch itself would overrun, and `TrainingResult.plan`
    records that: repeated without a deadline it gives the same weights. `begun` is called with the
    network at its initial weights, unless a checkpoint is resumed. Where the plan averages weights
    (a moving average, or a mean over epochs), each epoch is judged by the better of its own and the
    averaged weights; of means over epochs the best is kept.
    Training stops early where `should_stop_early` says so, at the same epoch on every repeat.
    Raises `DivergedError` if the loss is no longer finite; the network then holds the weights of
    the best epoch before that.
    """
    feed = BatchSource(
        cache=cache,
        labels=labels,
        input_size=plan.input_size.value,
        mean=mean,
        std=std,
        device=machine.device,
        layout=machine.layout,
        class_weights=class_loss_weights(plan, labels[train_rows]),
        task=task,
    )
    with apply_machine(replace(machine, threads=plan.threads.value)), isolated_rng(machine.device):
        return _train_epochs(
            network,
            plan,
            feed,
            train_rows,
            val_rows,
            machine,
            checkpoint_dir,
            watch,
            deadline_seconds,
            begun,
        )


def _train_epochs(
    network: Network,
    plan: Plan,
    feed: BatchSource,
    train_rows: Rows,
    val_rows: Rows,
    machine: Machine,
    folder: Path | None,
    watch: Watch,
    deadline_seconds: float | None,
    begun: Callable[[Network], None] | None,
) -> TrainingResult:
    optimizer = prepare_training(network, plan, feed)
    name = _fingerprint(plan, feed, train_rows, val_rows)
    found = None
    if folder is not None:
        found = checkpoints.load_checkpoint(
            folder, name, lambda note: watch(Progress(stage="train", note=note))
        )
    if found is None:
        found = _first_checkpoint(network, plan, feed, train_rows, name)
        if begun is not None:
            begun(network)
    else:
        network.load_state_dict(found.network)
        checkpoints.restore_optimizer(optimizer, found.optimizer)
    # The checkpoint's plan, not the caller's: a deadline may have shortened it since.
    plan, epochs, held = found.plan, found.epochs, dict(found.held)
    saved = time.monotonic()
    ends = None if deadline_seconds is None else saved + deadline_seconds
    # After the weights are restored: what is cached is computed by the frozen ones among them.
    upper = cache_frozen_stages(network, plan, feed, train_rows, val_rows, machine)
    learner, seen = (network, feed) if upper is None else upper
    average = make_weight_average(learner, plan.ema.value)
    if average is not None and found.average:
        average.load_state_dict(found.average)
    training = _Training(
        network=learner,
        optimizer=optimizer,
        average=average,
        feed=seen,
        train_rows=train_rows,
        val_rows=val_rows,
    )
    while not is_finished(plan, epochs):
        try:
            plan, epoch = _run_epoch(training, plan, epochs, ends)
        except DivergedError as fault:
            # Whoever tries again, or gives up, has the best weights from before it.
            _attach_best_weights(fault, network, plan, epochs, held, training)
            raise
        own = averaged_state(average) if average and epoch.averaged else _copy_state(network)
        if plan.average.value == "epochs" and epochs and len(val_rows):
            # `hold_latest` holds one epoch alone here: a mean is built on the best.
            (kept,) = held.values()
            count = count_averaged_epochs(epochs, is_better_epoch)
            epoch, own = _with_mean_weights(training, plan, network, epoch, own, kept, count)
        epochs = (*epochs, epoch)
        hold_latest(plan, epochs, own, held)
        if deadline_seconds is not None and ends is not None and not is_finished(plan, epochs):
            left = ends - time.monotonic()
            plan = _shorten_to_deadline(plan, epochs, left, deadline_seconds)
        last = is_finished(plan, epochs)
        if folder is not None and (last or time.monotonic() - saved > SAVE_SECONDS):
            # `held` goes along: which epoch is kept is known only at the end (LOG 2026-11-24).
            state = Checkpoint(
                fingerprint=name,
                plan=plan,
                epochs=epochs,
                held=held,
                network=network.state_dict(),
                optimizer=checkpoints.optimizer_tensors(optimizer),
                average=average.state_dict() if average else {},
            )
            checkpoints.save_checkpoint(folder, state)
            saved = time.monotonic()
        watch(_progress(plan, epochs, last, feed.objective.metric))
    history = _make_history(plan, epochs, held, training)
    network.load_state_dict(held[history.kept_epoch])
    network.eval()
    return TrainingResult(state=held[history.kept_epoch], history=history, plan=plan)


def _attach_best_weights(
    fault: DivergedError,
    network: Network,
    plan: Plan,
    epochs: tuple[Epoch, ...],
    held: dict[int, Tensors],
    training: _Training,
) -> None:
    """Load the weights of the best earlier epoch into the network and attach them to the error."""
    fault.history = _make_history(plan, epochs, held, training)
    kept = fault.history.kept_epoch
    network.load_state_dict(held[kept])
    network.eval()
    fault.state = held[kept] if kept else None


def _make_history(
    plan: Plan, epochs: tuple[Epoch, ...], held: dict[int, Tensors], training: _Training
) -> History:
    return History(
        epochs=epochs,
        kept_epoch=choose_kept_epoch(epochs, held),
        planned_epochs=plan.epochs.value,
        train_images=len(training.train_rows),
        val_images=len(training.val_rows),
    )


def _run_epoch(
    training: _Training, plan: Plan, before: tuple[Epoch, ...], ends: float | None
) -> tuple[Plan, Epoch]:
    """One epoch: a pass over the training images, then the validation loss and measure.

    The plan returned ends at a step of this epoch if `ends`, a reading of `time.monotonic()`, is
    sooner than the epoch's end by far.
    """
    network, feed, train_rows = training.network, training.feed, training.train_rows
    start = time.monotonic()
    number, losses = len(before) + 1, [epoch.val_loss for epoch in before]
    seed = plan.seed
    # Seeds by epoch, not one stream for all: a resumed training draws what an unbroken one would.
    torch.manual_seed(seed_for(seed, f"dropout/{number}"))
    generator = torch.Generator().manual_seed(seed_for(seed, f"augment/{number}"))
    size = min(plan.batch_size.value, len(train_rows))
    # Rows beyond the last whole batch wait: the next epoch's shuffle leaves out others.
    steps = len(train_rows) // size
    first = (number - 1) * steps
    objective, learning_rate, summed, seen = feed.objective, 0.0, 0.0, []
    unfreeze_groups(training.optimizer, plan, number, steps)
    set_training_mode(network, plan)
    drawn = sample_epoch_rows(plan, feed.labels, train_rows, number)
    done, settled = 0, start
    for k, rows in enumerate(
        iterate_batches(drawn, size, seed=seed, purpose="train", epoch=number, drop_last=True)
    ):
        share = lr_factor(
            plan.schedule.value, first + k, steps, plan.epochs.value, losses, plan.steps.value
        )
        learning_rate = plan.learning_rate.value * share
        try:
            logits_NK, labels = training_step(
                network, training.optimizer, plan, feed, rows, generator, learning_rate
            )
        except NotFiniteError as fault:
            raise _divergence_error(
                training, plan, fault.images_NCHW, first + k + 1, number
            ) from None
        if training.average is not None:
            training.average.update_parameters(network)
        # Without label smoothing and class weights, so that it compares with the validation loss.
        summed += float(objective.loss(logits_NK, labels, 0.0, None)) * size
        seen.append(objective.noted(logits_NK, labels))
        done = k + 1
        now = time.monotonic()
        if done == 1:
            settled = now  # the first step also builds kernels, so it times nothing
        if ends is not None:
            each = (now - settled) / (done - 1) if done > 1 else 0.0
            validation = _EVALUATION_SHARE * each * len(training.val_rows) / size
            plan = _end_at_step(plan, number, first + done, steps, ends - now - validation, each)
        if first + done == plan.steps.value:
            break
    # Taken before validation: images per second are those of training alone.
    trained_seconds = time.monotonic() - start
    val_loss, val_accuracy, mean = _validate_epoch(training, plan)
    if len(training.val_rows) and not math.isfinite(val_loss):
        some = feed.images(training.val_rows[:size])
        raise _divergence_error(training, plan, some, first + done, number)
    epoch = Epoch(
        epoch=number,
        step=first + done,
        lr=learning_rate,
        train_loss=summed / (done * size),
        train_accuracy=objective.measure(torch.cat(seen)),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        seconds=time.monotonic() - start,
        pictures_per_second=done * size / max(1e-9, trained_seconds),
        averaged=mean,
    )
    return plan, epoch


def _validate_epoch(training: _Training, plan: Plan) -> tuple[float, float, bool]:
    """Validation loss and measure, and whether they are those of the moving average."""
    found = evaluate_network(training.network, plan, training.feed, training.val_rows)
    if training.average is None or not len(training.val_rows):
        return *found, False
    other = evaluate_network(training.average.module, plan, training.feed, training.val_rows)
    if (other[1], -other[0]) > (found[1], -found[0]):
        return *other, True
    return *found, False


def _with_mean_weights(
    training: _Training,
    plan: Plan,
    network: Network,
    epoch: Epoch,
    own: Tensors,
    kept: Tensors,
    count: int,
) -> tuple[Epoch, Tensors]:
    """The epoch and its weights, or their mean with the `count` epochs kept, if that is better."""
    current, mean = _copy_state(network), update_mean(kept, count, own)
    # The mean is only looked at: the optimizer goes on from where its own steps have led.
    network.load_state_dict(mean)
    loss, accuracy = evaluate_network(training.network, plan, training.feed, training.val_rows)
    network.load_state_dict(current)
    other = replace(epoch, val_loss=loss, val_accuracy=accuracy, averaged=True)
    return (other, mean) if is_better_epoch(other, epoch) else (replace(epoch, averaged=False), own)


def _divergence_error(
    training: _Training, plan: Plan, images_NCHW: Tensor, step: int, epoch: int
) -> DivergedError:
    """The error for this step, naming the layer where values stop being finite."""

    def look(images: Tensor) -> Tensor:
        return forward_logits(training.network, plan, training.feed, images)

    return DivergedError(step, epoch, find_divergence(training.network, images_NCHW, look))


def _first_checkpoint(
    network: Network, plan: Plan, feed: BatchSource, train_rows: Rows, name: str
) -> Checkpoint:
    if plan.strategy.value == "scratch":
        generator = torch.Generator().manual_seed(seed_for(plan.seed, "initialise"))
        some = next(iterate_batches(train_rows, FIRST_LOOK, seed=plan.seed, purpose="initialise"))
        initialise_network(network, feed.images(some), generator, plan.initialisation.value)
    return Checkpoint(
        fingerprint=name,
        plan=plan,
        epochs=(),
        held={0: _copy_state(network)},
        network={},
        optimizer={},
        average={},
    )


def _end_at_step(
    plan: Plan, epoch: int, done: int, steps_per_epoch: int, seconds_left: float, each: float
) -> Plan:
    """The plan, ending at a step of this epoch if its rest would overrun by over a quarter.

    `done` is the number of all steps so far, `each` the seconds of one, 0 where not yet known. The
    schedule is rescaled to fall to its end in the steps that are left.
    """
    planned = plan.steps.value or plan.epochs.value * steps_per_epoch
    end = min(plan.steps.value or planned, epoch * steps_per_epoch)
    if done >= end or (seconds_left > 0 and (end - done) * each <= SLOWER * seconds_left):
        return plan
    end = done + (int(seconds_left / each) if seconds_left > 0 else 0)
    why = say("plan.steps_cut", "the time ended the training before this epoch was whole")
    return replace(
        plan,
        epochs=replace(plan.epochs, value=epoch),
        steps=Choice(value=end, why=why, ground="measured"),
        schedule=replace(
            plan.schedule,
            value=shorten_schedule_at_step(plan.schedule.value, done, planned),
        ),
    )


def _shorten_to_deadline(
    plan: Plan, epochs: tuple[Epoch, ...], seconds_left: float, seconds: float
) -> Plan:
    """The plan, ending earlier if the epochs left would overrun the deadline by over a quarter.

    One slow epoch may be caused by another program, so this waits for two epochs or half the time.
    """
    done, left = len(epochs), plan.epochs.value - len(epochs)
    # The faster of the last two: other programs can only slow an epoch down.
    seconds_each = min(epoch.seconds for epoch in epochs[-2:])
    too_early = done < 2 and seconds_left > seconds / 2
    if left == 0 or too_early or left * seconds_each <= SLOWER * seconds_left:
        return plan
    # An end without small rates wastes much of the training: half an epoch's time is worth one.
    end = done + max(seconds_left > seconds_each / 2, int(seconds_left / seconds_each))
    schedule = shorten_schedule(plan.schedule.value, done, plan.epochs.value)
    return replace(
        plan,
        epochs=replace(plan.epochs, value=end),
        schedule=replace(plan.schedule, value=schedule),
    )


def _progress(plan: Plan, epochs: tuple[Epoch, ...], last: bool, metric: str) -> Progress:
    left = 0 if last else plan.epochs.value - len(epochs)
    return Progress(
        stage="train",
        done=len(epochs),
        total=plan.epochs.value,
        unit="epoch",
        rate=epochs[-1].pictures_per_second,
        seconds_left=left * epochs[-1].seconds,
        epoch=epochs[-1],
        metric=metric,
        finished=left == 0,
    )


def _fingerprint(plan: Plan, feed: BatchSource, train_rows: Rows, val_rows: Rows) -> str:
    """A hash of this training: changes with the plan, the rows, the labels or the image size."""
    found = hashlib.blake2b(digest_size=16)
    # Reasons and notes are for readers and change no weight: in other words, the training goes on.
    choices = ((each.name, getattr(plan, each.name)) for each in fields(plan))
    values = {
        name: choice.value if isinstance(choice, Choice) else choice
        for name, choice in choices
        if name != "because"
    }
    found.update(msgspec.json.encode(values))
    found.update(repr((feed.cache.images.shape, feed.mean, feed.std)).encode())
    for rows in (train_rows, val_rows, feed.labels[train_rows], feed.labels[val_rows]):
        found.update(rows.tobytes())
    return found.hexdigest()


def _copy_state(network: Network) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
