import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.train.made_training import MACHINE, MEAN, STD, network, other_seed, plan, stripes
from torch import nn

from striate.errors import StriateError
from striate.train import loop
from striate.train.divergence import DivergedError
from striate.train.loop import TrainingResult, train_network
from striate.values import Epoch, Plan, Progress, say

CACHE, LABELS = stripes()
TRAIN, VAL = np.arange(90), np.arange(90, 120)


def run(of: Plan, **changes: Any) -> TrainingResult:
    given: dict[str, Any] = {"labels": LABELS, "mean": MEAN, "std": STD, **changes}
    net = given.pop("network", None) or network(of)
    val = given.pop("val", VAL)
    return train_network(net, of, CACHE, TRAIN, val, MACHINE, **given)


def same(first: TrainingResult, second: TrainingResult) -> bool:
    """To the bit, but for what the clock says."""
    weights = all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    return weights and timeless(first) == timeless(second)


def timeless(trained: TrainingResult) -> list[tuple[float, ...]]:
    return [
        (e.epoch, e.step, e.lr, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy)
        for e in trained.history.epochs
    ]


@pytest.mark.parametrize("optimizer", ["sgd", "muon", "adamw"])
def test_it_learns_stripes(optimizer: str) -> None:
    rate = {"sgd": 0.05, "muon": 0.1, "adamw": 0.01}[optimizer]
    found = run(plan(optimizer=optimizer, learning_rate=rate, epochs=8))
    history = found.history
    assert history.epochs[history.kept_epoch - 1].val_accuracy > 0.9
    assert history.epochs[-1].train_loss < 0.7 * history.epochs[0].train_loss
    assert (history.train_images, history.val_images) == (90, 30)


def test_same_plan_same_bits_and_another_seed_others() -> None:
    of = plan()
    first = run(of)
    torch.rand(5)  # What others draw has no say.
    assert same(first, run(of))
    assert not same(first, run(other_seed(of)))


def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(9)
    wanted = torch.rand(3)
    torch.manual_seed(9)
    run(plan(epochs=1))
    assert torch.equal(torch.rand(3), wanted)


class Stop(Exception):
    pass


def stop_after(epoch: int) -> Any:
    def watch(progress: Progress) -> None:
        if progress.done == epoch:
            raise Stop

    return watch


@pytest.mark.parametrize("optimizer", ["sgd", "muon", "adamw"])
@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_training_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, epoch: int
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    of = plan(optimizer=optimizer, learning_rate=0.02)
    unbroken = run(of)
    with pytest.raises(Stop):
        run(of, checkpoint_dir=tmp_path, watch=stop_after(epoch))
    seen: list[Progress] = []
    resumed = run(of, checkpoint_dir=tmp_path, watch=seen.append)
    assert same(unbroken, resumed)
    assert [p.done for p in seen] == list(range(epoch + 1, 5))


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = run(plan(), checkpoint_dir=tmp_path)
    seen: list[Progress] = []
    again = run(plan(), checkpoint_dir=tmp_path, watch=seen.append)
    assert same(first, again)
    assert first.history == again.history
    assert not seen


def test_the_checkpoint_of_another_plan_is_not_used(tmp_path: Path) -> None:
    run(plan(epochs=2), checkpoint_dir=tmp_path)
    of = plan(epochs=3)
    assert same(run(of), run(of, checkpoint_dir=tmp_path))


def test_the_watcher_sees_every_epoch_once() -> None:
    seen: list[Progress] = []
    found = run(plan(), watch=seen.append)
    assert tuple(p.epoch for p in seen) == found.history.epochs
    assert [p.done for p in seen] == [1, 2, 3, 4]
    assert seen[-1].finished
    assert not seen[0].finished


def epoch(accuracy: float, loss: float, number: int = 1) -> Epoch:
    return Epoch(
        epoch=number,
        step=1,
        lr=0.1,
        train_loss=1.0,
        train_accuracy=0.5,
        val_loss=loss,
        val_accuracy=accuracy,
        seconds=1.0,
        pictures_per_second=100.0,
    )


def test_the_kept_weights_are_those_of_the_kept_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.chain([(0.5, 0.9), (0.6, 0.5)], itertools.repeat((0.7, 0.5)))
    monkeypatch.setattr(loop, "evaluate_network", lambda *_: next(looks))
    net = network(plan())
    found = run(plan(), network=net)
    assert found.history.kept_epoch == 1
    monkeypatch.setattr(loop, "evaluate_network", lambda *_: (0.5, 0.9))
    once = run(plan(schedule="one-cycle"), network=network(plan()))
    assert once.history.kept_epoch == 1
    assert all(torch.equal(found.state[name], once.state[name]) for name in found.state)
    assert all(torch.equal(found.state[n], t) for n, t in net.state_dict().items())


