"""CUDA without torch: the device of a vehicle, through pycuda or cuda-bindings.

Runtimes use ``device``; the two packages implement ``backend``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from streamseg.errors import ConfigError
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.kernel_arguments import Argument, Signature
from streamseg.vehicle.cuda.device import Device
from streamseg.vehicle.cuda.modules import Function, Graph, Module
from streamseg.vehicle.cuda.resources import DeviceBuffer, Event, PinnedArray, Stream

__all__ = [
    "Argument",
    "Device",
    "DeviceBuffer",
    "DeviceFacts",
    "Event",
    "Function",
    "Graph",
    "Module",
    "PinnedArray",
    "Signature",
    "Stream",
    "open_device",
]

KINDS: Final = ("auto", "pycuda", "cuda-bindings")


def open_device(kind: str = "auto") -> Device:
    """Open the first CUDA device.

    Args:
        kind: the package for the driver; ``auto`` takes pycuda, and cuda-bindings where only that
            is installed.

    Raises:
        ConfigError: no such kind.
        DeviceError: there is no driver or no GPU, or the package does not fit the driver.
        MissingExtraError: the package is not installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"device must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "auto":
        only_bindings = not find_spec("pycuda") and _has_bindings()
        kind = "cuda-bindings" if only_bindings else "pycuda"
    if kind == "pycuda":
        from streamseg.vehicle.cuda.pycuda_backend import open_pycuda

        return Device(open_pycuda())
    from streamseg.vehicle.cuda.bindings_backend import open_bindings

    return Device(open_bindings())


def _has_bindings() -> bool:
    return bool(find_spec("cuda")) and bool(find_spec("cuda.bindings"))
