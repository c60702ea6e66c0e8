"""A TensorRT engine with the memory for one image."""

from __future__ import annotations

import numpy as np

from streamseg.errors import DeviceError
from streamseg.frame import Image
from streamseg.grouping.blocks import NUMPY_TYPES
from streamseg.release.manifest import Manifest
from streamseg.release.tensorrt_module import ICudaEngine
from streamseg.results import NetworkOutput
from streamseg.runtime.base import check_network_image
from streamseg.runtime.model_file import CHANNELS_LAST, CLASSES, FOREGROUND
from streamseg.vehicle.cuda import Device, Stream


class EngineNetwork:
    """An execution context of an engine: a ``Runtime`` for one image at a time.

    Use it inside ``with device.current():``.
    """

    def __init__(self, device: Device, engine: ICudaEngine, manifest: Manifest) -> None:
        """Allocate the tensors and pass their addresses to the engine.

        Raises:
            DeviceError: no memory left, or the engine takes other arrays than the manifest says.
        """
        self.config, self.size = manifest.model, manifest.size
        self.description = f"TensorRT, {manifest.precision}"
        self._device, self._shape = device, manifest.shape
        width, height = manifest.size
        shape, self._dtype = manifest.shape, NUMPY_TYPES[manifest.shape.dtype]
        self.staged = device.pinned((height, width, 3), np.dtype(np.uint8))
        self.pixels = device.allocate(self.staged.array.nbytes)
        self.embeddings = device.allocate(shape.pixels * shape.dims * self._dtype.itemsize)
        self.foreground = device.allocate(shape.pixels * shape.thresholds * self._dtype.itemsize)
        self.classes = device.allocate(shape.class_pixels * shape.classes * self._dtype.itemsize)
        self._buffers = (self.pixels, self.embeddings, self.foreground, self.classes)
        self.memory_bytes = sum(buffer.size_bytes for buffer in self._buffers)
        self._context = engine.create_execution_context()
        if self._context is None:
            raise DeviceError("TensorRT made no execution context: out of device memory?")
        names = ("image", CHANNELS_LAST, FOREGROUND, CLASSES)
        for name, buffer in zip(names, self._buffers, strict=True):
            if not self._context.set_tensor_address(name, buffer.pointer):
                raise DeviceError(f"the engine has no tensor {name}")

    def stage(self, image: Image) -> None:
        """Put an image into pinned memory.

        Raises:
            InputError: not RGB uint8 [H, W, 3] of the size that was exported.
        """
        check_network_image(image, self.size)
        np.copyto(self.staged.array, image)

    def start(self, stream: Stream) -> None:
        """Start the network on ``pixels``.

        Raises:
            DeviceError: TensorRT refuses.
        """
        if not self._context.execute_async_v3(stream.handle):
            raise DeviceError("TensorRT could not start the network; see its log")

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image, and wait for it.

        Args:
            image: RGB uint8 [H, W, 3] of the size that was exported.

        Raises:
            DeviceError: the GPU or TensorRT refuses.
            InputError: wrong shape or dtype.
        """
        self.stage(image)
        device, shape = self._device, self._shape
        stream = device.stream()
        height, width = shape.height, shape.width
        shapes = (
            (height, width, shape.dims),
            (shape.thresholds, height, width),
            (shape.classes, height // 2, width // 2),
        )
        fetched = [device.pinned(shape, self._dtype) for shape in shapes]
        try:
            device.upload(self.staged, self.pixels, stream)
            self.start(stream)
            for buffer, memory in zip(self._buffers[1:], fetched, strict=True):
                device.download(buffer, memory, stream)
            stream.synchronize()
            rows, foreground, classes = (memory.array for memory in fetched)
            return NetworkOutput(
                rows.transpose(2, 0, 1).astype(np.float32, order="C"),
                foreground.astype(np.float32),
                classes.astype(np.float32),
            )
        finally:
            for resource in (*fetched, stream):
                resource.release()

    def close(self) -> None:
        """Free all memory; nothing may be in flight."""
        self._context = None
        for resource in (self.staged, *self._buffers):
            resource.release()