def test_a_rising_loss_stops_a_training_and_going_on_ends_the_same(tmp_path: Path) -> None:
    of = plan(epochs=40, schedule="constant", stopping="auto")
    losses = [1 / k for k in range(1, 8)] + [0.2 * k for k in range(1, 40)]
    looks = iter([(loss, 0.5) for loss in losses])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "evaluate_network", lambda *_: next(looks))
        seen: list[Progress] = []
        found = run(of, checkpoint_dir=tmp_path, watch=seen.append)
    assert 12 <= len(found.history.epochs) < 20
    assert found.history.kept_epoch in (6, 7, 8)
    assert found.history.stopped_early
    assert found.history.planned_epochs == found.plan.epochs.value == 40
    assert seen[-1].finished
    again = run(of, checkpoint_dir=tmp_path)
    assert same(found, again)


def test_without_validation_images_the_last_epoch_is_kept(tmp_path: Path) -> None:
    of = plan(epochs=2)
    found = run(of, val=np.array([], np.int64), checkpoint_dir=tmp_path)
    assert found.history.kept_epoch == 2
    assert np.isnan(found.history.epochs[-1].val_loss)
    again = run(of, val=np.array([], np.int64), checkpoint_dir=tmp_path)
    assert np.isnan(again.history.epochs[-1].val_loss)


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    with pytest.raises(StriateError, match=r"at step \d+ \(epoch 1\)") as caught:
        run(plan(learning_rate=1e30, dropout=0.0))
    assert "learning_rate" in caught.value.hint


def test_a_slow_machine_ends_sooner_and_the_plan_says_so() -> None:
    of = plan(epochs=8)
    epochs = tuple(epoch(0.5, 1.0, k + 1) for k in range(2))
    unchanged = loop._shorten_to_deadline(of, epochs, 6.0, 8.0)
    assert unchanged is of
    # Six epochs of a second each are left, and 4.8 seconds would be the limit.
    sooner = loop._shorten_to_deadline(of, epochs, 4.5, 8.0)
    assert sooner.epochs.value == 6
    assert sooner.schedule.value == "one-cycle 2/8"
    at_once = loop._shorten_to_deadline(of, epochs, 0.0, 8.0)
    assert at_once.epochs.value == 2
    one_more = loop._shorten_to_deadline(of, epochs, 0.6, 8.0)
    assert one_more.epochs.value == 3


def test_one_slow_epoch_does_not_end_a_training() -> None:
    of = plan(epochs=8)
    first = (replace(epoch(0.5, 1.0), seconds=3.0),)
    assert loop._shorten_to_deadline(of, first, 5.0, 8.0) is of
    recovered = (*first, epoch(0.5, 1.0, 2))
    assert loop._shorten_to_deadline(of, recovered, 5.0, 8.0) is of


def test_a_deadline_in_the_past_ends_after_one_epoch_and_is_remembered(tmp_path: Path) -> None:
    of = plan()
    found = run(of, deadline_seconds=0.0, checkpoint_dir=tmp_path)
    assert len(found.history.epochs) == 1
    assert found.plan.epochs.value == 1
    again = run(of, checkpoint_dir=tmp_path)
    assert again.plan.epochs.value == 1
    assert same(found, again)


def test_an_executed_plan_repeats_what_was_executed() -> None:
    of = plan(epochs=6)
    cut = loop._shorten_to_deadline(of, tuple(epoch(0.5, 1.0, k + 1) for k in range(2)), 2.0, 8.0)
    assert cut.epochs.value == 4
    first, again = run(cut), run(cut)
    assert same(first, again)
    assert first.history.epochs[-1].lr > 0


def ticking(seconds: float) -> Any:
    """A clock that each look at it sets forward."""
    return itertools.count(0.0, seconds).__next__


@pytest.mark.parametrize("deadline", [0.0, 6.0, 22.0])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "cosine"},
        {"strategy": "deep", "unfreeze": "gradual", "learning_rate": 0.01},
        {"strategy": "shallow", "tuned": 2, "learning_rate": 0.01},
        {"ema": 0.9},
    ],
)
def test_a_plan_as_executed_gives_the_weights_again(
    monkeypatch: pytest.MonkeyPatch, deadline: float, changes: dict[str, Any]
) -> None:
    of = plan(epochs=5, **changes)
    with monkeypatch.context() as patched:
        patched.setattr("striate.train.loop.time.monotonic", ticking(1.0))
        found = run(of, deadline_seconds=deadline)
    assert found.history.epochs[-1].epoch == found.plan.epochs.value < 5
    assert same(found, run(found.plan))


