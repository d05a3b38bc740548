"""A linear model's probabilities are calibrated by the images that each solution left out."""

from typing import Any

import numpy as np
import pytest

from striate.estimator import ImageClassifier
from striate.learn.linear import class_fit
from striate.metrics.probability_calibration import calibrate_scores
from striate.values import Calibration


def stripes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures N x 12 x 12 with stripes that lie or stand, and the word for which."""
    generator = np.random.default_rng(seed)
    standing = np.arange(n) % 2 == 1
    waves = np.sin(np.arange(12) * 1.5 + generator.uniform(0, 6, (n, 1)))[:, None, :]
    pictures = np.where(standing[:, None, None], waves, waves.transpose(0, 2, 1))
    noisy = 128 + 60 * pictures + generator.normal(0, 15, (n, 12, 12))
    return noisy.clip(0, 255).astype(np.uint8), np.where(standing, "stands", "lies")


def test_what_left_out_images_prefer_is_delivered_with_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = Calibration(sure=1.5, unsure=0.8, slope=1.1, intercept=-0.1)
    asked: list[Any] = []

    def choose(scores: Any, labels: Any, groups: Any, temperature: float, seed: int) -> Calibration:
        asked.append((scores, labels, groups, temperature))
        return how

    monkeypatch.setattr(class_fit, "choose_calibration", choose)
    images, labels = stripes(60)
    model = ImageClassifier(minutes=0.5, strategy="linear").fit(images, labels)
    scores, truth, groups, temperature = asked[-1]
    assert len(scores) == len(truth) == len(groups) == len(images)
    spec = model.classifier_.spec
    assert (spec.calibration, spec.temperature) == (how, temperature)
    some, _ = stripes(5, seed=1)
    logits = model.classifier_.logits(some[..., None])
    expected = calibrate_scores(logits, temperature, how)
    np.testing.assert_allclose(model.predict_proba(some), expected, atol=1e-5)
    assert (expected.argmax(axis=1) == logits.argmax(axis=1)).all()
