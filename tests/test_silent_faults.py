"""What other trainers do without a word, each fault by its name, and that striate does not.

The faults are those of a survey of trainers: of their code, and of what their users wrote.
Tests elsewhere that show the same at length are named where there are such.
"""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.odd_files import damaged_files, encoded, scene
from tests.odd.folder import tree_hash
from tests.odd.made_bytes import without_segment

from striate.data.cache import build_cache, decode_images
from striate.data.scan import read_index, read_unlabelled
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.index_csv import complete_index
from striate.data.split.split import split_index
from striate.errors import SourceError
from striate.pipeline import fit
from striate.run import Run
from striate.values import UNKNOWN, Cache, Index, Options, Rows, Split

OPTIONS = Options()
FEW = 45


def photos(root: Path, counts: Mapping[str, int], seed: int = 0) -> Path:
    """Folders of so many pictures, each like no other."""
    for number, (label, count) in enumerate(counts.items()):
        (root / label).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            picture = scene(32, 32, seed=seed + 10_000 * number + n)
            (root / label / f"{n:03}.png").write_bytes(encoded(picture, "PNG"))
    return root


def cut(source: object, options: Options = OPTIONS) -> tuple[Index, Cache, Split]:
    """A source read, decoded and cut, as a fit does it."""
    index, cache = build_cache(read_index(source, options), options)
    return index, cache, split_index(index, find_duplicate_groups(index, cache), options)


def labels_of(index: Index, rows: Rows) -> Counter[str]:
    """Images of each class among rows."""
    return Counter(index.examples[row].label for row in rows)


# Splits ------------------------------------------------------------------------------------------


def test_a_flat_class_folder_is_not_validated_on_its_own_training_images(tmp_path: Path) -> None:
    """timm's `_search_split` takes the same folder for both."""
    _, _, split = cut(photos(tmp_path, {"cat": FEW, "dog": FEW}))
    sides = [set(split.train.tolist()), set(split.val.tolist()), set(split.test.tolist())]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert all(sides) or split.evaluation == "cross-validation"


def test_no_copy_of_the_source_is_written_beside_it(tmp_path: Path) -> None:
    """Ultralytics copies a flat folder into `<dir>_split`."""
    source = photos(tmp_path / "all" / "pets", {"cat": FEW, "dog": FEW})
    before = tree_hash(tmp_path / "all")
    cut(source)
    assert tree_hash(tmp_path / "all") == before


def test_the_split_is_stratified_where_nothing_is_asked(tmp_path: Path) -> None:
    """fastai, Keras and the Trainer script draw at random."""
    index, _, split = cut(photos(tmp_path, {"common": 330, "rare": 110}))
    assert split.evaluation == "test-split"
    for rows in (split.train, split.val, split.test):
        assert abs(labels_of(index, rows)["rare"] - len(rows) / 4) <= 1


def test_pain_20_validation_is_not_the_last_fifth_and_so_one_whole_class(tmp_path: Path) -> None:
    """Keras' `validation_split` and AutoKeras take the tail of the unshuffled images."""
    index, _, split = cut(photos(tmp_path, {"a": 150, "b": 150, "z": 150}))
    for rows in (split.train, split.val, split.test):
        assert set(labels_of(index, rows)) == {"a", "b", "z"}


def test_pain_21_there_is_a_test_split_and_a_rare_label_is_in_train(tmp_path: Path) -> None:
    """Keras offers no third part; fastai stops at a label that is in its validation only."""
    index, _, split = cut(photos(tmp_path, {"common": 300, "other": 300, "rare": 30}))
    assert len(split.test) > 0
    assert labels_of(index, split.train)["rare"] >= 1


