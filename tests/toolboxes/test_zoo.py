"""Every file of the zoo that has a reference gives its toolbox's own answers."""

from pathlib import Path

import pytest

from striate import cli

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT.parent / "shared" / "zoo"

# Toolbox folder, files of one network, reference.
CASES = [
    *(
        ("onnx-export", (f"{name}.onnx",), f"{name}.onnx.ref.npz")
        for name in (
            "keras_opset13",
            "keras_opset18",
            "keras_opset20_converted",
            "torch_dynamo_opset20",
            "torch_opset13",
            "torch_opset13_unfolded",
            "torch_opset20",
        )
    ),
    ("onnx", ("mnist_cntk.onnx",), "mnist_cntk.ref.npz"),
    ("onnx", ("ppocr_cls.onnx",), "ppocr_cls.ref.npz"),
    ("caffe", ("demo_small.caffemodel",), "demo_small.ref.npz"),
    ("caffe", ("demo_small_v1.prototxt", "demo_small_v1.caffemodel"), "demo_small_v1.ref.npz"),
]


@pytest.mark.parametrize(("folder", "files", "reference"), CASES, ids=lambda v: str(v))
def test_answers_as_its_toolbox_does(
    folder: str, files: tuple[str, ...], reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ZOO / folder
    if not place.is_dir():
        pytest.skip(f"the zoo of {folder} is not beside this checkout")
    paths = [str(place / name) for name in files]
    code = cli.run(["weights", *paths, "--check", str(place / reference)])
    told = capsys.readouterr()
    assert code == 0, told.out + told.err
    assert "ok" in told.out.split()
    assert "differs" not in told.out.split()
