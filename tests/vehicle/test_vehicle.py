"""A release on a driver without a GPU: every launch, copy and byte, and nothing left behind."""

from __future__ import annotations

import shutil
import struct
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import fake_cuda
import fake_tensorrt
import pytest
from fake_cuda import Call, Run
from release_files import MAX_INSTANCES, SHAPE

from streamseg.errors import ConfigError
from streamseg.loading import open_runtime
from streamseg.release.manifest import Release, open_release

SCENARIOS = Path(__file__).with_name("vehicle_scenarios.py")
KERNELS = [
    "decode_scores_kernel",
    "group_pixels_kernel",
    "choose_seeds_kernel",
    "label_pixels_kernel",
    "list_instances_kernel",
    "relabel_kernel",
]
Play = Callable[..., Run]


@pytest.fixture
def release(compiled_release: Release, tmp_path: Path) -> Release:
    """With an engine that was built here."""
    folder = tmp_path / "release"
    shutil.copytree(compiled_release.folder, folder)
    copied = open_release(folder)
    fake_tensorrt.write_engine(copied)
    return copied


@pytest.fixture
def play(release: Release, fake_driver: Path, tmp_path: Path) -> Play:
    """Play a scenario; whatever happens, all that was lent is given back."""
    if not find_spec("cuda") or not find_spec("cuda.bindings"):
        pytest.skip("cuda-bindings is not installed")

    def play(name: str, **settings: str) -> Run:
        log = tmp_path / f"{name}.jsonl"
        done = fake_cuda.run(
            fake_driver, log, str(SCENARIOS), name, str(release.folder), **settings
        )
        assert done.calls[-1]["alive"] == 0
        counts = Counter(call["call"] for call in done.calls if not call.get("code"))
        assert counts["cuMemAlloc"] == counts["cuMemFree"]
        assert counts["cuDevicePrimaryCtxRetain"] == counts["cuDevicePrimaryCtxRelease"] > 0
        return done

    return play


def launches(done: Run) -> list[Call]:
    return done.named("cuLaunchKernel", "cuLaunchCooperativeKernel")


def test_images_come_out_right_and_in_order(play: Play) -> None:
    done = play("images")
    assert done.output["right"] == [True] * 6
    assert all(ms >= 0 for ms in done.output["times"])
    assert done.output["memory"] > 2000


def test_frames_of_streams_in_turn_are_not_mixed_up(play: Play) -> None:
    assert play("in_turn").output == pytest.approx([1, 2, 3, 4, 5], rel=1e-4)


def test_each_slot_launches_step_by_step_once_and_is_recorded_once(play: Play) -> None:
    done = play("images")
    names = [call["kernel"] for call in launches(done)]
    # two slots for 40x60, one for 30x60 used once; each is recorded at its second image
    assert names == KERNELS * 5
    captures, replays = done.named("cuStreamBeginCapture"), done.named("cuGraphLaunch")
    assert len(captures) == 4
    assert len(replays) == 6
    cooperative = done.named("cuLaunchCooperativeKernel")
    assert {call["kernel"] for call in cooperative} == {"group_pixels_kernel"}
    assert all(call["grid"][0] <= 2 * 16 for call in cooperative)


