"""torch on a CUDA GPU: the network in half precision, the grouping in Triton kernels.

Two images may be in flight. One CUDA stream uploads, one computes, one downloads, so that the
copies of one image overlap with the network of another. Images are copied through pinned memory.
"""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.classes import Classes
from streamseg.errors import ConfigError, MissingExtraError
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.results import NetworkOutput
from streamseg.runtime.base import check_network_image

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("torch", "gpu") from error

from streamseg.grouping.gpu import DeviceGrouper
from streamseg.model.weights import load_safetensors, network_from
from streamseg.runtime.cuda_slot import Mark, Slot
from streamseg.runtime.slot_pending import Fetched, SlotPending

SLOTS = 2
"""Images in flight."""
MOST_SIZES = 8
"""Sizes of images and frames for which slots are kept."""


class CudaRuntime:
    """A model's weights in torch."""

    def __init__(self, path: Path, *, device: str = "cuda", classes: Classes | None = None) -> None:
        """Load a model.

        Args:
            path: a .safetensors file that ``streamseg train`` wrote.
            device: ``cuda``, or ``cpu`` for tests, with Triton's interpreter.
            classes: the classes to find, see ``load``; all of the model if None.

        Raises:
            ConfigError: there is no such device, or the model does not know a class.
            MissingExtraError: torch or timm is not installed.
            ModelError: the file is missing or not a streamseg model.
        """
        self.device = torch.device(device)
        self._on_gpu = self.device.type == "cuda"
        if self._on_gpu and not torch.cuda.is_available():
            raise ConfigError(f"device {device!r}: torch {torch.__version__} sees no CUDA GPU")
        network = network_from(*load_safetensors(path)).eval().requires_grad_(False)
        network.select(classes)
        self.config = network.output_config
        self._dtype = torch.float16 if self._on_gpu else torch.float32
        network.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self._network = network
        self._slots: dict[tuple[object, ...], deque[Slot]] = {}
        self._upload, self._compute, self._download = (
            torch.cuda.Stream(self.device) if self._on_gpu else None for _ in range(3)
        )
        name = torch.cuda.get_device_name(self.device) if self._on_gpu else "CPU, interpreted"
        self.description = f"torch {torch.__version__}, {name}"
        self.size = None

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image, and wait for it.

        Args:
            image: RGB uint8 [H, W, 3], H and W multiples of 32.

        Raises:
            InputError: wrong shape or dtype.
        """
        check_network_image(image)
        with self._on(self._compute):
            rows, *planes = self._forward(torch.from_numpy(image.copy()).to(self.device))
            outputs = (rows.permute(2, 0, 1), *planes)
            return NetworkOutput(*(tensor.float().contiguous().cpu().numpy() for tensor in outputs))

    def submit(
        self, image: Image, grouping: GroupingConfig, *, height: int, width: int
    ) -> SlotPending:
        """Submit an image and return at once; see ``GroupingRuntime``.

        Raises:
            InputError: wrong shape or dtype.
        """
        check_network_image(image)
        slot = self._slot(image.shape, grouping, height, width)
        if slot.pending:
            slot.pending.fetch()
        np.copyto(slot.staged.numpy(), image)
        arrived, started, between, done, fetched = (Mark(self._on_gpu) for _ in range(5))
        with self._on(self._upload):
            slot.pixels.copy_(slot.staged, non_blocking=True)
            arrived.set()
        with self._on(self._compute):
            arrived.wait_on(self._compute)
            started.set()
            slot.run_network()
            between.set()
            slot.run_grouping()
            done.set()
        with self._on(self._download):
            done.wait_on(self._download)
            slot.host.copy_(slot.grouper.results, non_blocking=True)
            fetched.set()

        def read() -> Fetched:
            fetched.wait()
            # a copy, because the next image overwrites the slot's memory
            found = slot.grouper.read(slot.host.clone())
            return found, started.ms_until(between), between.ms_until(done)

        slot.pending = SlotPending(read)
        return slot.pending

    def close(self) -> None:
        """Free the memory of images; that of the network is freed with the runtime."""
        self._slots.clear()

    def _slot(
        self, shape: tuple[int, ...], grouping: GroupingConfig, height: int, width: int
    ) -> Slot:
        """Take the next of the two slots for images and frames of this size."""
        key = (shape, grouping, height, width)
        if key not in self._slots:

            def new_grouper(
                embeddings: Tensor, foreground: Tensor, classes: Tensor
            ) -> DeviceGrouper:
                return DeviceGrouper(
                    embeddings,
                    foreground,
                    classes,
                    self.config.taus,
                    grouping,
                    height=height,
                    width=width,
                )

            while len(self._slots) >= MOST_SIZES:
                del self._slots[next(iter(self._slots))]
            self._slots[key] = deque(
                Slot(self._forward, new_grouper, shape, self.device) for _ in range(SLOTS)
            )
        self._slots[key].rotate()
        return self._slots[key][0]

    def _forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 [H, W, 3] → embeddings [h, w, D], foreground [T, h, w], classes [C, h/2, w/2]."""
        with torch.no_grad():
            embeddings, foreground, classes = self._network.output(
                pixels[None].permute(0, 3, 1, 2).to(self._dtype)
            )
        # without a copy where the network is channels last
        return embeddings[0].permute(1, 2, 0).contiguous(), foreground[0], classes[0]

    def _on(self, stream: Any) -> AbstractContextManager[Any]:
        """Make a CUDA stream current; a no-op on the CPU."""
        return torch.cuda.stream(stream) if stream else nullcontext()
