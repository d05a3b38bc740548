"""A network trained for its plan: its preprocessing is fitted to training images and kept."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.learn.made_context import whole_context
from tests.train import made_training

from striate.config.overrides import PREPROCESSING
from striate.errors import MachineError
from striate.learn.context import FitContext
from striate.learn.finetune.train_plan import initial_network, model_spec_of, train_plan
from striate.predict.classifier import Classifier, load_classifier, save_classifier
from striate.values import Cache, Evidence, Index, TrainingOptions

CACHE, LABELS = made_training.stripes(60)
TRAIN, VAL = np.arange(45), np.arange(45, 60)


class _Index(Index):
    def labels(self) -> Any:
        return LABELS


def job(folder: Path, cache: Cache = CACHE) -> FitContext:
    index = _Index(root="", name="", kind="", classes=made_training.CLASSES, examples=())
    return whole_context(
        index=index,
        cache=cache,
        train=TRAIN,
        val=VAL,
        groups=np.arange(60),
        feature_rows=np.arange(60),
        options=TrainingOptions(),
        machine=made_training.MACHINE,
        given_plan=None,
        checkpoints=folder,
        keep=lambda name, make, codec=None, **_: make(),
        publish=lambda name, value: None,
        minutes=1.0,
        seconds_left=lambda: 1e6,
        judge_images=0,
        usable=lambda classifier: None,
        watch=lambda progress: None,
    )


def trained(folder: Path, kind: str, cache: Cache = CACHE) -> Classifier:
    evidence: Any = Evidence(
        probes=(),
        best_probe="",
        trials=(),
        speeds={"scratch": 1e6},
        images_per_class=(15, 15, 15),
        majority=0.3,
        image_size=16,
        channels=1,
        net="",
        input_size=0,
        val_images=15,
        classes=made_training.CLASSES,
    )
    plan = made_training.plan(preprocess=kind, epochs=1, augment={}, whiten_eps=0.01)
    return train_plan(job(folder, cache), plan, None, evidence)[0]


@pytest.mark.parametrize("kind", ["centre", "pixel-normalise", "zca"])
def test_a_saved_model_answers_as_before_to_the_bit(kind: str, tmp_path: Path) -> None:
    classifier = trained(tmp_path, kind)
    save_classifier(classifier, tmp_path / "model")
    again = load_classifier(tmp_path / "model")
    assert again.spec.preprocess == classifier.spec.preprocess
    assert again.spec.preprocess.kind == kind
    before, after = (c.probabilities(CACHE.images) for c in (classifier, again))
    assert np.array_equal(before, after)
    assert np.isfinite(before).all()


def test_a_full_disk_names_the_file_and_leaves_the_model_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = trained(tmp_path, "centre")
    save_classifier(classifier, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match=r"weights\.safetensors could not be written"):
        save_classifier(classifier, tmp_path / "model")
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


@pytest.mark.parametrize("kind", PREPROCESSING)
def test_images_to_judge_by_change_nothing_that_is_fitted(kind: str, tmp_path: Path) -> None:
    """Two jobs that differ in all images but those to train on start from the same network."""
    images = CACHE.images.copy()
    images[VAL] = 255 - images[VAL]
    plan = made_training.plan(preprocess=kind)
    found = []
    for cache in (CACHE, replace(CACHE, images=images)):
        here = job(tmp_path, cache)
        spec = model_spec_of(here, plan)
        found.append((spec, initial_network(here, plan, spec, None).state_dict()))
    (one, weights), (other, others) = found
    assert one == other
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_the_network_sees_what_was_asked_for(tmp_path: Path) -> None:
    pixels = CACHE.images[TRAIN] / 255
    here, means = job(tmp_path), {}
    for kind in PREPROCESSING:
        spec = model_spec_of(here, made_training.plan(preprocess=kind))
        means[kind] = spec.mean[0], spec.std[0]
    assert means["scale"] == means["zca"] == means["pixel-centre"] == (0.0, 1.0)
    assert means["centre"] == pytest.approx((pixels.mean(), 1.0))
    assert means["normalise"] == pytest.approx((pixels.mean(), pixels.std()))


def test_whitening_keeps_no_more_than_the_images_span(tmp_path: Path) -> None:
    plan = made_training.plan(preprocess="zca", whiten_components=1000)
    assert model_spec_of(job(tmp_path), plan).preprocess.components == len(TRAIN) - 1
    plan = made_training.plan(preprocess="pca", whiten_components=7)
    assert model_spec_of(job(tmp_path), plan).preprocess.components == 7


def test_a_model_of_two_views_answers_a_mirrored_image_as_the_image(tmp_path: Path) -> None:
    turned = CACHE.images[:, :, ::-1].copy()
    for views in (1, 2):
        plan = made_training.plan(views=views)
        spec = model_spec_of(job(tmp_path), plan)
        network = initial_network(job(tmp_path), plan, spec, None)
        torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(0))
        classifier = Classifier(spec=spec, network=network.eval())
        here, there = (classifier.logits(images) for images in (CACHE.images, turned))
        assert np.allclose(here, there, atol=1e-4) is (views == 2)


def test_old_models_are_normalised_by_channel(tmp_path: Path) -> None:
    """A specification from before there was a choice has no word of it."""
    classifier = trained(tmp_path, "normalise")
    assert not [name for name in classifier.network.state_dict() if "preprocess" in name]
