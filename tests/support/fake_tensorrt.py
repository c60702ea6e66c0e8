"""As much of TensorRT as it takes to load an engine and run it, on the fake CUDA driver.

The engine of a plan writes the golden outputs of the release beside it, whatever the image.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from streamseg.grouping.blocks import NUMPY_TYPES
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_file import ENGINE
from streamseg.release.engine_manifest import EngineManifest, EngineOptions, manifest_path
from streamseg.release.golden import load_golden
from streamseg.release.manifest import GOLDEN, TRUNK, Release, open_release, sha256_of

VERSION = "10.3.0.30"
ORIN = DeviceFacts("FakeOrin", (8, 7), 16, (12, 6), 2**33, 166912)
"""The fake driver's GPU."""


def write_engine(release: Release, *, said: float = 1.0, device: DeviceFacts = ORIN) -> None:
    """An engine whose outputs are the golden ones times a number."""
    path = release.path(ENGINE)
    path.parent.mkdir(exist_ok=True)
    note = json.dumps({"release": str(release.folder), "times": said})
    path.write_bytes(b"ftrt".ljust(24, b"\0") + bytes([10, 3, 0, 30]) + note.encode())
    manifest = EngineManifest(
        tensorrt=VERSION,
        device=device,
        onnx_sha256=sha256_of(release.path(TRUNK)),
        plan_sha256=sha256_of(path),
        workspace_bytes=1 << 30,
        optimization_level=3,
        flags=(),
        layers={},
        build_seconds=1.0,
        streamseg="0.1.0",
        options=EngineOptions("fp16"),
    )
    manifest_path(path).write_text(manifest.to_json())


class Logger:
    """Whatever is given to a Runtime."""


class Runtime:
    """Reads what ``write_engine`` wrote."""

    def __init__(self, logger: Any) -> None:
        pass

    def deserialize_cuda_engine(self, plan: bytes) -> Engine:
        note = json.loads(plan[28:])
        return Engine(open_release(Path(note["release"])), note["times"])


class Engine:
    """Holds the outputs."""

    device_memory_size_v2 = 1000

    def __init__(self, release: Release, times: float) -> None:
        golden = load_golden(release.path(GOLDEN), release.manifest.model)
        output = golden.run(golden.image)
        dtype = NUMPY_TYPES[release.manifest.shape.dtype]
        self.outputs = {
            "embeddings_channels_last": output.embeddings.transpose(1, 2, 0),
            "foreground": output.foreground,
            "classes": output.classes,
        }
        self.outputs = {k: np.ascontiguousarray(v * times, dtype) for k, v in self.outputs.items()}

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    """Writes the outputs to the addresses it was given, unless told to refuse."""

    refuses = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return name == "image" or name in self.engine.outputs

    def execute_async_v3(self, stream: int) -> bool:
        if self.refuses or not stream:
            return False
        for name, output in self.engine.outputs.items():
            ctypes.memmove(self.addresses[name], output.ctypes.data, output.nbytes)
        return True


tensorrt: Any = ModuleType("tensorrt")
vars(tensorrt).update(__version__=VERSION, ILogger=Logger, Runtime=Runtime)
