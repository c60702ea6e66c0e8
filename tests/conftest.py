"""Fixtures of many tests; and where they run Triton."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import fake_cuda
import numpy as np
import pytest
from camera_servers import wait_until
from PIL import Image
from quick_interpreter import PatchedOnce
from slow_streams import slow_segmenter

from streamseg.datasets import VocLayout
from streamseg.segmenter import Segmenter

if TYPE_CHECKING:
    import torch
    from live_page import OpenPage
    from small_export import Export

    from streamseg.model.network import Network
    from streamseg.release.manifest import Release

# For ``benchmarks``. Last, since the root holds a folder ``kernels``, as is another package's name.
sys.path.append(str(Path(__file__).parents[1]))

MakeVoc: TypeAlias = Callable[..., VocLayout]

COLOUR_OF_CLASS = {1: (230, 30, 30), 2: (30, 210, 40), 3: (40, 60, 240), 4: (230, 220, 40)}
BACKGROUND_COLOUR = (90, 90, 90)

LONGEST = (
    "batch/test_batch_run.py",
    "cli/test_train_and_eval.py",
    "export/test_kernel_resources.py",
    "serve/test_video.py",
    "cli/test_own_classes.py",
    "serve/test_page.py",
    "serve/test_lost_connections.py",
    "kernels/test_group_pixels_barrier.py",
    "batch/test_two_nodes.py",
    "cli/test_stopped_training.py",
    "batch/test_stopping.py",
    "benchmarks/test_soak.py",
    "cli/test_export_and_check.py",
    "serve/test_fragments.py",
    "examples/test_examples.py",
    "train/test_training_loop.py",
    "train/test_processes.py",
    "export/test_acceptance.py",
    "cli/test_demo_and_doctor.py",
    "kernels/test_triton.py",
    "runtime/test_openvino_runtime.py",
    "video/test_fuzz.py",
)
"""Files that take longest, longest first: one that came last would leave other cores idle."""


def pytest_configure(config: pytest.Config) -> None:
    """Triton reads this when it is imported, so it must be decided before any test is."""
    if config.option.markexpr != "gpu":
        os.environ["TRITON_INTERPRET"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files start first; ``--no-loadscope-reorder`` keeps that order."""
    rank = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Where Triton runs: in its interpreter, or on a GPU."""
    import torch

    if request.param == "cpu" and find_spec("triton"):
        from triton.runtime import interpreter

        monkeypatch.setattr(interpreter, "_patch_lang", PatchedOnce(interpreter._patch_lang))

    if request.param == "cuda" and not torch.cuda.is_available():
        if os.environ.get("STREAMSEG_REQUIRE_GPU") == "1":
            pytest.fail("STREAMSEG_REQUIRE_GPU=1 and no CUDA GPU")
        pytest.skip("no CUDA GPU")
    return torch.device(request.param)


@pytest.fixture
def poisoned_memory() -> Iterator[None]:
    """Uninitialised memory is NaN or the largest integer: what an op forgets to write shows."""
    import torch

    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a CUDA driver without a GPU, for ``fake_cuda.run``."""
    if sys.platform != "linux" or not fake_cuda.compiler():
        pytest.skip("the fake driver needs Linux and a C compiler")
    return fake_cuda.build(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def compiled_release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release with kernels for sm_87, as ``streamseg export`` compiles them."""
    pytest.importorskip("triton")
    from release_files import MAX_INSTANCES, SHAPE, write_release

    from streamseg.export.to_cubin import compile_release, older_assembler, release_launches

    folder = tmp_path_factory.mktemp("release")
    launches = release_launches(SHAPE, MAX_INSTANCES)
    assemblers = {87: older_assembler()}
    kernels = compile_release(folder, launches, SHAPE.dtype, assemblers, lambda _: None)
    return write_release(folder, kernels)


@pytest.fixture(scope="session")
def make_voc(tmp_path_factory: pytest.TempPathFactory) -> MakeVoc:
    """Writes images of 96x64 in VOC's layout, each given by the classes of its objects."""

    def make(
        images: Sequence[Sequence[int]], *, side_px: int = 20, background: int = 0
    ) -> VocLayout:
        root = tmp_path_factory.mktemp("voc")
        for folder in ("JPEGImages", "SegmentationObject", "SegmentationClass"):
            (root / folder).mkdir()
        (root / "ImageSets/Segmentation").mkdir(parents=True)
        ids = [f"image{index}" for index in range(len(images))]
        (root / "ImageSets/Segmentation/train.txt").write_text("\n".join(ids))
        for index, (image_id, classes) in enumerate(zip(ids, images, strict=True)):
            image = np.full((64, 96, 3), BACKGROUND_COLOUR, np.uint8)
            objects = np.full((64, 96), background, np.uint8)
            class_map = objects.copy()
            for k, class_id in enumerate(classes, start=1):
                top, left = 8 + 9 * ((index + k) % 3), 6 + 30 * (k - 1)
                here = np.s_[top : top + side_px, left : left + side_px]
                image[here], objects[here], class_map[here] = COLOUR_OF_CLASS[class_id], k, class_id
            path = root / f"JPEGImages/{image_id}.jpg"
            Image.fromarray(image).save(path, quality=100, subsampling=0)
            Image.fromarray(objects).save(root / f"SegmentationObject/{image_id}.png")
            Image.fromarray(class_map).save(root / f"SegmentationClass/{image_id}.png")
        return VocLayout(root, "train")

    return make


@pytest.fixture(scope="session")
def colour_of_class() -> dict[int, tuple[int, int, int]]:
    return COLOUR_OF_CLASS


@pytest.fixture(scope="session")
def voc(make_voc: MakeVoc) -> VocLayout:
    return make_voc([[1, 2], [2, 3, 1], [3]])


@pytest.fixture(scope="session")
def small_network() -> Network:
    """Not to be changed."""
    from small_export import settled_network

    return settled_network()


@pytest.fixture(scope="session")
def export(small_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Each kind of file is made once: it takes seconds."""
    from small_export import Exported

    from streamseg.export.to_onnx import export_onnx

    made: dict[str, Exported] = {}

    def exported(**options: Any) -> Exported:
        kind = repr(sorted(options.items()))
        if kind not in made:
            path = tmp_path_factory.mktemp("export") / "model.onnx"
            made[kind] = Exported(path, export_onnx(small_network, path, **options))
        return made[kind]

    return exported


@pytest.fixture(scope="session")
def int8_file(export: Export, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8-bit for TensorRT, made of the half-precision file for one size; not to be changed."""
    from small_export import SIZE, blobs

    from streamseg.export.quantize import TENSORRT, quantize_onnx

    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    source = export(precision="fp16", size=SIZE, channels_last=True).path
    quantize_onnx(source, path, blobs(12), scheme=TENSORRT)
    return path


@pytest.fixture
def segmenter() -> Segmenter:
    """Fast, and knows the colours of ``colour_runtime``."""
    return slow_segmenter(0)


@pytest.fixture(scope="module")
def first_use_is_over() -> None:
    """The imports of the first frame take longer than some frames of tests of streams."""
    slow_segmenter(0)(np.zeros((96, 160, 3), np.uint8))


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    earlier = set(threading.enumerate())
    yield
    wait_until(
        lambda: (
            not [
                thread
                for thread in set(threading.enumerate()) - earlier
                if thread.name.startswith("streamseg")
            ]
        )
    )


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a model that tells objects by their colours."""
    from colour_model import write_colour_model

    return str(write_colour_model(tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress comes often, so that small recordings are seen in progress."""
    from streamseg.batch import scheduling

    monkeypatch.setattr(scheduling, "POLL_SECONDS", 0.05)


@pytest.fixture(scope="module")
def open_page() -> Iterator[OpenPage]:
    """Opens the page of ``streamseg serve`` in Chromium."""
    from chromium import chromium
    from live_page import SECONDS, live_page
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * SECONDS)
    with chromium() as browser:
        yield partial(live_page, browser)
