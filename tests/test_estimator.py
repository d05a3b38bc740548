"""`ImageClassifier` keeps scikit-learn's contract, on rows, arrays, PIL images and paths."""

import copy
import functools
import os
import pickle
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
import torch
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.made import made_machine

import striate
from striate import estimator
from striate.data.cache_folder import CacheWriter
from striate.errors import MachineError, SourceError, SourceMissingError, UsageError
from striate.estimator import ImageClassifier
from striate.learn.context import FitContext
from striate.train.fast.machine import measure_machine
from striate.values import Machine

SIZE = 12

# check -> why it cannot hold; there is none.
EXPECTED_FAILED_CHECKS: dict[str, str] = {}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Pictures of a few pixels are no work to share out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@parametrize_with_checks(
    [ImageClassifier(minutes=0.5, strategy="linear", image_shape=(1, -1))],
    expected_failed_checks=lambda _: EXPECTED_FAILED_CHECKS,
)
def test_scikit_learns_own_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def linear(**parameters: Any) -> ImageClassifier:
    return ImageClassifier(minutes=0.5, strategy="linear", **parameters)


def stripes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures N x 12 x 12 with stripes that lie or stand, and the word for which."""
    rng = np.random.default_rng(seed)
    standing = np.arange(n) % 2 == 1
    waves = np.sin(np.arange(SIZE) * 1.5 + rng.uniform(0, 6, (n, 1)))[:, None, :]
    pictures = np.where(standing[:, None, None], waves, waves.transpose(0, 2, 1))
    noisy = 128 + 60 * pictures + rng.normal(0, 15, (n, SIZE, SIZE))
    return noisy.clip(0, 255).astype(np.uint8), np.where(standing, "stands", "lies")


def saved(images: np.ndarray, folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)
    return paths


@functools.cache
def fitted_once() -> ImageClassifier:
    return linear().fit(*stripes(30))


@pytest.fixture
def fitted() -> ImageClassifier:
    """A classifier that all tests share, made in the first of them: not before its cache folder."""
    return fitted_once()


def test_it_learns(fitted: ImageClassifier) -> None:
    images, labels = stripes(20, seed=1)
    assert fitted.classes_.tolist() == ["lies", "stands"]
    assert fitted.score(images, labels) >= 0.9
    probabilities = fitted.predict_proba(images)
    assert probabilities.shape == (20, 2)
    assert probabilities.dtype == np.float32
    assert fitted.plan_.strategy.value == "linear"


def test_every_kind_of_images_is_the_same_images(fitted: ImageClassifier, tmp_path: Path) -> None:
    images, _ = stripes(6, seed=1)
    paths = saved(images, tmp_path)
    expected = fitted.predict_proba(images)
    kinds: list[Any] = [
        paths,
        [str(path) for path in paths],
        np.array([str(path) for path in paths])[:, None],
        [Image.fromarray(image) for image in images],
        list(images),
        images[..., None],
        np.repeat(images[..., None], 3, axis=3),
        images / 255,
        [paths[0], Image.fromarray(images[1]), *images[2:]],
    ]
    for kind in kinds:
        np.testing.assert_array_equal(fitted.predict_proba(kind), expected)


def test_it_learns_the_same_from_every_kind(fitted: ImageClassifier, tmp_path: Path) -> None:
    images, labels = stripes(30)
    by_path = linear().fit(saved(images, tmp_path), labels)
    expected = fitted.predict_proba(images)
    np.testing.assert_allclose(by_path.predict_proba(images), expected, atol=1e-5)


def test_the_order_of_the_images_changes_nothing(fitted: ImageClassifier) -> None:
    images, labels = stripes(30)
    order = np.random.default_rng(3).permutation(30)
    other = linear().fit(images[order], labels[order])
    np.testing.assert_array_equal(other.predict_proba(images), fitted.predict_proba(images))


def test_equal_images_are_predicted_equally(fitted: ImageClassifier) -> None:
    images, _ = stripes(3, seed=1)
    many = np.concatenate([images, *[images[:1]] * 40])
    for found in (fitted.predict_proba(many), fitted.transform(many)):
        assert (found[3:] == found[0]).all()
    np.testing.assert_array_equal(fitted.predict_proba(images[2:]), fitted.predict_proba(many)[2:3])


@pytest.mark.parametrize(
    "names",
    [["lies", "stands"], ["10", "9"], [10, 9], [True, False], ["猫", "Hund"]],
)
def test_labels_of_any_kind_come_back(names: list[Any]) -> None:
    images, words = stripes(16)
    labels = np.array([names[word == "stands"] for word in words])
    model = linear().fit(images, labels.tolist())
    assert model.classes_.tolist() == sorted(names)
    assert model.predict(images).dtype == labels.dtype
    assert (model.predict(images) == labels).all()


def test_a_class_of_one_image_is_learnt() -> None:
    images, labels = stripes(9)
    labels[-1] = "alone"
    assert "alone" in linear().fit(images, labels).classes_


def test_features_are_what_the_last_layer_sees(fitted: ImageClassifier) -> None:
    images, _ = stripes(5, seed=1)
    network = fitted.classifier_.network
    features = fitted.transform(images)
    assert features.shape == (5, len(fitted.get_feature_names_out()))
    with torch.no_grad():
        logits = network.classify(torch.from_numpy(features))
    found = torch.softmax(logits / fitted.classifier_.spec.temperature, dim=1).numpy()
    np.testing.assert_allclose(found, fitted.predict_proba(images), atol=1e-5)


def test_a_copy_predicts_the_same(fitted: ImageClassifier, tmp_path: Path) -> None:
    images, _ = stripes(5, seed=1)
    expected = fitted.predict_proba(images)
    joblib.dump(fitted, tmp_path / "model")
    copies = (
        pickle.loads(pickle.dumps(fitted)),
        joblib.load(tmp_path / "model"),
        copy.deepcopy(fitted),
    )
    for other in copies:
        np.testing.assert_array_equal(other.predict_proba(images), expected)
        assert other.plan_ == fitted.plan_
    assert not hasattr(clone(fitted), "classifier_")
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_fit_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> list[Any]:
        return [
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_rng_state().tolist(),
            np.random.get_state(legacy=False),
            random.getstate(),
            Image.MAX_IMAGE_PIXELS,
        ]

    def drawing(device: str) -> Machine:
        torch.rand(1)
        return measure_machine(device)

    fitted_once()  # the machine is measured by now
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(estimator, "measure_machine", drawing)
    monkeypatch.chdir(tmp_path / "here")
    cache = Path(os.environ["STRIATE_CACHE"])
    before = repr(state()), sorted(cache.rglob("*"))
    images, labels = stripes(10)
    linear().fit(images, labels).predict(images)
    assert (repr(state()), sorted(cache.rglob("*"))) == before
    assert not list((tmp_path / "temporary").iterdir())
    assert not list((tmp_path / "here").iterdir())


def test_fits_in_threads_take_turns() -> None:
    images, labels = stripes(10)
    expected = linear().fit(images, labels).predict_proba(images)
    found: dict[int, np.ndarray] = {}

    def fit(number: int) -> None:
        found[number] = linear().fit(images, labels).predict_proba(images)

    threads = [threading.Thread(target=fit, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all((each == expected).all() for each in found.values())
    assert not torch.are_deterministic_algorithms_enabled()


def test_cross_validation_on_paths(tmp_path: Path) -> None:
    images, labels = stripes(24)
    paths = [str(path) for path in saved(images, tmp_path)]
    scores = cross_val_score(linear(), paths, labels, cv=2, error_score="raise")
    assert scores.mean() >= 0.8


def test_groups_reach_the_splitter_and_the_fit() -> None:
    images, labels = stripes(16)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = linear().set_fit_request(groups=True)
        scores = cross_val_score(
            classifier,
            images,
            labels,
            cv=GroupKFold(2),
            params={"groups": np.arange(16) // 2},
            error_score="raise",
        )
    assert scores.shape == (2,)


def test_grid_search_on_pil_images() -> None:
    images, labels = stripes(16)
    pictures = [Image.fromarray(image) for image in images]
    search = GridSearchCV(linear(), {"strategy": ["linear", "layers"]}, cv=2, error_score="raise")
    search.fit(pictures, labels)
    assert search.best_estimator_.predict(pictures).shape == (16,)


def test_in_a_pipeline_at_its_end_and_as_features() -> None:
    images, labels = stripes(20)
    rows = images.reshape(20, -1).astype(float)
    whole = make_pipeline("passthrough", linear(image_shape=(SIZE, SIZE)))
    assert whole.fit(rows, labels).score(rows, labels) >= 0.9
    features = make_pipeline(linear(), LogisticRegression(C=0.01, max_iter=1000))
    assert features.fit(images, labels).score(images, labels) >= 0.9


def test_bagging_on_a_column_of_paths(tmp_path: Path) -> None:
    images, labels = stripes(12)
    column = np.array([str(path) for path in saved(images, tmp_path)])[:, None]
    bagged = BaggingClassifier(linear(), n_estimators=2, random_state=0).fit(column, labels)
    assert bagged.predict(column).shape == (12,)


def test_rows_of_digits() -> None:
    rows, labels = load_digits(return_X_y=True)
    model = linear(image_shape=(8, 8)).fit(rows[:120], labels[:120])
    assert model.n_features_in_ == 64
    assert model.pixel_range_ == (0, 16)
    assert model.score(rows[120:200], labels[120:200]) >= 0.8


def test_tags_are_true() -> None:
    assert is_classifier(linear())
    images, rows = get_tags(linear()).input_tags, get_tags(linear(image_shape=(8, 8))).input_tags
    assert (images.string, images.three_d_array, images.two_d_array) == (True, True, False)
    assert (rows.string, rows.three_d_array, rows.two_d_array) == (False, False, True)


def test_it_is_at_hand_without_torch_being_loaded_first() -> None:
    assert striate.ImageClassifier is ImageClassifier


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform"])
def test_before_fit(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(linear(), method)(stripes(2)[0])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"strategy": "linaer"}, "did you mean linear"),
        ({"minutes": 0.1}, "minutes"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": "x"}, "random_state"),
        ({"net": "efficientnet-lite1"}, "network"),
        ({"device": "gpu"}, "device"),
        ({"weights": "nowhere.pth"}, "does not exist"),
    ],
)
def test_wrong_parameters(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ImageClassifier(**{"strategy": "linear", **parameters}).fit(*stripes(4))


def test_labels_that_do_not_fit_the_images() -> None:
    images, labels = stripes(6)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        linear().fit(images, labels[:5])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        linear().fit(images, labels, groups=[1, 2])
    with pytest.raises(ValueError, match="only one class"):
        linear().fit(images, ["same"] * 6)
    with pytest.raises(ValueError, match="Unknown label type"):
        linear().fit(images, np.linspace(0, 1, 6))
    with pytest.raises(ValueError, match="requires y"):
        linear().fit(images, None)


def test_images_that_cannot_be_read_are_named(fitted: ImageClassifier, tmp_path: Path) -> None:
    paths: list[Path] = saved(stripes(4)[0], tmp_path)
    (tmp_path / "2.png").write_bytes(b"no picture")
    half = paths[3].read_bytes()[:60]
    paths[3].write_bytes(half)
    with pytest.raises(SourceError, match=r"2 of 4 .*2\.png|1 of 4 .*2\.png"):
        linear().fit(paths, ["a", "b", "a", "b"])
    with pytest.raises(SourceError, match=r"3\.png"):
        fitted.predict(paths[3:])
    with pytest.raises(SourceMissingError, match=r"9\.png"):
        fitted.predict([tmp_path / "9.png"])
    with pytest.raises(UsageError, match="is a folder"):
        fitted.predict([tmp_path])
    with pytest.raises(SourceError, match="cannot be read"):
        fitted.predict([np.full((4, 4), 3.0)])


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CacheWriter, row: int, image: np.ndarray) -> None:
        raise MachineError("The disk is full.", "Buy another.")

    monkeypatch.setattr(CacheWriter, "put", full)
    with pytest.raises(MachineError, match="TMPDIR"):
        linear().fit(*stripes(4))


class Stopped(Exception):
    """Thrown with the job in hand, before anything is learnt."""


@pytest.fixture
def job_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FitContext]:
    """The job that a fit would carry out."""

    def stop(job: FitContext) -> None:
        raise Stopped(job)

    monkeypatch.setattr(estimator, "fit_model", stop)

    def job(*given: Any, **parameters: Any) -> FitContext:
        with pytest.raises(Stopped) as stopped:
            ImageClassifier(minutes=0.5, **parameters).fit(*given)
        return stopped.value.args[0]

    return job


def test_some_are_held_back_to_choose_by_and_none_to_judge(
    job_of: Callable[..., FitContext],
) -> None:
    images, labels = stripes(500)
    job = job_of(images, labels)
    assert len(job.data.val) == 75
    assert np.bincount(job.data.labels[job.data.val]).tolist() in ([37, 38], [38, 37])
    assert sorted([*job.data.train, *job.data.val]) == list(range(500))
    order = np.random.default_rng(0).permutation(500)
    again = job_of(images[order], labels[order])
    assert again.data.val.tolist() == job.data.val.tolist()
    assert (np.asarray(again.data.cache.images) == job.data.cache.images).all()
    assert job_of(images, labels, random_state=1).data.val.tolist() != job.data.val.tolist()


def test_none_are_held_back_where_they_are_few_or_nothing_asks(
    job_of: Callable[..., FitContext],
) -> None:
    assert not len(job_of(*stripes(100)).data.val)
    assert not len(job_of(*stripes(500), strategy="linear").data.val)


def test_groups_stay_on_one_side(job_of: Callable[..., FitContext]) -> None:
    images, labels = stripes(500)
    owners = np.arange(500) // 5
    job = job_of(images, labels, owners)
    assert len(job.data.val) >= 60
    assert not set(job.data.groups[job.data.val]) & set(job.data.groups[job.data.train])
    assert len(set(job.data.groups)) <= 100


def test_a_seed_may_be_an_int_a_generator_or_none(job_of: Callable[..., FitContext]) -> None:
    data = stripes(6)
    assert job_of(*data, random_state=np.int64(7)).options.seed == 7
    drawn = [job_of(*data, random_state=np.random.RandomState(5)).options.seed for _ in "ab"]
    assert drawn[0] == drawn[1]
    np.random.seed(1)
    first = job_of(*data, random_state=None).options.seed
    assert job_of(*data, random_state=None).options.seed != first


def test_the_threads_are_the_callers(
    job_of: Callable[..., FitContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = made_machine()
    monkeypatch.setattr(estimator, "measure_machine", lambda device: replace(machine, threads=64))
    assert job_of(*stripes(6)).machine.threads == torch.get_num_threads()


def test_verbose_shows_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    linear(verbose=True).fit(*stripes(6))
    shown = capsys.readouterr()
    assert shown.err
    assert not shown.out


@pytest.mark.slow
def test_auto_trains_within_its_minutes() -> None:
    rows, labels = load_digits(return_X_y=True)
    model = ImageClassifier(minutes=0.5, image_shape=(8, 8)).fit(rows[:1200], labels[:1200])
    assert model.score(rows[1200:], labels[1200:]) >= 0.93
    same = pickle.loads(pickle.dumps(model))
    assert (same.predict_proba(rows[1200:]) == model.predict_proba(rows[1200:])).all()
