"""An earlier run's index.csv: old images stay where they were, new ones are shared out."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.data.made_index import made_index

from striate.config.settings import check_settings
from striate.data.split.index_csv import complete_index
from striate.data.split.split import split_index
from striate.errors import SourceError, UsageError
from striate.store.tables import INDEX
from striate.values import Index, Options, Split


def alone(index: Index) -> np.ndarray:
    return np.arange(len(index.examples))


def sides(index: Index, split: Split) -> dict[str, str]:
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {index.examples[row].path: name for name, rows in parts.items() for row in rows}


@pytest.fixture
def earlier(tmp_path: Path) -> tuple[str, dict[str, str]]:
    """The index.csv of a run on 2 x 300 images, and where they were."""
    index = made_index({"a": 300, "b": 300})
    split = split_index(index, alone(index), Options())
    with (tmp_path / "index.csv").open("wb") as file:
        INDEX.write(complete_index(index, split), file)
    return str(tmp_path / "index.csv"), sides(index, split)


def test_old_images_stay_and_new_ones_fill_up(earlier: tuple[str, dict[str, str]]) -> None:
    path, before = earlier
    index = made_index({"a": 500, "b": 300, "c": 200})
    split = split_index(index, alone(index), Options(split=path, seed=5))
    now = sides(index, split)
    assert len(now) == len(index.examples)
    assert {path: now[path] for path in before} == before
    assert Counter(now.values()) == {"train": 700, "val": 150, "test": 150}
    classes = Counter((p.split("/")[1], side) for p, side in now.items())
    assert classes["c", "test"] == classes["c", "val"] == 30
    assert split.notes[-1].figures == {"kept": 600, "new": 400}


def test_new_images_follow_their_group(earlier: tuple[str, dict[str, str]]) -> None:
    path, before = earlier
    index = made_index({"a": 400, "b": 300})
    rows = {e.path: row for row, e in enumerate(index.examples)}
    groups = alone(index)
    one = {side: next(p for p in before if before[p] == side) for side in ("train", "val", "test")}
    fresh = [p for p in rows if p not in before]
    for new, side in zip(fresh, one, strict=False):
        groups[rows[new]] = groups[rows[one[side]]]
    groups[rows[fresh[10]]] = groups[rows[one["test"]]] = groups[rows[one["train"]]]
    groups[rows[fresh[2]]] = groups[rows[one["train"]]]
    now = sides(index, split := split_index(index, groups, Options(split=path)))
    assert (now[fresh[0]], now[fresh[1]]) == ("train", "val")
    assert now[one["test"]] == "test"
    assert now[fresh[10]] == now[fresh[2]] == "train"
    assert split.leaked.tolist() == [rows[one["test"]]]


def test_files_that_cannot_serve(tmp_path: Path, earlier: tuple[str, dict[str, str]]) -> None:
    path, _ = earlier
    index = made_index({"x": 100, "y": 100})
    with pytest.raises(SourceError, match="None of the 200 images"):
        split_index(index, alone(index), Options(split=path))
    (tmp_path / "other.csv").write_text("image,label\n1,2\n")
    with pytest.raises(UsageError, match=r"is not the index\.csv of a run"):
        split_index(index, alone(index), Options(split=str(tmp_path / "other.csv")))
    crossed = Path(path).read_text().replace(",train,", ",,").replace(",val,", ",,")
    (tmp_path / "crossed.csv").write_text(crossed.replace(",test,", ",,"))
    with pytest.raises(UsageError, match="cross-validation"):
        split_index(index, alone(index), Options(split=str(tmp_path / "crossed.csv")))
    with pytest.raises(UsageError, match=r"did you mean index\.csv"):
        check_settings({"split": str(tmp_path / "indx.csv")})
    assert check_settings({"split": path}).split == path
