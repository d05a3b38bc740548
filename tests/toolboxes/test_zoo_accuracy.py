"""Networks of the zoo on the demo set's test images: the accuracy that their toolbox had."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data.sources.demo import load_demo
from striate.nets.foreign import read_foreign
from striate.toolboxes.build import build_graph
from striate.toolboxes.graph import Array

ZOO = Path(__file__).resolve().parents[3] / "shared" / "zoo"
FILES = (
    ("keras/cnn.keras", "keras/cnn.keras.ref.npz"),
    ("keras/cnn_legacy.h5", "keras/cnn_legacy.h5.ref.npz"),
    ("keras/cnn.weights.h5", "keras/cnn.weights.h5.ref.npz"),
    ("caffe/demo_small.caffemodel", "caffe/demo_small.ref.npz"),
    ("caffe/demo_small_v1.caffemodel", "caffe/demo_small_v1.ref.npz"),
    ("mxnet/demo_small-0000.params", "mxnet/demo_small.ref.npz"),
    ("mxnet/cnn_module-0006.params", "mxnet/cnn_module-0006.params.ref.npz"),
    ("mxnet/cnn_gluon.params", "mxnet/cnn_gluon.params.ref.npz"),
    ("pytorch/state_dict.pt", "pytorch/state_dict.pt.ref.npz"),
    ("pytorch/script.pt", "pytorch/script.pt.ref.npz"),
    ("pytorch/cnn.pt2", "pytorch/cnn.pt2.ref.npz"),
    ("onnx-export/torch_opset13.onnx", "onnx-export/torch_opset13.onnx.ref.npz"),
    ("onnx-export/keras_opset18.onnx", "onnx-export/keras_opset18.onnx.ref.npz"),
)


@cache
def demo_test_images() -> tuple[Array, Array]:
    """The test images N x 1 x 28 x 28 in 0 to 1, and their classes in the order of names."""
    demo = load_demo()
    test = np.array(demo.splits) == "test"
    names = sorted(set(demo.labels))
    truth = np.array([names.index(label) for label in demo.labels])
    return demo.images[test][:, None].astype(np.float32) / 255, truth[test]


def answers(file: str) -> Array:
    if not (ZOO / file).exists():
        pytest.skip(f"the zoo of {file} is not beside this checkout")
    graph = read_foreign(ZOO / file)
    assert graph is not None
    images = torch.from_numpy(demo_test_images()[0])
    if graph.inputs[0].layout == "NHWC":
        images = images.permute(0, 2, 3, 1)
    with torch.no_grad():
        return np.asarray(build_graph(graph)(images))


@pytest.mark.parametrize(("file", "reference"), FILES, ids=lambda value: str(value))
def test_the_accuracy_is_the_toolboxs_own(file: str, reference: str) -> None:
    found = answers(file).argmax(1)
    with np.load(ZOO / reference) as arrays:
        assert (found == demo_test_images()[1]).mean() == pytest.approx(float(arrays["accuracy"]))


def test_one_network_out_of_two_toolboxes_answers_alike() -> None:
    one, other = answers("caffe/demo_small.caffemodel"), answers("mxnet/demo_small-0000.params")
    assert np.abs(one - other).max() < 1e-5
    assert np.array_equal(one.argmax(1), other.argmax(1))
