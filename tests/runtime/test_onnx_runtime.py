from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from colour_runtime import mean_colours
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from onnx import TensorProto, helper

from streamseg.config import ModelConfig
from streamseg.errors import InputError, ModelError
from streamseg.runtime.model_file import METADATA_KEY
from streamseg.runtime.onnx import OnnxRuntime

CONFIG = ModelConfig(embedding_dim=3, taus=(0.5,), class_names=("nut", "bolt"))


def write_model(path: Path, metadata: dict[str, str]) -> Path:
    """A model of mean colours: of 4x4 pixels all are embeddings and red is the foreground; of 8x8
    pixels green and blue are the classes."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node(
                "AveragePool", ["planes"], ["embeddings"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Split", ["embeddings", "sizes"], ["foreground", "others"], axis=1),
            helper.make_node(
                "AveragePool", ["others"], ["classes"], kernel_shape=[2, 2], strides=[2, 2]
            ),
        ],
        "mean colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "H", "W", 3])],
        [
            helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [1, 3, "h", "w"]),
            helper.make_tensor_value_info("foreground", TensorProto.FLOAT, [1, 1, "h", "w"]),
            helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 2, "h2", "w2"]),
        ],
        [helper.make_tensor("sizes", TensorProto.INT64, [2], [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    return write_model(folder / "model.onnx", {METADATA_KEY: CONFIG.to_json()})


@pytest.fixture(scope="module")
def runtime(path: Path) -> OnnxRuntime:
    return OnnxRuntime(path, threads=1)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_outputs_are_those_of_the_graph_without_the_batch(
    runtime: OnnxRuntime, height: int, width: int
) -> None:
    image = noise(height, width)
    fine, coarse = (mean_colours(image, side).transpose(2, 0, 1) for side in (4, 8))
    output = runtime.run(image)
    assert {values.dtype for values in vars(output).values()} == {np.dtype(np.float32)}
    assert_allclose(output.embeddings, fine, rtol=1e-5)
    assert_allclose(output.foreground, fine[:1], rtol=1e-5)
    assert_allclose(output.classes, coarse[1:], rtol=1e-5)


def test_a_view_gives_what_its_copy_gives(runtime: OnnxRuntime) -> None:
    view = noise(64, 64)[::-1, :32]
    expected = runtime.run(np.ascontiguousarray(view))
    assert np.array_equal(runtime.run(view).embeddings, expected.embeddings)


def test_config_and_description_come_with_the_model(path: Path, runtime: OnnxRuntime) -> None:
    assert runtime.config == CONFIG
    assert "ONNX Runtime" in runtime.description
    assert "threads: 3" in OnnxRuntime(path, threads=3).description


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 32, 3), np.float32),
        np.zeros((32, 32), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((3, 32, 32), np.uint8),
    ],
    ids=lambda image: f"{image.dtype} {image.shape}",
)
def test_what_is_no_image_is_refused(runtime: OnnxRuntime, image: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"must be RGB uint8 \[H, W, 3\], got (float32|uint8) \["):
        runtime.run(image)


@pytest.mark.parametrize(("height", "width"), [(33, 32), (32, 48), (0, 32), (32, 0)])
def test_sides_that_are_no_multiple_of_32_are_refused(
    runtime: OnnxRuntime, height: int, width: int
) -> None:
    with pytest.raises(InputError, match=f"multiple of 32 on both sides, got {width}x{height}"):
        runtime.run(np.zeros((height, width, 3), np.uint8))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for missing in (tmp_path / "no.onnx", tmp_path):
        with pytest.raises(ModelError, match=f"{missing} does not exist"):
            OnnxRuntime(missing)


@pytest.mark.parametrize(
    "damage",
    [lambda whole: b"", lambda whole: b"some text\n", lambda whole: whole[: len(whole) // 2]],
    ids=["empty", "text", "half"],
)
def test_a_broken_file_is_no_model(
    path: Path, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match="is not an ONNX model that can be run"):
        OnnxRuntime(broken)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "was not exported by streamseg"),
        ({"author": "somebody"}, "was not exported by streamseg"),
        ({METADATA_KEY: "{"}, "not JSON"),
        ({METADATA_KEY: '{"colour": 1}'}, "unknown keys: colour; it needs another version"),
    ],
)
def test_models_of_others_are_refused(
    metadata: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        OnnxRuntime(write_model(tmp_path / "model.onnx", metadata))