def test_pain_2_classes_have_the_same_number_in_every_split(tmp_path: Path) -> None:
    """Ultralytics and timm number each split's folders anew where one is missing."""
    counts = {"ant": 60, "bee": 60, "wasp": 60}
    photos(tmp_path / "train", counts)
    photos(tmp_path / "val", {"bee": 40, "wasp": 40, "ant": 40}, seed=200)
    photos(tmp_path / "test", {"wasp": 60, "bee": 60}, seed=400)
    index, _, split = cut(tmp_path)
    assert index.classes == ("ant", "bee", "wasp")
    for row in split.test:
        number = index.labels()[row]
        assert index.classes[number] == index.examples[row].path.split("/")[1]


def test_pain_2_a_class_that_training_lacks_stops_with_its_name(tmp_path: Path) -> None:
    photos(tmp_path / "train", {"ant": 5, "bee": 5})
    photos(tmp_path / "test", {"ant": 5, "bee": 5, "wasp": 5})
    with pytest.raises(SourceError, match="wasp is in test but not in train"):
        read_index(tmp_path, OPTIONS)


def test_pain_3_frames_of_one_video_stay_on_one_side(tmp_path: Path) -> None:
    """Neighbouring frames in both parts made a score of 1.0 that was 0.48 in the field."""
    for label in ("door", "hall"):
        (tmp_path / label).mkdir()
        for video in range(30):
            still = scene(32, 32, seed=video + 100 * (label == "hall")).astype(int)
            for frame in range(5):
                noise = np.random.default_rng([video, frame]).integers(-9, 9, still.shape)
                content = encoded((still + noise).clip(0, 255).astype(np.uint8), "PNG")
                (tmp_path / label / f"video{video:02}_{frame}.png").write_bytes(content)
    options = Options(group_pattern=r"{class}.*video(\d+)_")
    index, _, split = cut(tmp_path, options)
    side = {}
    for name, rows in (("train", split.train), ("val", split.val), ("test", split.test)):
        for row in rows:
            video = index.examples[row].path[: -len("_0.png")]
            assert side.setdefault(video, name) == name
    assert len(side) == 60


def test_pain_3_equal_and_resaved_images_stay_on_one_side(tmp_path: Path) -> None:
    """No trainer looks for copies; 3.3 % of CIFAR-10's test images have a twin in train."""
    photos(tmp_path, {"cat": 100, "dog": 100})
    for n in range(0, 100, 5):
        shutil.copy(tmp_path / f"cat/{n:03}.png", tmp_path / f"cat/copy{n}.png")
        picture = Image.open(tmp_path / f"dog/{n:03}.png")
        picture.save(tmp_path / f"dog/saved{n}.bmp")
    index, _, split = cut(tmp_path)
    row_of = {example.path: row for row, example in enumerate(index.examples)}
    for n in range(0, 100, 5):
        for one, other in ((f"cat/{n:03}.png", f"cat/copy{n}.png"),
                           (f"dog/{n:03}.png", f"dog/saved{n}.bmp")):  # fmt: skip
            sides = [{row_of[one], row_of[other]} & set(rows.tolist())
                     for rows in (split.train, split.val, split.test)]  # fmt: skip
            assert sorted(map(len, sides)) == [0, 0, 2]


def test_leaks_across_given_splits_are_named_and_not_counted(tmp_path: Path) -> None:
    """Everyone takes given splits at their word; `tests/data/test_split.py` has more."""
    photos(tmp_path / "train", {"cat": 60, "dog": 60})
    photos(tmp_path / "test", {"cat": 60, "dog": 60}, seed=300)
    shutil.copy(tmp_path / "train/cat/000.png", tmp_path / "test/cat/again.png")
    index, _, split = cut(tmp_path)
    assert [index.examples[row].path for row in split.leaked] == ["test/cat/again.png"]
    told = {e.path: e.reason for e in complete_index(index, split).examples}
    assert told["test/cat/again.png"].endswith("the same image as train/cat/000.png")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Valid", "dev"])
