"""An evaluation counts what the model has not seen, class by class."""

from dataclasses import replace

import numpy as np
import pytest

from striate.command.evaluation_output import evaluation_lines
from striate.errors import SourceError
from striate.metrics.score import score_predictions
from striate.predict.evaluation import evaluate_predictions
from striate.values import Example, Index, Predictions, Task

CLASSES = ("a", "b", "c")


def index(labels: str, **facts: str) -> Index:
    examples = tuple(
        Example(path=f"{label}/{n}.png", label=label, bytes_hash=f"b{n}", pixels_hash=f"p{n}")
        for n, label in enumerate(labels)
    )
    classes = tuple(sorted(set(labels)))
    return Index(root="more", name="more", kind="folder", classes=classes, examples=examples)


def predictions(given: Index, said: str) -> Predictions:
    probabilities = np.full((len(said), 3), 0.1, np.float32)
    probabilities[np.arange(len(said)), [CLASSES.index(each) for each in said]] = 0.8
    return Predictions(
        classes=CLASSES,
        paths=tuple(example.path for example in given.examples),
        probabilities=probabilities,
        truth=np.array([CLASSES.index(example.label) for example in given.examples], np.int64),
    )


def test_classes_and_confusion_are_counted() -> None:
    given = index("aaab")
    found = evaluate_predictions(predictions(given, "aabb"), given)
    assert found.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found.score is not None
    assert (found.score.value, found.score.n) == (0.75, 4)
    a, b, c = found.classes
    assert a.recall is not None
    assert b.precision is not None
    assert (a.images, a.recall.value, b.precision.value) == (3, 2 / 3, 0.5)
    assert (c.images, c.recall, c.precision) == (0, None, None)


@pytest.mark.parametrize("mark", ["bytes_hash", "pixels_hash"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_images_that_were_trained_or_chosen_on_do_not_count(mark: str, split: str) -> None:
    given = index("aaab")
    seen = Example(path="x.png", label="a", split=split, **{mark: mark[0] + "2"})
    trained_on = replace(given, examples=(seen,))
    found = evaluate_predictions(predictions(given, "aabb"), given, trained_on)
    assert found.seen_in_training == 1
    assert found.score is not None
    assert (found.score.value, found.score.n) == (1.0, 3)
    assert found.score.with_leaked is not None
    assert found.score.with_leaked.value == 0.75


@pytest.mark.parametrize("facts", [{"split": "test"}, {"split": "train", "status": "set_aside"}])
def test_test_images_and_unused_ones_count(facts: dict[str, str]) -> None:
    given = index("ab")
    seen = Example(path="x.png", label="a", bytes_hash="b0", **facts)
    found = evaluate_predictions(predictions(given, "ab"), given, replace(given, examples=(seen,)))
    assert found.seen_in_training == 0


def test_nothing_left_to_judge_by_is_no_score() -> None:
    given = index("ab")
    trained_on = replace(
        given, examples=tuple(replace(example, split="train") for example in given.examples)
    )
    found = evaluate_predictions(predictions(given, "ab"), given, trained_on)
    assert found.score is None
    assert found.seen_in_training == 2


def test_an_unknown_class_is_named_and_does_not_count() -> None:
    given = index("ad")
    found = evaluate_predictions(predictions(index("aa"), "aa"), given)
    assert found.unknown_classes == (("d", 1),)
    assert found.score is not None
    assert found.score.n == 1
    with pytest.raises(SourceError, match=r"class d, e, as in more; its classes are a, b, c"):
        evaluate_predictions(predictions(index("aa"), "aa"), index("de"))


def test_several_copies_count_once() -> None:
    truth = np.array([0, 0, 0, 1, 1])
    sure = np.array([[0.1, 0.9]] * 3 + [[0.2, 0.8]] * 2, np.float32)
    predictions = Predictions(
        classes=("a", "b"), paths=tuple("vwxyz"), probabilities=sure, truth=truth
    )
    first = np.array([True, False, False, True, True])
    found = score_predictions(predictions, distinct=first)
    assert found is not None
    assert (found.n, found.value, found.with_leaked) == (3, pytest.approx(2 / 3), None)
    counted = np.array([True, True, True, True, False])
    found = score_predictions(predictions, distinct=first, counted=counted)
    assert found is not None
    assert found.n == 2
    assert found.with_leaked is not None
    assert found.with_leaked.n == 3
    examples = tuple(
        Example(path=path, label=label, pixels_hash=picture)
        for path, label, picture in (
            ("v", "a", "1"),
            ("w", "a", "1"),
            ("x", "b", "1"),
            ("y", "b", ""),
        )
    )
    index = Index(root="", name="", kind="memory", classes=("a", "b"), examples=examples)
    assert index.firsts(np.arange(4)).tolist() == [True, False, True, True]


def test_images_of_one_group_are_one_witness() -> None:
    given = index("a" * 40 + "b" * 40)
    named = tuple(replace(e, group=str(n // 10)) for n, e in enumerate(given.examples))
    said = "a" * 30 + "b" * 50
    alone = evaluate_predictions(predictions(given, said), given)
    together = evaluate_predictions(predictions(given, said), replace(given, examples=named))
    assert alone.score is not None
    assert together.score is not None
    assert (alone.groups, alone.score.method) == (0, "wilson")
    assert (together.groups, together.score.method) == (8, "cluster-bootstrap")
    assert together.score.value == alone.score.value == 0.875
    assert together.score.interval[0] < alone.score.interval[0]
    for one, other in zip(together.classes[:2], alone.classes[:2], strict=True):
        assert one.recall is not None
        assert other.recall is not None
        assert one.recall.low < other.recall.low
    assert any("8 groups" in line for line in evaluation_lines(together))
    assert any("No groups are known" in line for line in evaluation_lines(alone))


def test_copies_among_the_judging_images_count_once() -> None:
    given = index("aaab")
    copied = (*given.examples[:2], replace(given.examples[2], bytes_hash="b1", pixels_hash="p1"))
    given = replace(given, examples=(*copied, given.examples[3]))
    found = evaluate_predictions(predictions(given, "abbb"), given)
    assert found.score is not None
    assert (found.copies, found.score.n, found.score.value) == (1, 3, pytest.approx(2 / 3))
    assert found.confusion.sum() == 3
    assert found.classes[0].images == 2


@pytest.mark.parametrize("task", ["labels", "number"])
def test_cross_validation_widens_every_interval(task: Task) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((60, 2)) < 0.5
    sure = np.where(truth, 0.7, 0.3) + rng.normal(0, 0.25, truth.shape)
    many = task == "labels"
    given = Predictions(
        classes=("a", "b") if many else (),
        paths=tuple(map(str, range(60))),
        probabilities=sure.astype(np.float32) if many else np.zeros((60, 0), np.float32),
        truth=np.zeros(60, np.int64),
        task=task,
        thresholds=(0.5, 0.5) if many else (),
        numbers=sure[:, 0].astype(np.float32),
        targets=truth.astype(np.float64)[:, : 2 if many else 1],
    )
    alone, crossed = score_predictions(given), score_predictions(given, folds=5)
    assert alone is not None
    assert crossed is not None
    assert crossed.method == "crossed-bootstrap"
    assert crossed.value == alone.value
    assert crossed.interval[0] < alone.interval[0]
    assert crossed.interval[1] > alone.interval[1]
    for wide, narrow in zip(crossed.beside, alone.beside, strict=True):
        assert wide.high - wide.low > narrow.high - narrow.low
