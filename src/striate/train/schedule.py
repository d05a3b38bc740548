"""Learning-rate schedules as pure functions of training progress."""

import math
import re
from collections.abc import Callable, Sequence

from striate.errors import UsageError

COSINE_WARMUP = 0.05  # of all steps
CYCLE_WARMUP = 0.2  # of all steps
CYCLE_START = 0.2  # of the highest rate
PATIENCE = 3  # epochs
SMALLEST = 1e-3  # of the highest rate: less counts as zero
STEPS = "steps:"  # before a cut that is counted in steps
CUT = rf"({STEPS})?\d+/\d+"


def lr_factor(
    schedule: str,
    step: int,
    steps_per_epoch: int,
    epochs: int,
    losses: Sequence[float] = (),
    last_step: int = 0,
) -> float:
    """The fraction of the peak learning rate, in [0, 1], at `step` of `epochs` whole epochs.

    `schedule` is a name of `SCHEDULES`, optionally with the epochs or steps at which it was
    shortened: `one-cycle 3/10` was planned for 10 epochs and after the third shortened to `epochs`,
    `one-cycle steps:12/40` was planned for 40 steps and after the twelfth shortened. It ends with
    `last_step` unless that is 0. `losses` are the validation losses of the epochs so far, used by
    `plateau`. Raises `UsageError` for an unknown name.
    """
    name, cuts = _parse_schedule(schedule, steps_per_epoch)
    if name == "plateau":
        return plateau_schedule(losses)
    end = last_step / steps_per_epoch if last_step else epochs
    return SCHEDULES[name](_schedule_position(step / steps_per_epoch, cuts, end))


def shorten_schedule(schedule: str, epoch: int, epochs: int) -> str:
    """The schedule planned for `epochs` epochs, marked as shortened after `epoch`."""
    return f"{schedule} {epoch}/{epochs}"


def shorten_schedule_at_step(schedule: str, step: int, steps: int) -> str:
    """The schedule planned for so many steps, marked as shortened after `step`."""
    return f"{schedule} {STEPS}{step}/{steps}"


def planned_epochs(schedule: str, epochs: int, steps_per_epoch: int, epoch: int = 1) -> int:
    """The epochs that were planned when an epoch began, before the schedule was shortened."""
    _, cuts = _parse_schedule(schedule, steps_per_epoch)
    return next((math.ceil(meant) for cut, meant in cuts if epoch - 1 < cut), epochs)


def count_unfrozen_groups(epoch: int, epochs: int, groups: int) -> int:
    """How many layer groups train in an epoch, counted from 1, the head first.

    The head alone in the first epoch, then one deeper group after another until all train in the
    second half. Gradual unfreezing, Howard and Ruder 2018, section 3.2, adapted to short trainings.
    """
    half = max(1, epochs // 2)
    return min(groups, 1 + math.ceil((groups - 1) * (epoch - 1) / half))


def falls_to_zero(schedule: str) -> bool:
    """Whether a schedule ends at a learning rate of about zero."""
    name, _ = _parse_schedule(schedule, 1)
    return name in SCHEDULES and SCHEDULES[name](1.0) < SMALLEST


def constant_schedule(done: float) -> float:
    """The peak rate throughout."""
    return 1.0


def cosine_schedule(done: float) -> float:
    """Linear warm-up, then half a cosine down to zero. Loshchilov and Hutter 2017."""
    if done < COSINE_WARMUP:
        return done / COSINE_WARMUP
    return 0.5 * (1 + math.cos(math.pi * (done - COSINE_WARMUP) / (1 - COSINE_WARMUP)))


def one_cycle_schedule(done: float) -> float:
    """Linear up, then linear down to zero. Smith and Topin 2018, without the final phase."""
    if done < CYCLE_WARMUP:
        return CYCLE_START + (1 - CYCLE_START) * done / CYCLE_WARMUP
    return (1 - done) / (1 - CYCLE_WARMUP)


def linear_schedule(done: float) -> float:
    """Linear warm-up, then linear down to zero."""
    return min(done / COSINE_WARMUP, (1 - done) / (1 - COSINE_WARMUP))


def step_schedule(done: float) -> float:
    """A tenth after half of the training, a hundredth after three quarters. He et al. 2016."""
    return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01


def plateau_schedule(losses: Sequence[float]) -> float:
    """A tenth for each time that the loss has not fallen for `PATIENCE` epochs.

    As torch's ReduceLROnPlateau with a relative threshold of 1e-4.
    """
    best, waited, share = float("inf"), 0, 1.0
    for loss in losses:
        if loss < best * (1 - 1e-4):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > PATIENCE:
            share, waited = share / 10, 0
    return share


def _parse_schedule(schedule: str, steps_per_epoch: int) -> tuple[str, list[tuple[float, float]]]:
    """The name of a schedule, and its cuts in epochs: where, and how many were planned before."""
    name, *cuts = schedule.split()
    if name not in SCHEDULES or not all(re.fullmatch(CUT, cut) for cut in cuts):
        raise UsageError(
            f"There is no learning-rate schedule {schedule!r}.",
            f"There are: {', '.join(SCHEDULES)}.",
        )
    found: list[tuple[float, float]] = []
    for cut in cuts:
        done, planned = map(int, cut.removeprefix(STEPS).split("/"))
        each = steps_per_epoch if cut.startswith(STEPS) else 1
        found.append((done / each, planned / each))
    return name, found


def _schedule_position(epochs_done: float, cuts: list[tuple[float, float]], epochs: float) -> float:
    """Progress of the schedule in [0, 1], piecewise linear with a break at each shortening."""
    start, done_at_start = 0.0, 0.0
    for cut, meant in cuts:
        if epochs_done <= cut:
            return done_at_start + (1 - done_at_start) * (epochs_done - start) / (meant - start)
        done_at_start += (1 - done_at_start) * (cut - start) / (meant - start)
        start = cut
    return min(1.0, done_at_start + (1 - done_at_start) * (epochs_done - start) / (epochs - start))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one-cycle": one_cycle_schedule,
    "cosine": cosine_schedule,
    "constant": constant_schedule,
    "linear": linear_schedule,
    "step": step_schedule,
    # Goes by the losses, not by how much is done.
    "plateau": constant_schedule,
}
