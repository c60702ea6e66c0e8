"""A TensorRT engine with the memory for one picture."""

from __future__ import annotations

import numpy as np

from streamseg.errors import DeviceError
from streamseg.grouping.plan import NUMPY_TYPES
from streamseg.release.manifest import Manifest
from streamseg.release.tensorrt_module import ICudaEngine
from streamseg.results import Image, NetworkOutput
from streamseg.runtime.onnx import CHANNELS_LAST, LOGITS
from streamseg.runtime.pictures import check_network_picture
from streamseg.vehicle.cuda import Device, Stream


class EngineNetwork:
    """An execution context of an engine: a ``Runtime`` for one picture at a time.

    To be used inside ``with device.current():``.
    """

    def __init__(self, device: Device, engine: ICudaEngine, manifest: Manifest) -> None:
        """Allocate, and tell the engine where.

        Raises:
            DeviceError: no memory left, or the engine takes other arrays than the manifest says.
        """
        self.config, self.size = manifest.model, manifest.size
        self.description = f"TensorRT, {manifest.precision}"
        self._device, self._shape = device, manifest.shape
        width, height = manifest.size
        shape, self._dtype = manifest.shape, NUMPY_TYPES[manifest.shape.number]
        self.staged = device.pinned((height, width, 3), np.dtype(np.uint8))
        self.pixels = device.allocate(self.staged.array.nbytes)
        self.embeddings = device.allocate(shape.pixels * shape.dims * self._dtype.itemsize)
        planes = shape.thresholds * shape.channels
        self.logits = device.allocate(shape.pixels * planes * self._dtype.itemsize)
        self.memory_bytes = sum(
            buffer.size_bytes for buffer in (self.pixels, self.embeddings, self.logits)
        )
        self._context = engine.create_execution_context()
        if self._context is None:
            raise DeviceError("TensorRT made no execution context: out of device memory?")
        arrays = {"image": self.pixels, CHANNELS_LAST: self.embeddings, LOGITS: self.logits}
        for name, buffer in arrays.items():
            if not self._context.set_tensor_address(name, buffer.pointer):
                raise DeviceError(f"the engine has no tensor {name}")

    def stage(self, image: Image) -> None:
        """Put a picture into pinned memory.

        Raises:
            InputError: not RGB uint8 [H, W, 3] of the size that was exported.
        """
        check_network_picture(image, self.size)
        np.copyto(self.staged.array, image)

    def start(self, stream: Stream) -> None:
        """Start the network on ``pixels``.

        Raises:
            DeviceError: TensorRT refuses.
        """
        if not self._context.execute_async_v3(stream.handle):
            raise DeviceError("TensorRT could not start the network; see its log")

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one picture, and wait for it.

        Args:
            image: RGB uint8 [H, W, 3] of the size that was exported.

        Raises:
            DeviceError: the GPU or TensorRT refuses.
            InputError: wrong shape or dtype.
        """
        self.stage(image)
        device, shape = self._device, self._shape
        stream = device.stream()
        rows = device.pinned((shape.height, shape.width, shape.dims), self._dtype)
        planes = device.pinned(
            (shape.thresholds, shape.channels, shape.height, shape.width), self._dtype
        )
        try:
            device.upload(self.staged, self.pixels, stream)
            self.start(stream)
            device.download(self.embeddings, rows, stream)
            device.download(self.logits, planes, stream)
            stream.synchronize()
            return NetworkOutput(
                rows.array.transpose(2, 0, 1).astype(np.float32, order="C"),
                planes.array.astype(np.float32),
            )
        finally:
            for resource in (planes, rows, stream):
                resource.release()

    def close(self) -> None:
        """Give everything back; nothing may be under way."""
        self._context = None
        for resource in (self.staged, self.pixels, self.embeddings, self.logits):
            resource.release()
