"""OpenVINO on the CPU: faster than ONNX Runtime where the CPU computes in bfloat16."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Final, TypeAlias

import numpy as np

from streamseg.classes import Classes
from streamseg.cores import usable_cores
from streamseg.errors import ConfigError, MissingExtraError, ModelError
from streamseg.frame import Image
from streamseg.results import NetworkOutput
from streamseg.runtime.base import check_network_image
from streamseg.runtime.model_file import (
    METADATA_KEY,
    configuration,
    network_output,
    output_names,
)

try:
    from openvino import Core, InferRequest, Model, Tensor, __version__
except ImportError as error:
    raise MissingExtraError("openvino", "openvino") from error

DEVICE: Final = "CPU"
PRECISIONS: Final = {"bf16": "BF16", "f32": "FP32"}
"""Best first, each with the capability that the CPU must have."""
METADATA: Final = "framework"
"""The section in which OpenVINO keeps the metadata of an ONNX file."""
_Idle: TypeAlias = "SimpleQueue[InferRequest]"
"""The requests of a compiled network that no thread uses."""
SIZES_SEEN: Final = 100
"""Most image sizes to remember."""
SIZES_KEPT: Final = 8
"""Most image sizes for which the compiled network is kept, at some 55 MiB each."""

# The bindings load numpy when they first convert a tensor. Two threads that do so at the same time
# wait for each other forever, so it is done here, where there is one.
_ = Tensor(np.zeros(1, np.uint8)).data


class OpenVinoRuntime:
    """A model file in OpenVINO.

    The network is compiled for the size of the first image, which takes a second. For the first
    image of another size it is compiled for all sizes. When that size comes again, it is compiled
    for that size too: images then take two thirds of the time.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        classes: Classes | None = None,
        precision: str | None = None,
        at_once: int = 1,
    ) -> None:
        """Load a model.

        Args:
            path: an ONNX file that streamseg exported.
            threads: CPU threads of the network; one for each core if None.
            classes: the classes to find, see ``load``; all of the model if None.
            precision: ``bf16`` or ``f32``, of the layers that are not 8-bit; ``bf16`` by default
                if the CPU computes in it.
            at_once: number of images that share the threads at the same time.

        Raises:
            ConfigError: the precision is unknown, the CPU does not compute in it, or the model
                does not know a class.
            ModelError: the file is missing, not ONNX, or not exported by streamseg.
        """
        able = precisions()
        if precision not in (None, *able):
            raise ConfigError(
                f"precision must be {' or '.join(able)} on this CPU, got {precision!r}"
            )
        if not path.is_file():
            raise ModelError(f"model file {path} does not exist")
        self._core = Core()
        try:
            self._model = self._core.read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"{path} is not an ONNX model that can be run: {reason}") from error
        place = [METADATA, METADATA_KEY]
        metadata = self._model.get_rt_info(place).value if self._model.has_rt_info(place) else None
        config = configuration(metadata, path)
        self.config, self._classes = config.select(classes)
        self.threads = threads or usable_cores()
        self._options = {
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": at_once,
            "INFERENCE_PRECISION_HINT": precision or able[0],
            # by default two processes with few threads pin them to the same cores
            "ENABLE_CPU_PINNING": False,
        }
        shape = self._model.inputs[0].partial_shape
        self.size: tuple[int, int] | None = None
        """Width and height in pixels of the images that the file takes; None if it takes any."""
        if shape.is_static:
            self.size = shape[2].get_length(), shape[1].get_length()
        self._outputs = output_names(
            name for output in self._model.outputs for name in output.names
        )
        self._at_once = at_once
        self._networks: OrderedDict[tuple[int, ...], _Idle] = OrderedDict()
        self._for_all_sizes: _Idle | None = None
        self._seen: OrderedDict[tuple[int, ...], None] = OrderedDict()
        self._lock = Lock()
        self.description = (
            f"OpenVINO {__version__.partition('-')[0]}, CPU, {precision or able[0]}, "
            f"threads: {self.threads}"
        )
        self._load = partial(
            OpenVinoRuntime, path, threads=self.threads, classes=classes, precision=precision
        )

    def divided(self, count: int) -> OpenVinoRuntime:
        """Load the network for several images at the same time; see ``DivisibleRuntime``."""
        return self._load(at_once=count)

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image; several threads may do so.

        Args:
            image: RGB uint8 [H, W, 3], H and W multiples of 32.

        Returns:
            Float32 for any precision.

        Raises:
            InputError: wrong shape or dtype, or a size that the file was not exported for.
        """
        check_network_image(image, self.size)
        with self._lock:
            idle = self._network(image.shape)
        request = idle.get()
        try:
            output = request.infer({"image": image[None]})
        finally:
            idle.put(request)
        return network_output({name: output[name] for name in self._outputs}, self._classes)

    def close(self) -> None:
        """No-op: nothing is held on a device."""

    def _network(self, shape: tuple[int, ...]) -> _Idle:
        """The network compiled for images of a shape [H, W, 3], or for all sizes."""
        is_first = not self._seen  # most likely of a video, whose frames have one size
        if shape not in self._seen and self.size is None:
            self._seen[shape] = None
            if len(self._seen) > SIZES_SEEN:
                self._seen.popitem(last=False)
            if not is_first:
                self._for_all_sizes = self._for_all_sizes or self._compiled(self._model)
                return self._for_all_sizes
        if shape not in self._networks:
            if len(self._networks) == SIZES_KEPT:
                self._networks.popitem(last=False)
            model = self._model.clone()
            model.reshape([1, *shape])
            self._networks[shape] = self._compiled(model)
        self._networks.move_to_end(shape)
        return self._networks[shape]

    def _compiled(self, model: Model) -> _Idle:
        compiled = self._core.compile_model(model, DEVICE, self._options)
        idle: _Idle = SimpleQueue()
        for _ in range(self._at_once):
            idle.put(compiled.create_infer_request())
        return idle


def precisions() -> tuple[str, ...]:
    """The precisions that this CPU computes in, best first."""
    capabilities = Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name, needed in PRECISIONS.items() if needed in capabilities)