def test_a_deadline_ends_a_training_at_a_step_with_small_rates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("striate.train.loop.time.monotonic", ticking(1.0))
        found = run(plan(epochs=5, batch_size=4, schedule="linear"), deadline_seconds=12.0)
    (only,) = found.history.epochs
    assert 1 < only.step < 22
    assert found.plan.steps.value == only.step
    assert found.plan.steps.ground == "measured"
    assert found.plan.schedule.value.startswith("linear steps:")
    assert only.lr < 0.3 * 0.05


def test_a_fast_machine_keeps_its_plan() -> None:
    found = run(plan(epochs=2), deadline_seconds=600.0)
    assert found.plan == plan(epochs=2)


def test_a_training_cut_at_a_step_is_not_repeated(tmp_path: Path) -> None:
    found = run(plan(), deadline_seconds=0.0, checkpoint_dir=tmp_path)
    assert found.plan.steps.value == 1
    again = run(plan(), checkpoint_dir=tmp_path)
    assert same(found, again)
    assert again.plan == found.plan


@pytest.mark.parametrize("strategy", ["deep", "shallow"])
def test_tuning_keeps_the_statistics_of_batch_normalisation(strategy: str) -> None:
    of = plan(strategy=strategy, epochs=1, learning_rate=0.01)
    net = network(of)
    before = {n: t.clone() for n, t in net.state_dict().items()}
    run(of, network=net)
    after = net.state_dict()
    assert any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert all(torch.equal(before[n], after[n]) for n in before if "running" in n)
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_tuning_starts_at_the_weights_that_are_given() -> None:
    of = plan(strategy="deep", epochs=1, learning_rate=0.0)
    net = network(of)
    nn.init.normal_(net.head.weight, generator=torch.Generator().manual_seed(0))
    before = net.head.weight.detach().clone()
    run(of, network=net)
    assert torch.equal(net.head.weight, before)


def test_shallow_leaves_the_early_layers() -> None:
    of = plan(strategy="shallow", tuned=2, epochs=1, learning_rate=0.1)
    net = network(of)
    nn.init.normal_(net.head.weight, generator=torch.Generator().manual_seed(0))
    groups = net.depth_groups()
    before = [[p.detach().clone() for p in group] for group in groups]
    run(of, network=net)
    moved = [
        any(not torch.equal(a, b) for a, b in zip(old, new, strict=True))
        for old, new in zip(before, groups, strict=True)
    ]
    assert moved == [False, False, False, True, True]


def test_fewer_images_than_a_batch_still_make_a_step() -> None:
    found = run(plan(batch_size=512, epochs=2))
    assert [e.step for e in found.history.epochs] == [1, 2]


def test_a_diverged_training_says_where_it_began_and_keeps_the_best_epoch() -> None:
    of = plan(epochs=3, optimizer="sgd", dropout=0.0)
    net = network(of)
    kept: list[dict[str, torch.Tensor]] = []

    def spoil(progress: Progress) -> None:
        if progress.done == 2:
            kept.append({n: t.clone() for n, t in net.state_dict().items()})
            with torch.no_grad():
                net.backbone.blocks[1][0].weight.fill_(1e38)

    with pytest.raises(DivergedError) as caught:
        run(of, network=net, watch=spoil)
    fault = caught.value
    assert (fault.epoch, fault.step) == (3, 11)
    assert fault.origin is not None
    assert fault.origin.layer == "backbone.blocks.1.0"
    assert fault.origin.part == "output"
    assert "backbone.blocks.1.0" in fault.sentence
    assert fault.history is not None
    assert len(fault.history.epochs) == 2
    assert fault.state is not None
    assert all(torch.equal(t, net.state_dict()[n]) for n, t in fault.state.items())
    if fault.history.kept_epoch == 2:
        assert all(torch.equal(t, kept[0][n]) for n, t in fault.state.items())


def test_a_training_that_diverges_at_once_has_nothing_to_keep() -> None:
    with pytest.raises(DivergedError) as caught:
        run(plan(learning_rate=1e30, dropout=0.0))
    assert caught.value.state is None
    assert caught.value.history is not None
    assert caught.value.history.epochs == ()


