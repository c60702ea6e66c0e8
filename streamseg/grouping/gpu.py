"""Network output → disjoint instances on a GPU, with torch and Triton.

A ``DeviceGrouper`` allocates the memory of its plan once. A call is a memset and six launches, and
can be recorded as part of a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from streamseg.grouping.blocks import NUMPY_TYPES, Block
from streamseg.grouping.cpu import GroupingConfig
from streamseg.grouping.plan import MapShape, plan_frame, read_segments
from streamseg.kernels.decode_scores.triton_impl import plane_strides
from streamseg.kernels.device_checks import device_radius
from streamseg.kernels.group_pixels.triton_impl import most_programs_on
from streamseg.kernels.triton_launch import start
from streamseg.results import Segments

TORCH_TYPES = {
    name: torch.from_numpy(np.empty(0, dtype)).dtype for name, dtype in NUMPY_TYPES.items()
}


class DeviceGrouper:
    """Groups the pixels of frames of one size, one at a time."""

    def __init__(
        self,
        embeddings: Tensor,
        foreground: Tensor,
        classes: Tensor,
        taus: Sequence[float],
        config: GroupingConfig,
        *,
        height: int,
        width: int,
    ) -> None:
        """Plan the launches and allocate the memory.

        Args:
            embeddings: an example, float16 or float32 [h, w, D].
            foreground: an example, [T, h, w] of the same dtype, of any strides without gaps between
                the rows.
            classes: an example, [C, ceil(h/2), ceil(w/2)] of the same dtype; strides as above.
            taus: T similarity thresholds of the network.
            config: which instances to keep.
            height: of the frames in pixels.
            width: of the frames in pixels.
        """
        map_height, map_width, dims = embeddings.shape
        self.shape = MapShape(
            map_height,
            map_width,
            dims,
            len(foreground),
            len(classes),
            "fp16" if embeddings.dtype == torch.float16 else "fp32",
            plane_strides(foreground),
            plane_strides(classes),
        )
        self.taus = taus
        device = embeddings.device
        self._plan = plan_frame(
            self.shape,
            config,
            height=height,
            width=width,
            most_programs=most_programs_on(device),
        )
        self._cleared, scratch, self.results = (
            torch.empty(block.bytes, dtype=torch.uint8, device=device)
            for block in (self._plan.cleared, self._plan.scratch, self._plan.results)
        )
        self._arrays = {
            "squared_radius": device_radius(tuple(taus), device),
            **device_views(self._plan.cleared, self._cleared),
            **device_views(self._plan.scratch, scratch),
            **device_views(self._plan.results, self.results),
        }

    def __call__(self, embeddings: Tensor, foreground: Tensor, classes: Tensor) -> None:
        """Group a frame into ``results`` and return at once; NaN and infinity are not checked.

        Args:
            embeddings: of the shape, dtype and strides of the example.
            foreground: as above.
            classes: as above.
        """
        self._cleared.zero_()
        outputs = {"embeddings": embeddings, "foreground": foreground, "classes": classes}
        arrays = {**self._arrays, **outputs}
        for launch in self._plan.launches:
            start(launch, **{name: arrays[name] for name in launch.pointers})

    def read(self, results: Tensor) -> Segments:
        """Convert a copy of ``results`` in host memory; the label map is a view of it."""
        arrays = self._plan.results.views(results.numpy())
        return read_segments(arrays, self.taus, self.shape)


def device_views(block: Block, memory: Tensor) -> dict[str, Tensor]:
    """View the arrays of a block in device memory, uint8 [bytes]."""
    return {
        name: memory[array.offset : array.offset + array.bytes]
        .view(TORCH_TYPES[array.kind])
        .view(array.shape)
        for name, array in block.arrays.items()
    }
