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
    *(
        ("pytorch", (name,), f"{name}.ref.npz")
        for name in (
            "state_dict.pt",
            "state_dict_legacy.pt",
            "checkpoint.pt",
            "whole_model.pt",
            "script.pt",
            "trace.pt",
            "script_frozen.pt",
            "cnn.pt2",
            "cnn.safetensors",
            "views.pt",
            "views_legacy.pt",
        )
    ),
    *(
        ("keras", (name,), f"{name}.ref.npz")
        for name in ("cnn.keras", "cnn_noopt.keras", "cnn_legacy.h5", "cnn.weights.h5")
    ),
    *(
        ("mxnet", (f"{name}.params",), f"{name}.params.ref.npz")
        for name in ("cnn_gluon", "cnn_gluon_export-0006", "cnn_module-0006")
    ),
    ("mxnet", ("demo_small-symbol.json", "demo_small-0000.params"), "demo_small.ref.npz"),
    ("caffe", ("demo_small.caffemodel",), "demo_small.ref.npz"),
    ("caffe", ("demo_small_v1.prototxt", "demo_small_v1.caffemodel"), "demo_small_v1.ref.npz"),
    *(
        ("torch7", (f"{name}.t7",), f"{name}.ref.npz")
        for name in ("demo_small", "demo_small_ascii", "demo_small_old")
    ),
    *(
        ("matconvnet", (f"{name}.mat",), f"{name}.ref.npz")
        for name in (
            "demo_simplenn_v5",
            "demo_simplenn_v73",
            "demo_dagnn_v5",
            "demo_dagnn_v73",
            "dncnn_sigma25",
        )
    ),
    ("cntk", ("mnist_conv.cmf",), "mnist_conv.ref.npz"),
    ("cntk", ("cifar10.pretrained.cmf",), "cifar10.pretrained.ref.npz"),
    ("cntk", ("demo_small_v1.dnn",), "demo_small_v1.ref.npz"),
    ("cntk", ("demo_small_v2.model",), "demo_small_v2.ref.npz"),
    *(
        ("tensorflow", (f"{name}.tflite",), f"{name}.tflite.ref.npz")
        for name in ("cnn_float", "cnn_float16", "cnn_dynamic", "cnn_int8")
    ),
    ("tensorflow", ("frozen.pb",), "frozen.pb.ref.npz"),
    ("tensorflow", ("tf1_model.ckpt-942.meta",), "tf1_model.ckpt-942.ref.npz"),
    ("tensorflow", ("saved_model",), "saved_model.ref.npz"),
    ("tensorflow", ("saved_model_keras_export",), "saved_model_keras_export.ref.npz"),
    ("tensorflow", ("tf1_model_v1.ckpt",), "tf1_model_v1.ckpt.ref.npz"),
    ("tensorflow", ("tf2_checkpoint.index",), "tf2_checkpoint.ref.npz"),
    *(
        ("theano", (name,), f"{name}.ref.npz")
        for name in (
            "cnn.npz",
            "cnn_named.npz",
            "cnn_values_p2.pkl",
            "cnn_values_p4.pkl",
            "cnn_shared.pkl",
        )
    ),
    ("theano", ("cifar_model_n5.npz",), "cifar_model_n5.ref.npz"),
    *(
        ("jittor", (name,), f"{name}.ref.npz")
        for name in ("cnn.pkl", "cnn_state.jt", "cnn_checkpoint.pkl")
    ),
    ("jittor", ("demo_small.pkl",), "demo_small.ref.npz"),
    ("mindspore", ("cnn.mindir",), "cnn.mindir.ref.npz"),
    ("mindspore", ("cnn.ckpt",), "cnn.ckpt.ref.npz"),
    ("mindspore", ("checkpoint_lenet-1_1875.ckpt",), "checkpoint_lenet-1_1875.ref.npz"),
    ("megengine", ("cnn.mge",), "cnn.mge.ref.npz"),
    ("megengine", ("demo_small.mge",), "demo_small_state.ref.npz"),
    ("megengine", ("cnn_state.pkl",), "cnn_state.pkl.ref.npz"),
    ("megengine", ("cnn_checkpoint.pkl",), "cnn_checkpoint.pkl.ref.npz"),
    ("megengine", ("demo_small_state.pkl",), "demo_small_state.ref.npz"),
    ("paddle", ("infer_old.pdmodel",), "infer_old.pdmodel.ref.npz"),
    ("paddle", ("infer_pir.json", "infer_pir.pdiparams"), "infer_pir.json.ref.npz"),
    ("paddle", ("ppocr_cls.pdmodel", "ppocr_cls.pdiparams"), "ppocr_cls.ref.npz"),
    ("paddle", ("cnn.pdparams",), "cnn.pdparams.ref.npz"),
    ("paddle", ("cnn_protocol2.pdparams",), "cnn_protocol2.pdparams.ref.npz"),
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
