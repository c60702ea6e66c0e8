"""Memory, recorded work and events of one image in flight on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from streamseg.grouping.gpu import DeviceGrouper
from streamseg.runtime.slot_pending import SlotPending

Forward = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
"""The network: uint8 [H, W, 3] → embeddings [h, w, D], foreground [T, h, w] and classes
[C, h/2, w/2]."""
NewGrouper = Callable[[Tensor, Tensor, Tensor], DeviceGrouper]
"""Makes a grouper for network outputs of these shapes and dtypes."""


class Slot:
    """Memory for one image at a time.

    The first image is computed without CUDA graphs; meanwhile libraries choose their algorithms
    and Triton compiles. Before the second image the work is recorded as two CUDA graphs, which are
    replayed from then on. So a size that comes only once is not recorded.
    """

    def __init__(
        self,
        forward: Forward,
        new_grouper: NewGrouper,
        shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        """Allocate memory for images of a shape, uint8 [H, W, 3]."""
        self._forward = forward
        self._new_grouper = new_grouper
        self._on_gpu = device.type == "cuda"
        self._grouper: DeviceGrouper | None = None
        self._graphs: tuple[Any, Any] | None = None
        self.staged = torch.empty(shape, dtype=torch.uint8, pin_memory=self._on_gpu)
        """uint8 [H, W, 3] on the host, in pinned memory."""
        self.pixels = torch.empty(shape, dtype=torch.uint8, device=device)
        self.pending: SlotPending | None = None
        """The latest image."""

    def run_network(self) -> None:
        """Launch the network on ``pixels`` in the current CUDA stream."""
        if self._on_gpu and self._grouper and not self._graphs:
            self._graphs = self._recorded(self._grouper)
        if self._graphs:
            self._graphs[0].replay()
        else:
            self._outputs = self._forward(self.pixels)

    def run_grouping(self) -> None:
        """Launch the grouping of the network's output in the current CUDA stream."""
        if self._graphs:
            self._graphs[1].replay()
            return
        if not self._grouper:
            self._grouper = self._new_grouper(*self._outputs)
            results = self._grouper.results
            self.host = torch.empty(results.shape, dtype=torch.uint8, pin_memory=self._on_gpu)
        self._grouper(*self._outputs)

    @property
    def grouper(self) -> DeviceGrouper:
        """The grouper, which the first ``run_grouping`` makes."""
        assert self._grouper
        return self._grouper

    def _recorded(self, grouper: DeviceGrouper) -> tuple[Any, Any]:
        stream = torch.cuda.current_stream(self.pixels.device)
        network, grouping = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(network, stream=stream):
            self._outputs = self._forward(self.pixels)
        with torch.cuda.graph(grouping, stream=stream):
            grouper(*self._outputs)
        return network, grouping


class Mark:
    """A CUDA event; on a CPU, where everything runs in order, a time."""

    def __init__(self, on_gpu: bool) -> None:
        """Create the event, not yet set."""
        self._event = torch.cuda.Event(enable_timing=True) if on_gpu else None
        self._seconds = 0.0

    def set(self) -> None:
        """Record the event in the current CUDA stream."""
        if self._event:
            self._event.record()
        else:
            self._seconds = time.perf_counter()

    def wait_on(self, stream: Any) -> None:
        """Make a CUDA stream wait for the event."""
        if self._event:
            stream.wait_event(self._event)

    def wait(self) -> None:
        """Wait on the CPU for the event."""
        if self._event:
            self._event.synchronize()

    def ms_until(self, later: Mark) -> float:
        """Milliseconds between two events that have occurred."""
        if self._event and later._event:
            return float(self._event.elapsed_time(later._event))
        return 1e3 * (later._seconds - self._seconds)
