"""torch on a CUDA GPU: network in half precision, grouping by our Triton kernels.

Two pictures may be under way. One stream uploads, one computes, one downloads, so that copies of
one picture run beside the network of another; pictures go through buffers of pinned memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import ConfigError, MissingExtraError
from streamseg.grouping import GroupingConfig
from streamseg.results import Image, NetworkOutput, Segments
from streamseg.runtime.pictures import check_network_picture

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("torch", "gpu") from error

from streamseg.device_grouping import DeviceSegments, find_segments
from streamseg.model.network import Network
from streamseg.model.weights import load_safetensors, network_from

SLOTS = 2
"""Pictures under way."""
WARM_UP_RUNS = 3
"""Before a CUDA graph is recorded: libraries choose their algorithms in the first runs."""

Outputs = tuple[Tensor, Tensor]


class CudaRuntime:
    """A model's weights in torch."""

    def __init__(self, path: Path, *, device: str = "cuda") -> None:
        """Load a model.

        Args:
            path: a .safetensors file that ``streamseg train`` wrote.
            device: where; Triton's interpreter can also group on ``cpu``, for tests.

        Raises:
            ConfigError: there is no such device.
            MissingExtraError: torch or timm is not installed.
            ModelError: the file is missing or not a model of ours.
        """
        self.device = torch.device(device)
        self._on_gpu = self.device.type == "cuda"
        if self._on_gpu and not torch.cuda.is_available():
            raise ConfigError(f"device {device!r}: torch {torch.__version__} sees no CUDA GPU")
        weights, self.config = load_safetensors(path)
        network = network_from(weights, self.config).eval().requires_grad_(False)
        self._dtype = torch.float16 if self._on_gpu else torch.float32
        network.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self._network = network
        self._runners: dict[tuple[int, ...], _Runner] = {}
        self._upload, self._compute, self._download = (
            torch.cuda.Stream(self.device) if self._on_gpu else None for _ in range(3)
        )
        name = torch.cuda.get_device_name(self.device) if self._on_gpu else "CPU, interpreted"
        self.description = f"torch {torch.__version__}, {name}"

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one picture, and wait for it.

        Args:
            image: RGB uint8 [H, W, 3], H and W multiples of 32.

        Raises:
            InputError: wrong shape or dtype.
        """
        with self._on(self._compute):
            runner = self._runner(image)
            embeddings, logits = runner(self._uploaded(image, runner))
            return NetworkOutput(*(np.ascontiguousarray(_host(t)) for t in (embeddings, logits)))

    def submit(
        self, image: Image, grouping: GroupingConfig, *, height: int, width: int
    ) -> _PendingSegments:
        """Start with a picture and return at once; see ``GroupingRuntime``.

        Raises:
            InputError: wrong shape or dtype.
        """
        with self._on(self._compute):
            runner = self._runner(image)
            pixels = self._uploaded(image, runner)
            started, between, done = (_Mark(self._on_gpu) for _ in range(3))
            started.set()
            embeddings, logits = runner(pixels)
            between.set()
            segments = find_segments(
                embeddings, logits, self.config.taus, grouping, height=height, width=width
            )
            done.set()
        with self._on(self._download):
            done.wait_on(self._download)
            copied = segments.copied_to_host()
            fetched = _Mark(self._on_gpu)
            fetched.set()
        return _PendingSegments(copied, started, between, done, fetched)

    def _runner(self, image: Image) -> _Runner:
        check_network_picture(image)
        if image.shape not in self._runners:
            self._runners[image.shape] = _Runner(self._network, image.shape, self._dtype)
        return self._runners[image.shape]

    def _uploaded(self, image: Image, runner: _Runner) -> Tensor:
        """The picture on the device, uint8 [H, W, 3]; the compute stream waits for it."""
        staged = runner.staged()
        np.copyto(staged.numpy(), image)
        arrived = _Mark(self._on_gpu)
        with self._on(self._upload):
            pixels = staged.to(self.device, non_blocking=True)
            arrived.set()
        arrived.wait_on(self._compute)
        if self._compute:
            pixels.record_stream(self._compute)
        return pixels

    def _on(self, stream: Any) -> AbstractContextManager[Any]:
        """Work in a stream; where there is none, right here."""
        return torch.cuda.stream(stream) if stream else nullcontext()


class _Runner:
    """The network for pictures of one size: recorded once as a CUDA graph, replayed for each."""

    def __init__(self, network: Network, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self._network = network
        self._dtype = dtype
        device = next(network.parameters()).device
        on_gpu = device.type == "cuda"
        pinned = [torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu) for _ in range(SLOTS)]
        self._pinned = cycle(pinned)
        self._pixels = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._replay: Callable[[], None] | None = None
        if on_gpu:
            for _ in range(WARM_UP_RUNS):
                self._outputs = self._forward()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream(device)):
                self._outputs = self._forward()
            self._replay = graph.replay

    def staged(self) -> Tensor:
        """The next buffer of pinned memory; with two pictures under way its last one is done."""
        return next(self._pinned)

    def __call__(self, pixels: Tensor) -> Outputs:
        """Embeddings [D, h, w] and logits [T, C+1, h, w], overwritten by the next call."""
        self._pixels.copy_(pixels)
        if self._replay:
            self._replay()
        else:
            self._outputs = self._forward()
        return self._outputs

    def _forward(self) -> Outputs:
        pixels = self._pixels[None].permute(0, 3, 1, 2).to(self._dtype)
        with torch.no_grad():
            embeddings, logits = self._network(pixels)
        return embeddings[0], logits[0]


class _Mark:
    """A CUDA event; on a CPU, where all is done in order, a time."""

    def __init__(self, on_gpu: bool) -> None:
        self._event = torch.cuda.Event(enable_timing=True) if on_gpu else None
        self._seconds = 0.0

    def set(self) -> None:
        """Mark this point of the current stream."""
        if self._event:
            self._event.record()
        else:
            self._seconds = time.perf_counter()

    def wait_on(self, stream: Any) -> None:
        """Let a stream wait for this point."""
        if self._event:
            stream.wait_event(self._event)

    def wait(self) -> None:
        """Wait here until this point has passed."""
        if self._event:
            self._event.synchronize()

    def ms_until(self, later: _Mark) -> float:
        """Milliseconds between two points that have passed."""
        if self._event and later._event:
            return float(self._event.elapsed_time(later._event))
        return 1e3 * (later._seconds - self._seconds)


@dataclass(frozen=True)
class _PendingSegments:
    segments: DeviceSegments
    started: _Mark
    between: _Mark
    done: _Mark
    fetched: _Mark

    def fetch(self) -> tuple[Segments, float, float]:
        self.fetched.wait()
        found = self.segments.on_host()
        return found, self.started.ms_until(self.between), self.between.ms_until(self.done)


def _host(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    array: np.ndarray[Any, np.dtype[np.float32]] = tensor.float().cpu().numpy()
    return array
