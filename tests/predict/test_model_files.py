"""A model on disk is what was written, says one thing, and can be; or it is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from striate.errors import ModelError
from striate.predict import classifier
from striate.predict.classifier import Classifier
from striate.predict.model_files import SPEC, WEIGHTS, read_model, read_spec, write_model
from striate.store.checksums import CHECKSUM_FIELD, json_checksum
from striate.train.head import build_network
from striate.values import ModelSpec, NetSettings, Tap
from striate.weights.reading import read_weights
from striate.weights.soundness import find_non_finite, tensors_digest

Plain = dict[str, Any]
MODEL = ModelSpec(
    net="compact",
    settings=NetSettings(width=0.25),
    classes=("green", "red"),
    channels=3,
    input_size=24,
    cache_size=24,
    resize="squash",
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    taps=(Tap(stage="top", pool="mean"),),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    classifier.save_classifier(
        Classifier(spec=MODEL, network=build_network(MODEL).eval()), tmp_path / "model"
    )
    return tmp_path / "model"


def written(folder: Path, change: Callable[[Plain], None], *, sealed: bool = True) -> None:
    """The model again, with other facts in both of its files; not sealed as earlier versions."""
    plain = json.loads((folder / SPEC).read_bytes())
    change(plain)
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    plain[CHECKSUM_FIELD] = json_checksum(plain, tensors_digest(tensors)) if sealed else ""
    safetensors.torch.save_file(tensors, folder / WEIGHTS, {"striate": json.dumps(plain)})
    (folder / SPEC).write_text(json.dumps(plain))


def tensors_changed(folder: Path, change: Callable[[Plain], None], *, sealed: bool) -> None:
    """The model with other tensors, under the seal of the old ones or under none."""
    plain = json.loads((folder / SPEC).read_bytes())
    plain[CHECKSUM_FIELD] = plain[CHECKSUM_FIELD] if sealed else ""
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    change(tensors)
    safetensors.torch.save_file(tensors, folder / WEIGHTS, {"striate": json.dumps(plain)})
    (folder / SPEC).write_text(json.dumps(plain))


def test_what_is_written_comes_back(folder: Path) -> None:
    spec, tensors = read_model(folder)
    assert spec == read_spec(folder) == MODEL
    written_before = (folder / WEIGHTS).read_bytes()
    write_model(folder, spec, tensors)
    assert (folder / WEIGHTS).read_bytes() == written_before
    assert sorted(path.name for path in folder.iterdir()) == [SPEC, WEIGHTS]


def test_every_flipped_bit_is_noticed(folder: Path) -> None:
    path, whole = folder / WEIGHTS, (folder / WEIGHTS).read_bytes()
    places = np.random.default_rng(0).integers(0, len(whole), 60).tolist()
    for place in [*range(0, 40, 3), *places]:
        content = bytearray(whole)
        content[place] ^= 1 << (place % 8)
        path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            classifier.load_classifier(folder)
        assert caught.value.hint


def test_inverted_bytes_are_noticed(folder: Path) -> None:
    path, content = folder / WEIGHTS, bytearray((folder / WEIGHTS).read_bytes())
    half = len(content) // 2
    content[half : half + 10_000] = bytes(255 - byte for byte in content[half : half + 10_000])
    path.write_bytes(content)
    with pytest.raises(ModelError, match="checksum"):
        classifier.load_classifier(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_head_that_is_wild_is_refused(folder: Path, value: float, sealed: bool) -> None:
    tensors_changed(folder, lambda found: found["head.weight"].fill_(value), sealed=sealed)
    with pytest.raises(ModelError) as caught:
        classifier.load_classifier(folder)
    assert caught.value.exit_code == 5


def test_weights_of_another_model_are_noticed(folder: Path, tmp_path: Path) -> None:
    network = build_network(MODEL).eval()
    torch.nn.init.ones_(network.head.weight)
    classifier.save_classifier(Classifier(spec=MODEL, network=network), tmp_path / "other")
    (folder / WEIGHTS).write_bytes((tmp_path / "other" / WEIGHTS).read_bytes())
    with pytest.raises(ModelError, match=SPEC):
        classifier.load_classifier(folder)


def test_answers_that_are_no_numbers_are_not_given(folder: Path) -> None:
    model = classifier.load_classifier(folder)
    torch.nn.init.constant_(model.network.head.bias, float("nan"))
    with pytest.raises(ModelError, match="NaN or infinite"):
        model.logits(np.full((2, 24, 24, 3), 200, np.uint8))


def swap_classes(plain: Plain) -> None:
    plain["classes"].reverse()


def cool(plain: Plain) -> None:
    plain["temperature"] = 2.0


@pytest.mark.parametrize("change", [swap_classes, cool])
def test_a_spec_changed_by_hand_is_named(folder: Path, change: Callable[[Plain], None]) -> None:
    plain = json.loads((folder / SPEC).read_bytes())
    change(plain)
    (folder / SPEC).write_text(json.dumps(plain))
    for read in (read_model, read_spec):
        with pytest.raises(ModelError, match="does not match") as caught:
            read(folder)
        assert "delete" in caught.value.hint
    (folder / SPEC).unlink()
    assert read_spec(folder) == MODEL


@pytest.mark.parametrize("content", ["", "{}", "[1]", "garbage", "\x00", '{"schema": "x"}'])
def test_a_spec_of_anything_is_refused(folder: Path, content: str) -> None:
    (folder / SPEC).write_text(content)
    with pytest.raises(ModelError, match=SPEC):
        read_spec(folder)


def test_layout_and_order_are_free(folder: Path) -> None:
    plain = json.loads((folder / SPEC).read_bytes())
    (folder / SPEC).write_text(json.dumps(dict(reversed(plain.items()))))
    assert read_spec(folder) == MODEL


def test_models_of_earlier_versions_are_read(folder: Path) -> None:
    def earlier(plain: Plain) -> None:
        for name in (CHECKSUM_FIELD, "calibration", "held_out", "thresholds"):
            del plain[name]

    plain = json.loads((folder / SPEC).read_bytes())
    earlier(plain)
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    safetensors.torch.save_file(tensors, folder / WEIGHTS, {"striate": json.dumps(plain)})
    (folder / SPEC).write_text(json.dumps(plain))
    assert classifier.load_classifier(folder).spec == MODEL


CANNOT_BE: dict[str, Any] = {
    "schema": "striate/model/9",
    "input_size": 0,
    "cache_size": -5,
    "channels": 0,
    "classes": ["a", "a"],
    "temperature": 0.0,
    "mean": [0.5],
    "std": [0.0, 0.25, 0.25],
    "net": "nonesuch",
    "resize": "stretch",
    "precision": "float1",
    "task": "words",
    "batch_size": 0,
    "dropout": 1.0,
    "taps": [{"stage": "attic", "pool": "mean"}],
    "preprocess": {"kind": "magic"},
    "held_out": {"how": "validation", "images": 3, "groups": 3},
    "calibration": {"sure": 0.0},
}
ALSO = [
    ("input_size", -5),
    ("input_size", 100_000),
    ("temperature", -1.0),
    ("temperature", float("nan")),
    ("temperature", float("inf")),
    ("classes", ["a"]),
    ("classes", 3),
    ("channels", 5),
    ("taps", []),
]


@pytest.mark.parametrize(("name", "value"), [*CANNOT_BE.items(), *ALSO])
@pytest.mark.parametrize("sealed", [True, False])
def test_facts_that_cannot_be(folder: Path, name: str, value: Any, sealed: bool) -> None:
    written(folder, lambda plain: plain.update({name: value}), sealed=sealed)
    with pytest.raises(ModelError) as caught:
        classifier.load_classifier(folder)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_what_is_finite_is_told_in_every_precision(kind: torch.dtype) -> None:
    ones = torch.ones(3, dtype=kind)
    assert (
        find_non_finite({"a": ones, "none": ones[:0], "whole": torch.ones(1, dtype=torch.int64)})
        == ""
    )
    for wild in ("nan", "inf", "-inf"):
        assert find_non_finite({"a": ones, "b": ones * float(wild)}) == "b"


def test_weights_to_begin_with_must_be_finite(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(3), "b": torch.tensor([1.0, float("nan")])}
    safetensors.torch.save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="NaN or infinite numbers, in b"):
        read_weights(tmp_path / "w.safetensors")
    torch.save({"a": torch.tensor([float("inf")]).bfloat16()}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="NaN or infinite numbers, in a"):
        read_weights(tmp_path / "w.pt")
