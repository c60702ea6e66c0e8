"""Load a model file or the shipped model, and choose the backend that runs it.

``open_runtime`` has the rule by which ``auto`` chooses.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamseg.classes import Classes
from streamseg.errors import ConfigError, MissingExtraError, ModelError
from streamseg.grouping.cpu import GroupingConfig
from streamseg.runtime.base import Runtime
from streamseg.segmenter import Segmenter
from streamseg.streaming.sources import SourceLike, StreamOptions
from streamseg.streaming.stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

SHIPPED_MODEL: Final = Path(__file__).parent / "weights" / "nano.onnx"
SHIPPED_MODELS: Final = {"nano": SHIPPED_MODEL}
"""ONNX files of the shipped models by name; weights to fine-tune from and the card are beside."""
RUNTIMES: Final = ("auto", "onnx", "openvino", "cuda", "tensorrt")
WEIGHTS_SUFFIX: Final = ".safetensors"
CPU_FLAGS: Final = Path("/proc/cpuinfo")
"""Lists the CPU's features, on Linux."""


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    max_pixels: int | None = None,
    threads: int | None = None,
    min_score: float | None = None,
    classes: Classes | None = None,
    runtime: str = "auto",
) -> Segmenter:
    """Load a model.

    Args:
        model: an ONNX file that ``streamseg train`` wrote, the .safetensors weights beside it, the
            folder of a release, or ``nano``; the shipped model if None.
        size: width and height of the network's input in pixels; see ``Segmenter``.
        max_pixels: most pixels of the network's input; see ``Segmenter``.
        threads: for the network; all CPU cores if None.
        min_score: instances with a lower score, 0 to 1, are dropped. If None, the model's own
            threshold for each class decides, and 0.5 where it has none.
        classes: ``coco`` or ``voc``, or names of the classes to detect; all of the model's classes
            if None. The classes of a release are fixed by its export.
        runtime: the backend: ``onnx`` or ``openvino`` (extra ``openvino``) on the CPU, ``cuda``
            (extra ``gpu``) on an NVIDIA GPU, ``tensorrt`` (extra ``vehicle``) for a release.
            ``auto`` takes ``tensorrt`` for a release. For a file it takes the first of ``cuda``,
            ``openvino`` and ``onnx`` that is installed and can run here; ``openvino`` only if the
            CPU computes in bfloat16. ``Segmenter.runtime.description`` shows the choice.

    Raises:
        ModelError: the file is missing or not a streamseg model.
        ConfigError: a value is out of range, or the runtime cannot run here.
        MissingExtraError: the runtime is not installed.
    """
    grouping = None if min_score is None else GroupingConfig(min_score=min_score)
    opened = open_runtime(model_path(model), runtime, threads=threads, classes=classes)
    return Segmenter(opened, size=size, max_pixels=max_pixels, grouping=grouping)


def stream(
    sources: SourceLike | Iterable[SourceLike], **stream_options: Unpack[StreamOptions]
) -> Stream:
    """Segment with the shipped model: ``load().stream(...)``, see ``Segmenter.stream``."""
    return load().stream(sources, **stream_options)


def model_path(model: str | os.PathLike[str] | None, suffix: str | None = None) -> Path:
    """Find the file of a model.

    Args:
        model: name of a shipped model, or a path; ``nano`` if None.
        suffix: which file of a shipped model, as ``.safetensors``; ``.onnx`` if None.

    Raises:
        ModelError: it is neither the name of a shipped model nor that of a file or folder.
    """
    name = "nano" if model is None else os.fspath(model)
    if name not in SHIPPED_MODELS:
        path = Path(name)
        if not path.suffix and not path.exists():
            shipped = ", ".join(SHIPPED_MODELS)
            raise ModelError(f"model {name} does not exist; the shipped model is called {shipped}")
        return path
    return SHIPPED_MODELS[name].with_suffix(suffix or ".onnx")


def open_runtime(
    model: Path,
    name: str = "auto",
    *,
    threads: int | None = None,
    classes: Classes | None = None,
) -> Runtime:
    """Load a model into a backend.

    Args:
        model: an ONNX file or .safetensors weights; a backend that needs the other kind of file
            looks for it beside this one, under the same name. Or the folder of a release.
        name: one of ``RUNTIMES``. ``auto`` takes ``tensorrt`` for a release; for a file ``cuda`` if
            there are a GPU, torch, Triton and weights, else ``openvino`` if it is installed and the
            CPU computes in bfloat16, else ``onnx``.
        threads: CPU threads of the network; one for each core if None.
        classes: see ``load``.

    Raises:
        ConfigError: the name is unknown, the backend cannot run here, or the model does not know
            a class.
        MissingExtraError: a package that the backend needs is not installed.
        ModelError: the model cannot be loaded.
    """
    if name not in RUNTIMES:
        raise ConfigError(f"runtime must be one of {', '.join(RUNTIMES)}, got {name!r}")
    if model.is_dir() or name == "tensorrt":
        if name not in ("auto", "tensorrt") or not model.is_dir():
            raise ConfigError(
                f"runtime {name!r} cannot run {model}: tensorrt runs releases, which are folders, "
                "and the other runtimes run files"
            )
        if classes is not None:
            raise ConfigError(f"{model} has the classes of its export: leave out classes")
        from streamseg.vehicle.runtime import VehicleRuntime

        return VehicleRuntime(model)
    weights = model.with_suffix(WEIGHTS_SUFFIX)
    if name == "auto":
        able = weights.exists() and has_cuda_gpu() and all(map(find_spec, ("torch", "triton")))
        name = "cuda" if able else "openvino" if prefers_openvino() else "onnx"
    if name == "cuda":
        from streamseg.runtime.cuda import CudaRuntime

        return CudaRuntime(weights, classes=classes)
    if model.suffix == WEIGHTS_SUFFIX:
        model = model.with_suffix(".onnx")
    if name == "openvino":
        from streamseg.runtime.openvino import OpenVinoRuntime

        return OpenVinoRuntime(model, threads=threads, classes=classes)
    from streamseg.runtime.onnx import OnnxRuntime

    return OnnxRuntime(model, threads=threads, classes=classes)


def prefers_openvino() -> bool:
    """Whether ``auto`` prefers OpenVINO to ONNX Runtime: if the CPU computes in bfloat16.

    OpenVINO must also be importable. docs/benchmarks.md compares both. OpenVINO needs a second to
    compile for each size of image.
    """
    if not find_spec("openvino"):
        return False
    try:
        if not {"amx_bf16", "avx512_bf16"} & set(CPU_FLAGS.read_text().split()):
            return False
        import streamseg.runtime.openvino  # noqa: F401
    except (OSError, MissingExtraError):
        return False
    return True


def has_cuda_gpu() -> bool:
    """Whether there is a CUDA GPU. This asks the driver, because importing torch takes seconds."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return ready and count.value > 0