def test_pain_22_any_name_of_the_validation_folder_is_known(tmp_path: Path, name: str) -> None:
    photos(tmp_path / "train", {"cat": 3, "dog": 3})
    photos(tmp_path / name, {"cat": 3, "dog": 3}, seed=100)
    index = read_index(tmp_path, OPTIONS)
    assert index.given_splits == ("train", "val")
    assert index.classes == ("cat", "dog")


def test_pain_22_a_hidden_folder_is_no_class(tmp_path: Path) -> None:
    photos(tmp_path / "train", {"cat": 3, "dog": 3, ".ipynb_checkpoints": 3})
    photos(tmp_path, {".ipynb_checkpoints": 3, "__MACOSX": 3})
    index = read_index(tmp_path, OPTIONS)
    assert index.classes == ("cat", "dog")
    assert {e.reason for e in index.examples if e.status == "ignored"} == {"hidden"}


# Files -------------------------------------------------------------------------------------------


def test_pain_8_one_bad_file_stops_nothing_and_is_named(tmp_path: Path) -> None:
    """torchvision and Keras stop; `tests/test_odd_folder.py` has 150 kinds."""
    photos(tmp_path, {"cat": FEW, "dog": FEW})
    (tmp_path / "cat" / "bad.jpg").write_bytes(damaged_files()["half.jpg"])
    index, _, split = cut(tmp_path)
    aside = {e.path: e.reason for e in index.examples if e.status == "set_aside"}
    assert list(aside) == ["cat/bad.jpg"]
    assert "cut off" in aside["cat/bad.jpg"]
    assert len(split.train) + len(split.val) + len(split.test) == 2 * FEW


def test_nothing_takes_the_place_of_an_unreadable_image(tmp_path: Path) -> None:
    """timm takes the next with its label, PaddleClas a random one, AutoGluon a black image,
    Ludwig a default one."""  # fmt: skip
    photos(tmp_path, {"cat": FEW, "dog": FEW})
    (tmp_path / "cat" / "bad.png").write_bytes(damaged_files()["half.png"])
    index, cache, split = cut(tmp_path)
    bad = next(row for row, e in enumerate(index.examples) if e.path == "cat/bad.png")
    assert not cache.images[bad].any()
    assert bad not in np.concatenate([split.train, split.val, split.test])
    assert index.labels()[bad] == -1
    assert index.examples[bad].pixels_hash == ""


