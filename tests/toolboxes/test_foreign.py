"""Networks of other toolboxes in use: checked, predicted with, their stages read."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.toolboxes import made_onnx

from striate import cli
from striate.nets import find_net
from striate.nets.foreign import (
    GraphBackbone,
    read_foreign,
    read_last_layer,
    remember_foreign,
    remember_structure,
)
from striate.predict.classifier import load_classifier, save_classifier
from striate.predict.foreign_model import read_file_model
from striate.toolboxes import read_files
from striate.toolboxes.build import build_graph
from striate.toolboxes.graph import ToolboxError
from striate.values import RANDOM, NetSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return made_onnx.small_classifier(tmp_path / "net.onnx")


def answers(file: Path, images: np.ndarray) -> np.ndarray:
    graph = read_foreign(file)
    assert graph is not None
    with torch.no_grad():
        return np.asarray(build_graph(graph)(torch.from_numpy(images)))


def test_stages_go_down_in_resolution_and_the_top_is_what_the_last_layer_reads(file: Path) -> None:
    graph = read_foreign(file)
    assert graph is not None
    backbone = GraphBackbone(graph).eval()
    images = torch.rand(2, 1, 12, 12)
    maps = backbone.stages(images)
    assert [tuple(m.shape) for m in maps] == [(2, 4, 12, 12), (2, 6, 6, 6), (2, 6, 1, 1)]
    last = read_last_layer(graph)
    logits = maps[-1].flatten(1) @ last.weights_KD.T + last.bias_K
    assert torch.allclose(
        logits.softmax(1), torch.from_numpy(answers(file, images.numpy())), atol=1e-6
    )
    assert sum(p.numel() for group in backbone.depth_groups() for p in group) == sum(
        p.numel() for p in backbone.parameters()
    )


def test_images_of_other_sizes_and_colours_are_taken(file: Path) -> None:
    graph = read_foreign(file)
    assert graph is not None
    backbone = GraphBackbone(graph).eval()
    assert backbone(torch.rand(2, 3, 30, 20)).shape == (2, 6, 1, 1)
    maps = backbone.stages(torch.rand(1, 1, 5, 5).bfloat16().float())
    assert maps[0].shape[2:] == (12, 12)


def test_gradients_reach_every_layer(file: Path) -> None:
    graph = read_foreign(file)
    assert graph is not None
    backbone = GraphBackbone(graph)
    backbone(torch.rand(2, 1, 12, 12)).sum().backward()
    first = next(m for m in backbone.modules() if isinstance(m, torch.nn.Conv2d))
    assert first.weight.grad is not None
    assert float(first.weight.grad.abs().sum()) > 0


def test_a_stored_structure_makes_the_network_again(file: Path) -> None:
    graph = read_foreign(file)
    assert graph is not None
    name = remember_foreign(file, graph)
    built = find_net(name).build(name, NetSettings(), 1, str(file))
    remember_structure(name, built.state_dict()["structure"])
    again = find_net(name).build(name, NetSettings(), 1, RANDOM)
    again.load_state_dict(built.state_dict())
    images = torch.rand(2, 1, 12, 12)
    assert torch.equal(built(images), again.eval()(images))


def test_a_file_predicts_as_its_network_does(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 12, 12), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    assert cli.run(["predict", str(file), str(tmp_path), "--quiet"]) == 0
    rows = [row.split(",") for row in capsys.readouterr().out.splitlines()]
    assert rows[0][1:6] == ["predicted", "probability", "p:0", "p:1", "p:2"]
    want = answers(file, (pixels[:, None] / np.float32(255)).astype(np.float32))
    got = np.array([[float(cell) for cell in row[3:6]] for row in rows[1:]])
    assert np.abs(got - want).max() < 1e-5
    assert [row[1] for row in rows[1:]] == [str(k) for k in want.argmax(1)]


def test_a_classifier_of_a_file_is_stored_and_loaded(file: Path, tmp_path: Path) -> None:
    classifier = read_file_model(file)
    save_classifier(classifier, tmp_path / "model")
    images = np.random.default_rng(2).integers(0, 256, (2, 12, 12, 1), np.uint8)
    again = load_classifier(tmp_path / "model")
    assert np.allclose(again.probabilities(images), classifier.probabilities(images), atol=1e-6)


def test_check_tells_what_differs(file: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(3).random((4, 1, 12, 12)).astype(np.float32)
    y = answers(file, x)
    reference = tmp_path / "ref.npz"
    np.savez(reference, x=x, y=y)
    assert cli.run(["weights", str(file), "--check", str(reference)]) == 0
    np.savez(reference, x=x, y=y + np.float32(1e-3))
    assert cli.run(["weights", str(file), "--check", str(reference)]) == 1


def test_an_unknown_operation_is_named_with_what_was_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [made_onnx.node("Relu", ("x",), "r"), made_onnx.node("Einsum", ("r",), "y")]
    path = made_onnx.write_onnx(tmp_path / "odd.onnx", nodes, {})
    assert cli.run(["weights", str(path)]) == 5
    told = capsys.readouterr().err
    assert "Einsum_y" in told
    assert "1 of 2" in told


def test_missing_weights_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [made_onnx.node("Conv", ("x", "w"), "y", kernel_shape=(3, 3))]
    path = made_onnx.write_onnx(tmp_path / "bare.onnx", nodes, {})
    assert cli.run(["weights", str(path)]) == 5
    assert "'w'" in capsys.readouterr().err


def test_every_truncation_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for length in range(0, len(content), 61):
        file.write_bytes(content[:length])
        with pytest.raises(ToolboxError):
            build_graph(read_foreign(file))  # type: ignore[arg-type]


def test_a_damaged_member_of_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}q\x00." + bytes(range(256)) * 9)
        archive.writestr("net/byteorder", b"little")
    content = bytearray(path.read_bytes())
    content[60:120] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ToolboxError, match="damaged"):
        read_files([path])


def test_a_damaged_tree_of_hdf5_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.4"
        file.create_group("model_weights/conv1").create_dataset("kernel", data=np.zeros(3))
    content = bytearray(path.read_bytes())
    for mark in (b"TREE", b"SNOD", b"HEAP"):
        content = content.replace(mark, b"XXXX")
    path.write_bytes(content)
    with pytest.raises(ToolboxError):
        read_files([path])


def test_a_file_of_no_toolbox_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.xyz"
    path.write_text("words")
    assert cli.run(["weights", str(path)]) == 5
    assert cli.run(["weights", str(tmp_path / "missing.onnx")]) == 5
