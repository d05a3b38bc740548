"""The exact head on tuned features, how far the tuning is followed, and where neither is done."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests import made
from tests.learn.made_context import some_context
from tests.train.made_training import CLASSES, MACHINE, MEAN, STD, network, plan, stripes

from striate.config.overrides import parse_overrides
from striate.learn.context import FitResult
from striate.learn.finetune.train_plan import predict_rows
from striate.learn.finetune.weight_interpolation import interpolate_backbone, interpolate_weights
from striate.metrics.intervals import log_loss
from striate.predict.classifier import Classifier
from striate.train.head import Network
from striate.values import Choice, ModelSpec, Plan, TrainingOptions, say

CACHE, LABELS = stripes(180)
TRAIN, VAL = np.arange(120), np.arange(120, 180)


def job(**changes: Any) -> Any:
    values: dict[str, Any] = {
        "index": SimpleNamespace(task="label"),
        "cache": CACHE,
        "labels": LABELS,
        "groups": np.arange(len(LABELS)),
        "train": TRAIN,
        "val": VAL,
        "machine": MACHINE,
        "options": TrainingOptions(),
        "given_plan": None,
        "watch": lambda progress: None,
        **changes,
    }
    return some_context(**values)


def learned(net: Network, of: Plan, given: Any) -> FitResult:
    evidence = made.values(classes=3).evidence
    assert evidence is not None
    spec = ModelSpec(
        net=of.net.value,
        settings=of.settings.value,
        classes=CLASSES,
        channels=1,
        input_size=16,
        cache_size=16,
        resize="squash",
        mean=MEAN,
        std=STD,
        taps=of.taps.value,
        batch_size=16,
    )
    model = Classifier(spec=spec, network=net.eval())
    found = predict_rows(given, model, given.val) if len(given.val) else None
    return FitResult(
        classifier=model, plan=of, evidence=evidence, history=None, val_probabilities=found
    )


def lazy(**changes: Any) -> tuple[Network, Plan]:
    """A network whose features tell the classes apart, under a head that has learnt nothing."""
    of = plan(strategy="deep", **changes)
    net = network(of)
    generator = torch.Generator().manual_seed(0)
    for parameter in net.backbone.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter, generator=generator)
    return net, of


def right(found: FitResult) -> int:
    assert found.val_probabilities is not None
    return int((found.val_probabilities.argmax(axis=1) == LABELS[VAL]).sum())


def test_a_head_that_learnt_nothing_gives_way_to_the_exact_one() -> None:
    given = job()
    net, of = lazy()
    before = learned(net, of, given)
    found = interpolate_weights(given, before)
    assert right(before) < 30 < 45 < right(found)
    assert (found.plan.head.value, found.plan.head.ground) == ("exact", "measured")
    assert found.plan.alpha.value > 0
    said = found.plan.because[-1]
    assert said.code == "refit.kept"
    assert str(right(found)) in said.text
    how = found.classifier.spec.calibration
    assert how is not None
    assert how.why is not None
    assert how.why.figures["n"] == len(VAL)


def test_a_head_that_is_plainly_better_stays() -> None:
    given = job()
    net, of = lazy()
    with torch.no_grad():
        for parameter in net.backbone.parameters():
            parameter.zero_()
    whole = Choice(value=1.0, why=say("plan.set", "you asked for it"), ground="asked")
    before = learned(net, replace(of, interpolation=whole), given)
    sure = np.eye(3, dtype=np.float32)[LABELS[VAL]]
    before = replace(before, val_probabilities=sure)
    found = interpolate_weights(given, before)
    assert found.classifier is before.classifier
    assert found.plan.head.value == "steps"
    assert found.plan.because[-1].code == "refit.not_kept"


def test_the_delivered_head_learnt_from_the_images_that_judged_the_one_before() -> None:
    given = job()
    net, of = lazy()
    found = interpolate_weights(given, learned(net, of, given))
    assert found.val_probabilities is not None
    knowing = log_loss(predict_rows(given, found.classifier, VAL), LABELS[VAL])
    assert knowing < log_loss(found.val_probabilities, LABELS[VAL])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_backbone_goes_as_far_as_was_asked(share: float) -> None:
    given = job()
    net, of = lazy()
    tuned = net.backbone.state_dict()
    first = {name: v + 1 if v.is_floating_point() else v for name, v in tuned.items()}
    between = interpolate_backbone(net, first, share).backbone.state_dict()
    for name, value in tuned.items():
        due = value + 1 - share if value.is_floating_point() else value
        assert torch.allclose(between[name], due, atol=1e-5)
    asked = Choice(value=share, why=say("plan.set", "you asked for it"), ground="asked")
    found = interpolate_weights(given, learned(net, replace(of, interpolation=asked), given))
    assert found.plan.interpolation == asked


def test_tuning_that_spoilt_the_features_is_followed_half_the_way() -> None:
    given = job()
    net, of = lazy()
    with torch.no_grad():
        for parameter in net.backbone.parameters():
            parameter.mul_(1e-9)
    found = interpolate_weights(given, learned(net, of, given))
    assert found.plan.interpolation.value == 0.5
    assert found.plan.interpolation.ground == "measured"


def test_the_plan_that_comes_of_it_gives_the_same_answers_again() -> None:
    given = job()
    net, of = lazy()
    found = interpolate_weights(given, learned(net, of, given))
    repeated = job(given_plan=found.plan)
    again = interpolate_weights(repeated, learned(net, found.plan, repeated))
    assert again.plan.alpha == found.plan.alpha
    assert again.plan.interpolation == found.plan.interpolation
    assert again.val_probabilities is not None
    assert found.val_probabilities is not None
    assert np.allclose(again.val_probabilities, found.val_probabilities)


def test_images_of_one_group_are_one_witness() -> None:
    given = job(groups=np.where(np.isin(np.arange(len(LABELS)), VAL), -1, np.arange(len(LABELS))))
    net, of = lazy()
    before = learned(net, of, given)
    sure = replace(before, val_probabilities=np.eye(3, dtype=np.float32)[LABELS[VAL]])
    # One witness for the head as it was tuned is no proof.
    assert interpolate_weights(given, sure).plan.head.value == "exact"


@pytest.mark.parametrize("asked", ["steps", "exact"])
def test_a_wish_is_carried_out_without_weighing(asked: str) -> None:
    given = job(options=TrainingOptions(overrides=parse_overrides(f"head={asked}")))
    net, of = lazy()
    choice = Choice(value=asked, why=say("plan.set", "you asked for it"), ground="asked")
    exact = interpolate_weights(job(), learned(net, of, job())).classifier.network
    start = exact if asked == "exact" else net
    found = interpolate_weights(given, learned(start, replace(of, head=choice), given))
    assert found.plan.head == choice
    assert (found.classifier.network is start) == (asked == "steps")


def test_nothing_is_weighed_from_scratch_nor_without_validation_images() -> None:
    net, of = lazy()
    scratch = replace(of, strategy=replace(of.strategy, value="scratch"))
    before = learned(net, scratch, job())
    assert interpolate_weights(job(), before) is before
    blind = job(val=VAL[:0])
    before = learned(net, of, blind)
    assert interpolate_weights(blind, before) is before