def test_bad_files_are_found_without_being_asked_to(tmp_path: Path) -> None:
    """fastai's `verify_images` is a call of its own, and looks at nothing but the header's end."""
    photos(tmp_path, {"cat": 3, "dog": 3})
    content = (tmp_path / "dog/001.png").read_bytes()
    (tmp_path / "dog/001.png").write_bytes(content[: len(content) // 2])
    index, _ = build_cache(read_index(tmp_path, OPTIONS), OPTIONS)
    assert [e.path for e in index.examples if e.status == "set_aside"] == ["dog/001.png"]


def test_pain_9_a_jpeg_without_its_end_is_left_as_it_is(tmp_path: Path) -> None:
    """Ultralytics encodes it anew over the user's file; fastai's recipe deletes it."""
    photos(tmp_path, {"cat": FEW, "dog": FEW})
    (tmp_path / "cat/open.jpg").write_bytes(encoded(scene(), quality=95)[:-2])
    before = tree_hash(tmp_path)
    cut(tmp_path)
    assert tree_hash(tmp_path) == before


def test_pain_9_good_images_are_not_called_corrupt(tmp_path: Path) -> None:
    for number, kind in enumerate(("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")):
        for label in ("cat", "dog"):
            (tmp_path / label).mkdir(exist_ok=True)
            content = encoded(scene(seed=number + 50 * (label == "dog")), kind)
            (tmp_path / label / f"{number}.{kind.lower()}").write_bytes(content)
    index, _ = build_cache(read_index(tmp_path, OPTIONS), OPTIONS)
    assert {(e.status, e.reason) for e in index.examples} == {("used", "")}


def test_upper_case_endings_do_not_vanish(tmp_path: Path) -> None:
    """AutoTrain accepts `.JPG` in its check and then lists lower case only."""
    photos(tmp_path, {"cat": 2, "dog": 2})
    for label in ("cat", "dog"):
        (tmp_path / label / "UPPER.JPG").write_bytes(encoded(scene(seed=len(label))))
        (tmp_path / label / "Mixed.Png").write_bytes(encoded(scene(seed=7), "PNG"))
    index = read_index(tmp_path, OPTIONS)
    assert len(index.used()) == len(index.examples) == 8


def test_a_file_that_is_no_image_is_not_refused(tmp_path: Path) -> None:
    """AutoTrain refuses the whole folder."""
    photos(tmp_path, {"cat": 2, "dog": 2})
    (tmp_path / "cat/notes.txt").write_text("taken in May")
    assert len(read_index(tmp_path, OPTIONS).used()) == 4


# Pixels ------------------------------------------------------------------------------------------


def test_pain_1_photos_of_a_phone_do_not_lie_on_their_side(tmp_path: Path) -> None:
    """fastai, Keras, timm, AutoGluon and torchvision ignore EXIF; `tests/odd` has all values."""
    photos(tmp_path, {"cat": 2, "dog": 2})
    upright = scene(48, 64)
    tags = Image.Exif()
    tags[0x0112] = 6
    lying = np.rot90(upright, 1)
    (tmp_path / "cat/phone.png").write_bytes(encoded(lying.copy(), "PNG", exif=tags))
    (tmp_path / "cat/plain.png").write_bytes(encoded(upright, "PNG"))
    index, cache = build_cache(read_index(tmp_path, OPTIONS), OPTIONS)
    row = {example.path: row for row, example in enumerate(index.examples)}
    phone, plain = row["cat/phone.png"], row["cat/plain.png"]
    assert np.array_equal(cache.images[phone], cache.images[plain])
    assert index.examples[phone].pixels_hash == index.examples[plain].pixels_hash


def test_training_and_prediction_see_the_same_pixels(tmp_path: Path) -> None:
    """Ultralytics trained by one decoder and predicted by another (PR 23631)."""
    photos(tmp_path, {"cat": 3, "dog": 3})
    (tmp_path / "cat/photo.jpg").write_bytes(encoded(scene(32, 32, seed=5)))
    (tmp_path / "dog/ink.jpg").write_bytes(encoded(Image.fromarray(scene(32, 32)).convert("CMYK")))
    index, cache = build_cache(read_index(tmp_path, OPTIONS), OPTIONS)
    paths = [tmp_path / example.path for example in index.examples]
    alone = read_unlabelled(paths)
    seen = decode_images(alone, alone.used(), cache.images.shape[1], cache.images.shape[3])
    assert np.array_equal(seen, cache.images)


def test_cmyk_is_never_a_negative(tmp_path: Path) -> None:
    """Pillow, and so everyone, takes all CMYK JPEGs for Adobe's."""
    picture = np.full((16, 16, 3), 230, np.uint8)
    ink = Image.fromarray(np.dstack([picture, np.full((16, 16), 255, np.uint8)]), "CMYK")
    content = without_segment(encoded(ink), 0xEE)
    photos(tmp_path, {"cat": 2, "dog": 2})
    (tmp_path / "cat/ink.jpg").write_bytes(content)
    index, cache = build_cache(read_index(tmp_path, OPTIONS), OPTIONS)
    row = next(row for row, e in enumerate(index.examples) if e.path == "cat/ink.jpg")
    assert cache.images[row].mean() > 200


# Judging -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled_wrongly(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs on the same images; in the second, the labels of the test images are exchanged."""
    place = tmp_path_factory.mktemp("sealed")
    for name in ("right", "wrong"):
        photos(place / name / "train", {"cat": 60, "dog": 60})
        photos(place / name / "val", {"cat": 40, "dog": 40}, seed=200)
        others = {"cat": 60, "dog": 60} if name == "right" else {"dog": 60, "cat": 60}
        photos(place / name / "test", others, seed=400)
        options = Options(minutes=1, strategy="linear", out=str(place / f"run {name}"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STRIATE_CACHE", str(place / "cache"))
            fit(place / name, options)
    return place / "run right", place / "run wrong"


@pytest.mark.slow
def test_pain_5_the_labels_of_the_test_change_neither_plan_nor_model(
    labelled_wrongly: tuple[Path, Path],
) -> None:
    """Ultralytics validates on the test folder, and scores the epoch that its set chose."""
    right, wrong = labelled_wrongly
    weights = "model/weights.safetensors"
    assert (right / weights).read_bytes() == (wrong / weights).read_bytes()
    assert chosen(right) == chosen(wrong)
    accuracies = [summary(run)["test"]["value"] for run in (right, wrong)]
    assert accuracies[0] == pytest.approx(1 - accuracies[1])


def test_pain_4_an_unknown_object_can_be_answered_with_unknown(small_run: Path) -> None:
    """Ultralytics and others give a thing that is none of the classes 0.95 to 0.99.

    What share of real other sets is told apart is measured in `benchmarks/acting.py`.
    """
    strange = [Image.fromarray(scene(64, 64, seed=n)) for n in range(5)]
    known = [small_run.parent / "pictures" / "red" / f"{n:03}.png" for n in range(5)]
    run = Run.load(small_run)
    plain = run.predict(strange)
    assert set(plain.labels) <= {"green", "red"}
    assert plain.familiarity is not None
    assert plain.familiarity.max() < 0.02
    assert set(run.predict(strange, unknown=0.02).labels) == {UNKNOWN}
    assert UNKNOWN not in run.predict(known, unknown=0.02).labels


def test_a_file_an_image_and_an_array_get_the_same_answer(small_run: Path) -> None:
    """Ultralytics read lists of paths with the colours exchanged."""
    path = small_run.parent / "pictures" / "red" / "003.png"
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    run = Run.load(small_run)
    answers = [run.predict([one]).probabilities for one in (path, image, np.asarray(image))]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_pain_23_the_accuracy_is_that_of_the_matrix_and_classes_have_their_own(
    small_run: Path,
) -> None:
    """Ultralytics' accuracy disagreed with its confusion matrix."""
    with (small_run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = [row["label"] == row["predicted"] for row in rows]
    told = summary(small_run)["test"]
    assert told["value"] == pytest.approx(np.mean(right))
    by_class = {label: np.mean([r for r, row in zip(right, rows, strict=True)
                                if row["label"] == label])
                for label in {row["label"] for row in rows}}  # fmt: skip
    assert told["balanced_accuracy"] == pytest.approx(np.mean(list(by_class.values())))
    assert told["interval"][0] <= told["value"] <= told["interval"][1]


def test_pain_24_the_time_is_bounded_and_memory_for_images_is_on_disk(
    tmp_path: Path, small_run: Path
) -> None:
    """AutoKeras filled 64 GB; images here are a file that is mapped, of at most 8 GiB."""
    seconds = summary(small_run)["seconds"]
    assert seconds["total"] <= 60 * json.loads((small_run / "run.json").read_text())["settings"][
        "minutes"
    ] + 30  # fmt: skip
    _, cache = build_cache(read_index(photos(tmp_path, {"a": 3, "b": 3}), OPTIONS), OPTIONS)
    assert isinstance(cache.images, np.memmap)


def summary(run: Path) -> dict[str, dict[str, float]]:
    """The summary of a run."""
    read_: dict[str, dict[str, float]] = json.loads((run / "summary.json").read_text())
    return read_


def chosen(run: Path) -> dict[str, object]:
    """What a plan chose, without the seconds that it took."""
    plan: dict[str, object] = json.loads((run / "plan.json").read_text())
    return {name: plan[name] for name in ("strategy", "net", "alpha", "taps") if name in plan}
