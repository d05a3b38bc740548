"""Python: rows in, rows out. What is given is understood, or refused by name; nothing shifts."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import striate
from striate.errors import SourceError, StrictError, UsageError
from striate.run import Run


@pytest.fixture(scope="module")
def run(small_run: Path) -> Run:
    return striate.load(small_run)


def picture(colour: str, seed: int = 5) -> np.ndarray:
    """A picture 24 x 24 x 3 of one of the two colours, uint8."""
    pixels = np.random.default_rng(seed).integers(0, 100, (24, 24, 3), np.uint8)
    pixels[..., 1 if colour == "green" else 0] += 60
    return pixels


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


GREEN, RED = picture("green"), picture("red")
BOTH = np.stack([GREEN, RED])


def rewound_by_nobody() -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(GREEN).save(file, "png")
    return file


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (GREEN, "g"),
        (GREEN / 255, "g"),
        (BOTH, "gr"),
        (BOTH.transpose(0, 3, 1, 2), "gr"),
        (BOTH.tolist(), "gr"),
        (torch.from_numpy(GREEN), "g"),
        (torch.from_numpy(GREEN).permute(2, 0, 1) / 255, "g"),
        (torch.from_numpy(BOTH).permute(0, 3, 1, 2), "gr"),
        (torch.from_numpy(BOTH), "gr"),
        ((torch.from_numpy(BOTH) / 255).bfloat16(), "gr"),
        ([torch.from_numpy(GREEN).permute(2, 0, 1), RED, Image.fromarray(RED)], "grr"),
        (as_png(RED), "r"),
        (bytearray(as_png(RED)), "r"),
        ([as_png(RED), as_png(GREEN)], "rg"),
        (rewound_by_nobody(), "g"),
        (pd.Series([GREEN, as_png(RED)]), "gr"),
        (pd.DataFrame({"image": [GREEN, RED], "other": [1, 2]}), "gr"),
        (pd.DataFrame({"picture": [GREEN, RED]}), "gr"),
        ((each for each in BOTH), "gr"),
        (iter([(RED, 0), {"image": GREEN, "label": 1}, {"bytes": as_png(RED)}]), "rgr"),
        (np.array([GREEN, None], object)[:1], "g"),
        ({"green": GREEN}.values(), "g"),
        (np.dstack([GREEN[..., 1], np.full((24, 24), 255, np.uint8)]), "?"),
        ([], ""),
    ],
)  # fmt: skip
def test_what_is_given_is_understood(run: Run, given: Any, labels: str) -> None:
    found = run.predict(given)
    said = "".join(label[0] for label in found.labels if label)
    assert said == labels or (labels == "?" and len(found) == 1)
    assert found.errors == (None,) * len(labels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_a_pil_image_of_any_mode_has_an_answer(run: Run, mode: str) -> None:
    image = Image.fromarray(GREEN).convert("L" if mode in ("I;16", "F", "LA") else "RGB")
    assert run.predict(image.convert(mode)).errors == (None,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (GREEN.astype(float), "x / 255"),
        (BOTH.astype(np.float32), "x / 255"),
        (torch.from_numpy(GREEN).float(), "x / 255"),
        (GREEN / 127.5 - 1, "Normalize"),
        (np.zeros((3, 24, 24)), "moveaxis"),
        (np.zeros((2, 3, 24, 24, 3)), r"shape \(2, 3, 24, 24, 3\)"),
        (torch.eye(24).to_sparse(), "Sparse"),
        (np.array(3), "A int"),
        (np.zeros(784), r"shape \(784,\)"),
        ([1, 2, 3], r"shape \(3,\)"),
        (np.zeros((24, 24), complex), "complex"),
        (np.zeros((2, 2, 2), object), "astype"),
        (7, "A int"),
        (None, "A NoneType"),
        ({"image": GREEN}, "A dict"),
        ({"a.png"}, "A set"),
        (object(), "A object"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(run: Run, given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        run.predict(given)
    assert caught.value.hint
    assert isinstance(caught.value, ValueError)


def test_an_iterator_without_an_end_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from itertools import repeat

    monkeypatch.setattr("striate.data.estimator_input.MOST_WITHOUT_LENGTH", 5)
    assert len(run.predict(repeat(GREEN, 5))) == 5
    with pytest.raises(UsageError, match="may never end"):
        run.predict(repeat(GREEN))


def test_every_input_keeps_its_row(run: Run, tmp_path: Path) -> None:
    good, text, cut = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    Image.fromarray(GREEN).save(good)
    text.write_text("{}")
    cut.write_bytes(as_png(RED)[:500])
    closed = Image.open(good)
    closed.close()
    nan = np.full((8, 8), np.nan)
    given: list[Any] = [
        *(good, tmp_path / "gone.png", good, text, cut, RED, nan, None, "", float("nan")),
        *(closed, GREEN.astype(float), BOTH, io.StringIO("x"), 7, np.zeros(5), b"", RED),
    ]
    found = run.predict(given)
    assert len(found) == len(given)
    assert found.paths[:3] == (str(good), str(tmp_path / "gone.png"), str(good))
    labels = {place: label for place, label in enumerate(found.labels) if label is not None}
    assert labels == {0: "green", 2: "green", 5: "red", 17: "red"}
    told = {place: error for place, error in enumerate(found.errors) if error is not None}
    assert sorted([*labels, *told]) == list(range(len(given)))
    for place, word in {
        1: "does not exist",
        6: "NaN",
        7: "no path",
        8: "no path",
        11: "255",
    }.items():
        assert word in told[place]
    assert "batch" in told[12]
    assert "rb" in told[13]
    assert np.isnan(found.probabilities[list(told)]).all()
    assert np.isfinite(found.probabilities[list(labels)]).all()
    assert (found.predicted[list(told)] == -1).all()


def test_wishes_leave_rows_in_error_alone(run: Run) -> None:
    found = run.predict([GREEN, None, RED], coverage=0.9, unknown=0.02, precision=0.9, recall=0.9)
    assert found.labels[1] is None
    assert found.sets is not None
    assert not found.sets[1].any()
    assert found.set_names[1] == found.flagged_names[1] == ""
    assert list(found.to_frame()["error"].notna()) == [False, True, False]
    assert [each.label for each in found] == list(found.labels)


def test_more_than_a_block_of_which_one_is_all_errors(run: Run) -> None:
    found = run.predict([GREEN] * 3 + [None] * 600 + [RED] * 2)
    assert found.labels == ("green",) * 3 + (None,) * 600 + ("red",) * 2
    assert len(run.predict([None, None])) == 2


def test_a_table_keeps_the_order_of_its_rows(run: Run, tmp_path: Path) -> None:
    Image.fromarray(GREEN).save(tmp_path / "g.png")
    Image.fromarray(RED).save(tmp_path / "r.png")
    table = tmp_path / "list.csv"
    table.write_text("foto,x\nr.png,1\ngone.png,2\ng.png,3\nr.png,4\n")
    assert run.predict(table, image="foto").labels == ("red", None, "green", "red")
    frame = pd.read_csv(table)
    assert run.predict(frame, image="foto", root=tmp_path).labels[2:] == ("green", "red")
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="has no column image"):
        run.predict(other)
    found = run.predict([other, GREEN])
    assert found.labels == (None, "green")
    assert "has no column image" in str(found.errors[0])


def test_a_run_that_is_not_there_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        striate.load(tmp_path / "nope")
    assert isinstance(caught.value, striate.StriateError)
    assert caught.value.exit_code == 2
    with pytest.raises(ValueError, match="is not a run folder") as other:
        striate.load(tmp_path)
    assert not isinstance(other.value, FileNotFoundError)


# Evaluate ----------------------------------------------------------------------------------------


def many(colour: str, count: int = 4) -> list[np.ndarray]:
    return [picture(colour, 100 + seed) for seed in range(count)]


def test_labels_may_be_numbers(run: Run) -> None:
    images = [*many("green"), *many("red")]
    numbers = np.repeat([0, 1], 4)
    for labels, classes in (
        (numbers, ["green", "red"]),
        (numbers.astype(float), {0: "green", 1: "red"}),
        (1 - numbers, {"1": "green", "0": "red"}),
    ):
        found = run.evaluate((images, labels), classes=classes)
        assert found.score is not None
        assert (found.score.value, found.score.n) == (1.0, 8)
    with pytest.raises(UsageError, match="The label 1 has no name"):
        run.evaluate((images, numbers), classes=["green"])
    with pytest.raises(SourceError, match="no class 0, 1") as caught:
        run.evaluate((images, numbers))
    assert "classes=" in caught.value.hint


@pytest.mark.parametrize("classes", ["green", 5])
def test_names_are_a_list_or_a_dict(run: Run, classes: Any) -> None:
    with pytest.raises(UsageError, match="classes is"):
        run.evaluate(([GREEN], [0]), classes=classes)


@pytest.mark.parametrize("nothing", [None, float("nan"), "", pd.NA])
def test_a_label_that_says_nothing_is_no_class(run: Run, nothing: Any) -> None:
    found = run.evaluate(([*many("green"), RED], ["green"] * 4 + [nothing]))
    assert found.unknown_classes == ()
    assert found.set_aside == (("4", "its label is missing"),)
    assert found.score is not None
    assert found.score.n == 4


def test_a_class_that_is_unknown_does_not_end_the_rest(run: Run) -> None:
    images = [*many("green"), *many("red")[:1], *many("red")[1:3]]
    found = run.evaluate((images, ["green"] * 4 + ["zebra"] + ["red"] * 2))
    assert found.score is not None
    assert (found.score.n, found.score.value) == (6, 1.0)
    assert found.unknown_classes == (("zebra", 1),)
    assert [row.counted for row in found.rows] == ["yes"] * 4 + ["unknown class"] + ["yes"] * 2
    assert found.rows[4].correct is False
    with pytest.raises(SourceError, match="no class zebra") as caught:
        run.evaluate((images, ["zebra"] * 7))
    assert caught.value.exit_code == 3


def test_every_image_has_a_row_that_says_whether_it_counts(run: Run, small_run: Path) -> None:
    trained = next(e.path for e in run.read("index.csv").examples if e.split == "train")
    given: list[Any] = [
        *(many("green", 1)[0], many("green", 1)[0], many("red", 1)[0], np.full((9, 9), np.nan)),
        small_run.parent / "pictures" / trained,
    ]
    found = run.evaluate((given, ["green", "green", "green", "red", trained.split("/")[0]]))
    assert [row.counted for row in found.rows] == ["yes", "copy", "yes", "not read", "trained on"]
    assert [row.correct for row in found.rows] == [True, True, False, None, True]
    assert found.rows[3].predicted is None
    assert math.isnan(found.rows[3].probability)
    assert found.score is not None
    assert found.score.n == 2
    with pytest.raises(StrictError):
        run.evaluate((given, ["green", "green", "green", "red", "red"]), strict=True)


def test_the_columns_of_a_table_are_named_in_the_call(run: Run, tmp_path: Path) -> None:
    lines = ["file,kind,who"]
    for colour in ("green", "red"):
        for number, pixels in enumerate(many(colour)):
            Image.fromarray(pixels).save(tmp_path / f"{colour}{number}.png")
            lines.append(f"{colour}{number}.png,{colour},{number // 2}{colour}")
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "more.csv"
    table.write_text("\n".join(lines))
    named = {"image": "file", "label": "kind", "root": tmp_path}
    found = run.evaluate(table, **named)
    assert found.score is not None
    assert (found.score.n, found.groups) == (8, 0)
    assert run.evaluate(table, **named, group="who").groups == 4
    assert run.evaluate(table, **named, group_pattern=r"(green|red)[01]").groups == 6
    with pytest.raises(SourceError, match="has no column nobody"):
        run.evaluate(table, **named, group="nobody")
    with pytest.raises(UsageError, match="minutes"):
        run.evaluate(table, minutes=3)


def test_the_sources_of_a_fit_are_read_in_the_same_way() -> None:
    from striate.data.scan import read_index
    from striate.values import Options

    labels = ["a", "b", "a", "b"]
    for images in (
        torch.from_numpy(np.concatenate([BOTH, BOTH])).permute(0, 3, 1, 2),
        pd.Series([GREEN, RED, as_png(GREEN), io.BytesIO(as_png(RED))]),
        iter([GREEN, RED, GREEN, RED]),
        pd.DataFrame({"image": [GREEN, RED, GREEN, RED], "x": labels}),
    ):
        index = read_index((images, labels), Options())
        assert [(e.width, e.mode) for e in index.examples] == [(24, "RGB")] * 4
    with pytest.raises(UsageError, match="x / 255"):
        read_index((np.concatenate([BOTH, BOTH]).astype(float), labels), Options())
