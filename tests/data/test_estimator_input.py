"""X as Python code gives it: lists of pictures, arrays of all, rows of numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image

from striate.data.estimator_input import find_pixel_range, list_pictures, reshape_rows
from striate.errors import UsageError

PATHS = ["a.png", "b.png"]
GREY = np.zeros((2, 4, 5), np.uint8)


@pytest.mark.parametrize(
    "X",
    [
        PATHS,
        tuple(PATHS),
        np.array(PATHS),
        np.array(PATHS, object),
        np.array(PATHS)[:, None],
        pd.Series(PATHS),
        pd.DataFrame({"path": PATHS}),
    ],
    ids=["list", "tuple", "array", "objects", "column", "series", "frame"],
)
def test_paths_in_any_container(X: Any) -> None:
    assert list(list_pictures(X, "it")) == PATHS


@pytest.mark.parametrize(
    "X", [GREY, GREY.tolist(), list(GREY), np.zeros((2, 4, 5, 3)), [Image.new("L", (5, 4))] * 2]
)
def test_pictures_one_by_one(X: Any) -> None:
    pictures = list_pictures(X, "it")
    assert len(pictures) == 2
    assert np.asarray(pictures[0]).shape[:2] == (4, 5)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ("a.png", "a single str"),
        (Path("a.png"), "not a list"),
        (Image.new("L", (2, 2)), "a single Image"),
        ([], "0 sample"),
        (np.zeros((0, 4, 5)), "0 sample"),
        (np.zeros((3, 16)), "image_shape"),
        (np.zeros((2, 3, 8, 8, 3)), r"\(2, 3, 8, 8, 3\), which is not a batch of images"),
        (np.full((2, 4, 4), np.nan), "NaN"),
        (np.zeros((2, 4, 4), complex), "[Cc]omplex"),
        (np.full((2, 4, 4), 16.0), r"must be in \[0, 1\]"),
        (np.array([["a.png", "b.png"]]), "dtype"),
    ],
)
def test_what_is_no_set_of_images_is_refused(X: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list_pictures(X, "it")


def test_sparse_rows_are_refused_in_scikit_learns_words() -> None:
    with pytest.raises(TypeError, match="Sparse data"):
        list_pictures(scipy.sparse.csr_array(np.eye(3)), "it")


def test_the_range_of_rows() -> None:
    assert find_pixel_range(np.array([[3, 200]], np.uint8)) == (0, 255)
    assert find_pixel_range(np.array([[0.25, 0.75]])) == (0, 1)
    assert find_pixel_range(np.array([[0.0, 16.0]])) == (0, 16)
    assert find_pixel_range(np.array([[-2, 6]])) == (-2, 6)


def test_rows_become_pictures_of_256_levels() -> None:
    rows = np.array([[0.0, 4.0, 8.0, 16.0, 20.0, -1.0]])
    (picture,) = reshape_rows(rows, (0.0, 16.0), (2, -1))
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[0, 64, 128], [255, 255, 0]]


def test_bytes_stay_as_they_are() -> None:
    rows = np.arange(12, dtype=np.uint8)[None]
    (picture,) = reshape_rows(rows, find_pixel_range(rows), (2, 2, 3))
    assert picture.ravel().tolist() == list(range(12))


def test_a_constant_is_black() -> None:
    rows = np.full((2, 4), 7.0)
    assert not np.any(reshape_rows(rows, find_pixel_range(rows), (2, 2)))


@pytest.mark.parametrize(
    "shape", [(3, 3), (8,), 8, "2x4", (2.0, 4.0), (2, 2, 2), (-1, -1), (2, 2, 1, 1)]
)
def test_a_shape_that_does_not_fit_is_refused(shape: Any) -> None:
    with pytest.raises(UsageError, match="image_shape"):
        reshape_rows(np.zeros((1, 8)), (0.0, 1.0), shape)
