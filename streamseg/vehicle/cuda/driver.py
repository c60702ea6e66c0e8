"""The CUDA driver through ctypes, for functions that pycuda lacks.

pycuda has neither cooperative launches nor graphs, and hides the handles of its functions; so
modules, launches and graphs call libcuda directly, and both backends share this file. Memory,
streams, events and the context are the backend's.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from functools import cached_property
from typing import Any

from streamseg.errors import DeviceError

LIBRARY = "libcuda.so.1"
MOST_CODES = 1000
"""CUresult ends at 999, CUDA_ERROR_UNKNOWN."""

_OUT = POINTER(c_void_p)
_LAUNCH = (c_void_p, *(c_uint,) * 7, c_void_p, POINTER(c_void_p))
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "cuDevicePrimaryCtxRetain": (_OUT, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxPopCurrent_v2": (_OUT,),
    "cuModuleLoadData": (_OUT, c_char_p),
    "cuModuleUnload": (c_void_p,),
    "cuModuleGetFunction": (_OUT, c_void_p, c_char_p),
    "cuFuncSetAttribute": (c_void_p, c_int, c_int),
    "cuOccupancyMaxActiveBlocksPerMultiprocessor": (POINTER(c_int), c_void_p, c_int, c_size_t),
    "cuLaunchKernel": (*_LAUNCH, c_void_p),
    "cuLaunchCooperativeKernel": _LAUNCH,
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, _OUT),
    "cuGraphInstantiateWithFlags": (_OUT, c_void_p, c_ulonglong),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphDestroy": (c_void_p,),
    "cuGraphExecDestroy": (c_void_p,),
}
"""Types of the arguments: without them ctypes truncates pointers to 32 bits."""


class Driver:
    """libcuda, with ``DeviceError`` for its error codes."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            DeviceError: there is no CUDA driver, or it is too old.
        """
        try:
            self._library = ctypes.CDLL(LIBRARY)
            for name, types in _ARGUMENTS.items():
                getattr(self._library, name).argtypes = types
        except OSError as error:
            raise DeviceError(f"no CUDA driver on this machine: {error}") from None
        except AttributeError as error:
            raise DeviceError(f"the CUDA driver is too old: {error}") from None

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the driver.

        Raises:
            DeviceError: it returned an error.
        """
        code = getattr(self._library, name)(*arguments)
        if code:
            raise self.error(name, code)

    def create(self, name: str, *arguments: Any) -> int:
        """Call a function whose first argument receives a handle, and return that.

        Raises:
            DeviceError: it returned an error.
        """
        handle = c_void_p()
        self.call(name, byref(handle), *arguments)
        return handle.value or 0

    def error(self, name: str, code: int) -> DeviceError:
        """Make the error for a code that a function returned."""
        constant, text = self._describe(code)
        return DeviceError(f"{name.partition('_')[0]}: {constant} ({text})")

    def error_of_text(self, name: str, text: str) -> DeviceError:
        """Make the error for a code from its description."""
        constant = self._constant_of_text.get(text, "an unknown error")
        return DeviceError(f"{name.partition('_')[0]}: {constant} ({text})")

    def _describe(self, code: int) -> tuple[str, str]:
        found = []
        for function in ("cuGetErrorName", "cuGetErrorString"):
            text = c_char_p()
            getattr(self._library, function)(c_int(code), byref(text))
            found.append(text.value.decode() if text.value else f"error {code}")
        return found[0], found[1]

    @cached_property
    def _constant_of_text(self) -> dict[str, str]:
        described = (self._describe(code) for code in range(1, MOST_CODES))
        return {text: constant for constant, text in described}
