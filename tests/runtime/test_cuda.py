"""The CUDA runtime on a GPU, and all of it but streams and graphs in Triton's interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import MODEL

from streamseg.errors import ConfigError, InputError, ModelError
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.loading import open_runtime
from streamseg.model.network import Network
from streamseg.model.weights import save_safetensors
from streamseg.runtime.base import GroupingRuntime
from streamseg.runtime.cuda import CudaRuntime
from streamseg.segmenter import Segmenter

pytestmark = pytest.mark.filterwarnings("ignore:(divide by zero|invalid):RuntimeWarning")
SIZE = {"height": 23, "width": 30}
"""Of frames: the interpreter takes a second for one of this size."""
GROUPING = GroupingConfig(min_score=0.02, max_instances=6, min_visible=0.2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_safetensors(path, Network(MODEL).state_dict(), MODEL)
    return path


@pytest.fixture
def runtime(device: torch.device, weights: Path) -> CudaRuntime:
    return CudaRuntime(weights, device=device.type)


def images(count: int) -> list[Image]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 4, 2, 3), dtype=np.uint8)
    return list(coarse.repeat(8, 1).repeat(16, 2))


def test_two_images_under_way_give_what_each_gives_alone(runtime: CudaRuntime) -> None:
    assert isinstance(runtime, GroupingRuntime)
    first, second, third = images(3)
    under_way = [runtime.submit(p, GROUPING, **SIZE) for p in (first, second)]
    found = [under_way[0].fetch()]
    under_way.append(runtime.submit(third, GROUPING, **SIZE))
    found += [pending.fetch() for pending in under_way[1:]]
    for image, (segments, network_ms, grouping_ms) in zip(
        (first, second, third), found, strict=True
    ):
        output = runtime.run(image)
        assert {values.dtype for values in vars(output).values()} == {np.dtype(np.float32)}
        expected = find_segments(output, MODEL.taus, GROUPING, **SIZE)
        assert len(segments) == len(expected) > 0
        assert (segments.label_map == expected.label_map).mean() > 0.99
        assert segments.class_id.tolist() == expected.class_id.tolist()
        assert network_ms > 0
        assert grouping_ms > 0


def test_frames_of_streams_in_turn_are_not_mixed_up(runtime: CudaRuntime) -> None:
    shown = images(3)
    under_way = [runtime.submit(image, GROUPING, **SIZE) for image in shown]
    for image, pending in reversed(list(zip(shown, under_way, strict=True))):
        segments, _, _ = pending.fetch()
        expected = find_segments(runtime.run(image), MODEL.taus, GROUPING, **SIZE)
        assert (segments.label_map == expected.label_map).mean() > 0.99
        assert np.allclose(segments.score, expected.score, atol=1e-3)
        assert pending.fetch()[0] is segments


def test_a_stream_names_every_frame_in_order(runtime: CudaRuntime) -> None:
    segmenter = Segmenter(runtime, size=(32, 32), grouping=GROUPING)
    results = list(segmenter.stream("test-pattern:24x24?frames=3"))
    assert [result.index for result in results] == [0, 1, 2]
    alone = segmenter(results[0].image)
    assert np.array_equal(alone.label_map, results[0].label_map)
    assert set(results[0].timings_ms) == {
        "decode",
        "preprocess",
        "network",
        "grouping",
        "tracking",
    }


def test_wrong_images_are_refused(runtime: CudaRuntime) -> None:
    with pytest.raises(InputError, match="multiple of 32 on both sides, got 96x33"):
        runtime.submit(np.zeros((33, 96, 3), np.uint8), GROUPING, height=33, width=96)
    with pytest.raises(InputError, match="image must be RGB uint8"):
        runtime.run(np.zeros((32, 96), np.uint8))


def test_a_missing_gpu_or_model_is_named(weights: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="sees no CUDA GPU"):
            open_runtime(weights, "cuda")
    with pytest.raises(ModelError, match="does not exist"):
        CudaRuntime(tmp_path / "none.safetensors", device="cpu")
    with pytest.raises(ConfigError, match="runtime must be one of auto, onnx, openvino"):
        open_runtime(weights, "abacus")
