"""What is to be learnt of an image: asked for or plain from a table, written one way, checked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.scan import read_evaluation_index, read_index
from striate.errors import SourceError, UsageError
from striate.values import Options, names_in


def table(folder: Path, head: str, lines: list[str], images: int = 12) -> Path:
    for number in range(images):
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / f"{number:02}.png")
    path = folder / "table.csv"
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return path


def several(folder: Path) -> Path:
    words = ["b|a", "a", "b", "|", "a | b", "", *["a|c"] * 3, *["b"] * 3]
    return table(folder, "image,label", [f"{k:02}.png,{word}" for k, word in enumerate(words)])


def numbers(folder: Path, words: list[str] | None = None) -> Path:
    words = words or [str(k / 2) for k in range(12)]
    return table(folder, "image,label", [f"{k:02}.png,{word}" for k, word in enumerate(words)])


def test_names_are_each_once_in_order() -> None:
    assert names_in("b|a | b") == ("a", "b")
    assert names_in("|") == ()


def test_a_table_with_bars_in_its_labels_has_several(tmp_path: Path) -> None:
    index = read_index(several(tmp_path), Options())
    assert (index.task, index.classes) == ("labels", ("a", "b", "c"))
    assert [e.label for e in index.examples[:5]] == ["a|b", "a", "b", "|", "a|b"]
    assert index.targets()[[0, 3, 6]].tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert "read.several_labels" in [note.code for note in index.notes]


def test_an_empty_label_is_missing_not_none(tmp_path: Path) -> None:
    index = read_index(several(tmp_path), Options())
    assert (index.examples[5].status, index.examples[5].reason) == (
        "set_aside",
        "its label is missing",
    )


def test_asked_for_one_label_a_bar_is_part_of_the_name(tmp_path: Path) -> None:
    path = table(
        tmp_path, "image,label", [f"{k:02}.png,{'x|y' if k % 2 else 'x'}" for k in range(12)]
    )
    index = read_index(path, Options(task="label"))
    assert (index.task, index.classes) == ("label", ("x", "x|y"))


def test_columns_say_yes_or_no(tmp_path: Path) -> None:
    lines = [f"{k:02}.png,{k % 2},{'yes' if k % 3 else 'no'}" for k in range(12)]
    index = read_index(table(tmp_path, "image,red,blue", lines), Options(label="red,blue"))
    assert (index.task, index.classes) == ("labels", ("blue", "red"))
    assert [e.label for e in index.examples[:3]] == ["|", "blue|red", "blue"]
    assert index.notes == ()


def test_a_cell_that_says_neither_is_told(tmp_path: Path) -> None:
    lines = [f"{k:02}.png,{k % 2},{0.5}" for k in range(12)]
    with pytest.raises(SourceError, match=r"Row 1 of .* has 0\.5 in the column blue"):
        read_index(table(tmp_path, "image,red,blue", lines), Options(label="red,blue"))


def test_rows_of_one_image_are_joined_where_labels_are_asked_for(tmp_path: Path) -> None:
    lines = [f"{k:02}.png,{word}" for k in range(12) for word in ("a", "b")[: 1 + k % 2]]
    index = read_index(table(tmp_path, "image,label", lines), Options(task="labels"))
    assert [e.label for e in index.examples[:2]] == ["a", "a|b"]


def test_a_number_is_learnt_only_where_it_is_asked_for(tmp_path: Path) -> None:
    path = numbers(tmp_path)
    index = read_index(path, Options(task="number"))
    assert (index.task, index.classes) == ("number", ())
    assert index.targets()[:3, 0].tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(SourceError):
        read_index(path, Options())


def test_many_numbers_are_told_of_and_not_guessed(tmp_path: Path) -> None:
    lines = [f"{k:02}.png,{k // 2}" for k in range(50)]
    index = read_index(table(tmp_path, "image,label", lines, images=50), Options())
    assert index.task == "label"
    assert [note.code for note in index.notes] == ["read.perhaps_number"]
    lines = [f"{k:02}.png,{k + 0.25}" for k in range(50)]
    with pytest.raises(SourceError) as caught:
        read_index(table(tmp_path, "image,label", lines, images=50), Options())
    assert "--task number" in caught.value.hint


def test_what_is_no_number_is_set_aside(tmp_path: Path) -> None:
    words = [*(str(k) for k in range(10)), "tall", "inf"]
    index = read_index(numbers(tmp_path, words), Options(task="number"))
    assert [e.reason for e in index.examples if e.status == "set_aside"] == [
        "its label is not a number: tall",
        "its label is not a number: inf",
    ]


def test_numbers_all_the_same_cannot_be_learnt(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="two different numbers"):
        read_index(numbers(tmp_path, ["3"] * 12), Options(task="number"))


def test_a_rare_label_is_named_or_left_out(tmp_path: Path) -> None:
    words = ["a|z", *["a", "b"] * 5, "b"]
    lines = [f"{k:02}.png,{word}" for k, word in enumerate(words)]
    path = table(tmp_path, "image,label", lines)
    with pytest.raises(SourceError, match="label z"):
        read_index(path, Options())
    index = read_index(path, Options(drop_rare=True))
    assert (index.classes, index.examples[0].label) == (("a", "b"), "a")


@pytest.mark.parametrize("task", ["labels", "number"])
def test_a_folder_a_class_is_one_label(tmp_path: Path, task: str) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "x.png")
    with pytest.raises(UsageError, match="needs a table"):
        read_index(tmp_path, Options(task=task))


def test_columns_and_another_task_do_not_go_together(tmp_path: Path) -> None:
    lines = [f"{k:02}.png,{k % 2},1" for k in range(12)]
    with pytest.raises(UsageError, match="one column per label"):
        read_index(
            table(tmp_path, "image,red,blue", lines), Options(label="red,blue", task="number")
        )


def test_arrays_in_memory_may_have_numbers() -> None:
    images = np.zeros((12, 4, 4), np.uint8)
    index = read_index((images, np.linspace(0, 1, 12)), Options(task="number"))
    assert index.targets()[-1, 0] == 1.0


def test_what_is_judged_is_read_as_the_model_was_taught(tmp_path: Path) -> None:
    lines = [f"{k:02}.png,{'ab'[k % 2]}" for k in range(12)]
    index = read_evaluation_index(table(tmp_path, "image,label", lines), Options(task="labels"))
    assert (index.task, index.classes) == ("labels", ("a", "b"))
    index = read_evaluation_index(numbers(tmp_path), Options(task="number"))
    assert (index.task, index.classes) == ("number", ())


def test_alike_are_the_same_tenth_and_the_same_set(tmp_path: Path) -> None:
    index = read_index(numbers(tmp_path), Options(task="number"))
    assert (np.diff(index.labels()) >= 0).all()
    assert len(set(index.labels().tolist())) == 10
    index = read_index(several(tmp_path), Options())
    labels = index.labels()
    assert labels[0] == labels[4] != labels[1]
    assert labels[5] == -1
