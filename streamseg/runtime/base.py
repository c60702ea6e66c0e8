"""The protocol of all backends."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from streamseg.config import SIZE_MULTIPLE, ModelConfig
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.results import NetworkOutput, Segments


class Runtime(Protocol):
    """A backend with a loaded network."""

    config: ModelConfig
    description: str
    """Backend and device, to print: ``ONNX Runtime 1.20, CPU, threads: 2``."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels of the images that the network takes; None if it takes any."""
        ...

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image.

        Args:
            image: RGB uint8 [H, W, 3], C-contiguous, H and W multiples of 32.

        Returns:
            Maps of h = H/4 by w = W/4 pixels.
        """
        ...

    def close(self) -> None:
        """Free device memory; closing again is a no-op."""
        ...


class Pending(Protocol):
    """What ``submit`` returns: it waits for the segments of the frame."""

    def fetch(self) -> tuple[Segments, float, float]:
        """Wait for the segments of the frame.

        Returns:
            The segments, and the milliseconds that the network and the grouping took.
        """
        ...


@runtime_checkable
class DivisibleRuntime(Runtime, Protocol):
    """A runtime on the CPU whose threads can be divided among several images."""

    threads: int
    """CPU threads of the network."""

    def divided(self, count: int) -> Runtime:
        """Load the same network for several images at the same time.

        A small network uses several threads badly. So each image takes longer with its part of the
        threads, but more images are done per second.

        Args:
            count: number of images, 1 to ``threads``.

        Returns:
            A runtime whose ``run`` may be called by ``count`` threads at the same time.
        """
        ...


@runtime_checkable
class GroupingRuntime(Runtime, Protocol):
    """A runtime that also groups on its device, while the next image is prepared."""

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        """Submit an image and return at once.

        Two can be in flight: to submit a third, the first is fetched, and its segments are kept.

        Args:
            image: see ``run``.
            grouping: which instances are kept.
            height: of the frame that the image was scaled from, in pixels.
            width: of that frame.
        """
        ...


def check_network_image(image: Image, size: tuple[int, int] | None = None) -> None:
    """Check that a network takes an image.

    Args:
        image: must be RGB uint8 [H, W, 3], both sides multiples of 32.
        size: width and height in pixels that it must have; None takes any.

    Raises:
        InputError: the dtype, shape or size is another.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"image must be RGB uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )
    height, width = image.shape[:2]
    if not height or not width or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise InputError(
            f"network input must be a multiple of {SIZE_MULTIPLE} on both sides, "
            f"got {width}x{height}"
        )
    if size and size != (width, height):
        raise InputError(
            f"the model was exported for images of {size[0]}x{size[1]} only, got {width}x{height}"
        )
