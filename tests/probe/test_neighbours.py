"""The nearest image and the nearest class mean: by hand, and with a copy that must not vouch."""

import numpy as np

from striate.probe import similarity
from striate.probe.similarity import class_mean_hits, nearest_neighbour_hits


def clouds(n: int = 60, apart: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    return (rng.normal(0, 1, (n, 8)) + apart * np.eye(3, 8)[labels]).astype(np.float32), labels


def test_classes_that_lie_apart_are_found_and_noise_is_not() -> None:
    features, labels = clouds()
    assert nearest_neighbour_hits(features, labels).mean() > 0.95
    assert class_mean_hits(features, labels, 3).mean() > 0.95
    shuffled = np.random.default_rng(1).permutation(labels)
    assert nearest_neighbour_hits(features, shuffled).mean() < 0.6
    assert class_mean_hits(features, shuffled, 3).mean() < 0.6


def test_a_copy_does_not_vouch_for_its_image() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (40, 30)).astype(np.float32)
    features, labels = np.concatenate([noise, noise]), np.tile(np.arange(40) % 4, 2)
    groups = np.tile(np.arange(40), 2)
    assert nearest_neighbour_hits(features, labels).all()
    assert nearest_neighbour_hits(features, labels, groups).mean() < 0.6
    assert (
        class_mean_hits(features, labels, 4, groups).mean()
        < class_mean_hits(features, labels, 4).mean()
    )


def test_a_class_of_one_group_has_no_mean_without_it() -> None:
    features, labels = clouds(9)
    groups = np.where(labels == 2, 100, np.arange(9))
    found = class_mean_hits(features, labels, 3, groups)
    assert not found[labels == 2].any()
    assert not nearest_neighbour_hits(features, labels, np.zeros(9, np.int64)).any()


def test_of_many_images_some_are_asked(monkeypatch) -> None:
    monkeypatch.setattr(similarity, "MOST", 20)
    features, labels = clouds()
    assert len(nearest_neighbour_hits(features, labels)) == 20