def test_arguments_are_packed_byte_for_byte(play: Play) -> None:
    done = play("images")
    at = done.output["addresses"]
    pixels = SHAPE.pixels

    def pointers(*names: str) -> bytes:
        return struct.pack(f"<{len(names)}Q", *(at[name] for name in names))

    scratch = struct.pack("<QQ", 0, 0)
    group = pointers(
        *("embeddings", "seediness", "tau_index", "squared_radius", "nearest_distance", "keys"),
        *("arrivals", "seed_index", "seed_count", "masks"),
    )
    expected = {
        "decode_scores_kernel": pointers(
            "foreground", "classes", "seediness", "tau_index", "class_id"
        )
        # strides of 1 are part of the kernel
        + struct.pack("<iiii", pixels, SHAPE.width, pixels, pixels // 4)
        + scratch,
        "group_pixels_kernel": group
        + struct.pack("<iiff", pixels, MAX_INSTANCES, 0.3, 0.5)
        + scratch,
        "relabel_kernel": pointers("label_map", "new_label", "chosen_count", "count")
        + struct.pack("<i4x", 40 * 60)
        + scratch,
    }
    found = {call["kernel"]: call["arguments"] for call in launches(done)[:6]}
    for name, packed in expected.items():
        assert found[name] == packed.hex(), name


def test_uploads_work_and_downloads_have_streams_of_their_own(play: Play) -> None:
    done = play("images")
    up, compute, down = done.output["streams"]
    # the thresholds are uploaded once, before
    assert {call["stream"] for call in done.named("cuMemcpyHtoDAsync")[1:]} == {up}
    assert {call["stream"] for call in done.named("cuMemcpyDtoHAsync")} == {down}
    assert {call["stream"] for call in launches(done)} == {compute}


def test_a_video_goes_through_the_whole_chain(play: Play) -> None:
    assert play("stream").output == [["car-1"]] * 4


def test_check_tells_that_all_is_well(play: Play) -> None:
    lines = "\n".join(play("check").output)
    assert "100.00% of the pixels keep their class" in lines
    assert "100.00% of the pixels as in numpy" in lines
    assert "p99" in lines


def test_an_engine_that_computes_something_else_is_refused(play: Play, release: Release) -> None:
    fake_tensorrt.write_engine(release, said=1.1)
    assert "output embeddings differs by 0.1 of its largest value" in play("check").output


def test_an_engine_of_another_machine_is_refused(play: Play, release: Release) -> None:
    fake_tensorrt.write_engine(release, device=replace(fake_tensorrt.ORIN, multiprocessors=8))
    assert "8 multiprocessors" in play("images").output


def test_without_an_engine_the_user_is_told_to_build(play: Play, release: Release) -> None:
    release.path("engine/trunk.plan").unlink()
    assert play("images").output.endswith("does not exist: run `streamseg build`")


def test_tensorrt_that_refuses_leaves_nothing_behind(play: Play) -> None:
    assert play("refused").output.startswith("DeviceError: TensorRT could not start the network")


def test_no_memory_leaves_nothing_behind(play: Play) -> None:
    for number in (1, 4, 9):
        output = play("images", FAKE_CUDA_FAIL=f"cuMemAlloc:{number}:2").output
        assert "CUDA_ERROR_OUT_OF_MEMORY" in output


def test_another_gpu_or_an_old_driver_is_told_what_to_export(play: Play, release: Release) -> None:
    thor = replace(fake_tensorrt.ORIN, compute_capability=(11, 0))
    fake_tensorrt.write_engine(release, device=thor)
    output = play("images", FAKE_CUDA_ARCHITECTURE="110").output
    assert "holds kernels for sm_87, and this GPU is sm_110" in output
    old = replace(fake_tensorrt.ORIN, driver_version=(12, 2))
    fake_tensorrt.write_engine(release, device=old)
    assert "supports CUDA up to 12.2" in play("images", FAKE_CUDA_VERSION="12020").output


def test_sizes_that_were_not_exported_are_refused(play: Play) -> None:
    image, frame = play("other_size").output
    assert "images of 64x32 only, got 32x32" in image
    assert "holds no kernel label_pixels with" in frame


def test_a_release_runs_with_tensorrt_and_nothing_else(release: Release) -> None:
    with pytest.raises(ConfigError, match="tensorrt runs releases, which are folders"):
        open_runtime(release.folder, "onnx")
    with pytest.raises(ConfigError, match="tensorrt runs releases, which are folders"):
        open_runtime(release.folder / "trunk.onnx", "tensorrt")


def test_without_a_driver_one_line_says_so(release: Release) -> None:
    if sys.platform == "linux" and Path("/dev/nvidia0").exists():
        pytest.skip("there is a driver")
    from streamseg.errors import DeviceError, MissingExtraError

    with pytest.raises((DeviceError, MissingExtraError), match=r"libcuda|vehicle"):
        open_runtime(release.folder)