def test_the_average_of_the_weights_is_judged_and_the_better_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = plan(ema=0.5, epochs=2)
    net = network(of)
    looks = iter([(0.5, 0.5), (0.4, 0.7), (0.4, 0.6), (0.5, 0.5)])
    monkeypatch.setattr(loop, "evaluate_network", lambda *_: next(looks))
    found = run(of, network=net)
    assert [e.averaged for e in found.history.epochs] == [True, False]
    assert [e.val_accuracy for e in found.history.epochs] == [0.7, 0.6]
    assert found.history.kept_epoch == 1
    monkeypatch.undo()
    plain = run(plan(epochs=2))
    assert timeless(plain)[0][:5] == timeless(found)[0][:5]  # It changes no step.


def test_a_training_with_an_average_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    of = plan(ema=0.9, learning_rate=0.1)
    unbroken = run(of)
    assert any(e.averaged for e in unbroken.history.epochs)
    with pytest.raises(Stop):
        run(of, checkpoint_dir=tmp_path, watch=stop_after(2))
    assert same(unbroken, run(of, checkpoint_dir=tmp_path))


def test_a_training_goes_on_though_its_reasons_read_differently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    of = plan()
    with pytest.raises(Stop):
        run(of, checkpoint_dir=tmp_path, watch=stop_after(2))
    reworded = replace(
        of, optimizer=replace(of.optimizer, why=say("other.words", "in other words"))
    )
    seen: list[Progress] = []
    assert same(run(of), run(reworded, checkpoint_dir=tmp_path, watch=seen.append))
    assert seen[0].done > 1  # the epochs before are not trained again


def test_the_mean_of_good_epochs_is_tried_and_kept_where_it_is_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = plan(average="epochs", epochs=3)
    net, seen = network(of), []
    # Epoch 1; epoch 2 and its mean with epoch 1, better; epoch 3 and its mean with both, worse.
    looks = iter([(0.5, 0.5), (0.5, 0.6), (0.4, 0.7), (0.4, 0.6), (0.4, 0.5)])

    def look(learner: nn.Module, *_: object) -> tuple[float, float]:
        seen.append({n: t.detach().clone() for n, t in learner.state_dict().items()})
        return next(looks)

    monkeypatch.setattr(loop, "evaluate_network", look)
    found = run(of, network=net)
    assert [e.averaged for e in found.history.epochs] == [False, True, False]
    assert [e.val_accuracy for e in found.history.epochs] == [0.5, 0.7, 0.6]
    assert found.history.kept_epoch == 2
    name = "head.weight"
    assert torch.allclose(found.state[name], (seen[0][name] + seen[1][name]) / 2)
    assert torch.allclose(seen[4][name], (seen[0][name] + seen[1][name] + seen[3][name]) / 3)
    monkeypatch.undo()
    plain = run(plan(epochs=3))
    assert timeless(plain)[0][:5] == timeless(found)[0][:5]  # It changes no step.


def test_a_training_with_the_mean_of_epochs_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    of = plan(average="epochs", learning_rate=0.2, schedule="constant", epochs=6)
    unbroken = run(of)
    assert any(e.averaged for e in unbroken.history.epochs)
    with pytest.raises(Stop):
        run(of, checkpoint_dir=tmp_path, watch=stop_after(2))
    assert same(unbroken, run(of, checkpoint_dir=tmp_path))


def test_gradual_unfreezing_lets_the_head_learn_first_and_deeper_layers_later() -> None:
    of = plan(strategy="deep", unfreeze="gradual", epochs=4, learning_rate=0.1)
    net = network(of)
    nn.init.normal_(net.head.weight, generator=torch.Generator().manual_seed(0))
    groups, moved = net.depth_groups(), []
    learn = [any(p.requires_grad for p in group) for group in groups]
    last = [[p.detach().clone() for p in group] for group in groups]

    def look(_: Progress) -> None:
        nonlocal last
        now = [[p.detach().clone() for p in group] for group in groups]
        moved.append(
            [
                any(not torch.equal(a, b) for a, b in zip(old, new, strict=True))
                for old, new in zip(last, now, strict=True)
            ]
        )
        last = now

    run(of, network=net, watch=look)
    assert moved[0] == [False, False, False, False, True]
    assert moved[1] == [False, False, True, True, True]
    assert moved[2] == learn


def test_a_training_with_gradual_unfreezing_and_l2_sp_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    of = plan(strategy="deep", unfreeze="gradual", l2_sp=0.5, optimizer="adamw")
    unbroken = run(of)
    with pytest.raises(Stop):
        run(of, checkpoint_dir=tmp_path, watch=stop_after(2))
    assert same(unbroken, run(of, checkpoint_dir=tmp_path))
    other = run(plan(strategy="deep", unfreeze="gradual", optimizer="adamw"))
    assert not same(unbroken, other)
