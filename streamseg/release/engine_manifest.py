"""The manifest of an engine: ``engine.json`` beside ``engine.plan``.

TensorRT loads an engine only with the version, GPU and driver of the build, and its errors say
little. So the manifest records them, and they are compared before loading.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from streamseg.errors import InputError, ModelError
from streamseg.parsing import parse_values
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_precision import PRECISIONS, LayerCounts, wrong_precision

FORMAT: Final = 2
ADVICE: Final = "run `streamseg build`"
MAGIC: Final = (b"ftrt", b"vtrt")
"""First bytes of plans of TensorRT and of TensorRT for RTX."""
_VERSION: Final = slice(24, 28)


@dataclass(frozen=True)
class EngineOptions:
    """Options of an engine's build.

    Raises:
        InputError: an unknown precision, or a workspace below one byte.
    """

    precision: str | None = None
    """``fp32``, ``fp16`` or ``int8``, which the ONNX file must have; None takes the file's."""
    workspace_bytes: int | None = None
    """Most memory that a layer may use for intermediate results; None is 1 GiB where CPU and GPU
    share their memory, and TensorRT's own limit elsewhere."""

    def __post_init__(self) -> None:
        """Check precision and workspace."""
        if self.precision not in (None, *PRECISIONS):
            known = ", ".join(PRECISIONS)
            raise InputError(f"precision must be one of {known}, got {self.precision!r}")
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise InputError(f"workspace_bytes must be at least 1, got {self.workspace_bytes}")


@dataclass(frozen=True)
class EngineManifest:
    """Origin of an engine."""

    tensorrt: str
    """Full version."""
    device: DeviceFacts
    """The GPU, and the driver's CUDA."""
    onnx_sha256: str
    plan_sha256: str
    workspace_bytes: int
    """The limit in effect."""
    optimization_level: int
    flags: tuple[str, ...]
    """Builder flags that were set, by TensorRT's names."""
    layers: LayerCounts
    """See ``count_layers``."""
    build_seconds: float
    streamseg: str
    options: EngineOptions
    """As requested."""
    format: int = FORMAT

    def why_unusable(
        self,
        tensorrt: str,
        device: DeviceFacts,
        *,
        onnx_sha256: str | None = None,
        options: EngineOptions | None = None,
    ) -> str | None:
        """Explain why the engine cannot be used.

        Args:
            tensorrt: installed version.
            device: the GPU of this machine.
            onnx_sha256: of the file that the engine must have been built from; None for any.
            options: what the engine must have been built with; None for anything.

        Returns:
            The rest of a sentence that begins with the engine's name, with advice; None if it can
            be used.
        """
        there, here = _facts(self.tensorrt, self.device), _facts(tensorrt, device)
        if there != here:
            built, found = _unlike(there, here), _unlike(here, there)
            return f"was built with TensorRT {built}; this machine has TensorRT {found}: {ADVICE}"
        if onnx_sha256 not in (None, self.onnx_sha256):
            return f"was built from another ONNX file: {ADVICE}"
        if options is None:
            return None
        if options.workspace_bytes != self.options.workspace_bytes:
            return f"was built with a workspace of {self.workspace_bytes} bytes: {ADVICE}"
        wrong = options.precision and wrong_precision(self.layers, options.precision)
        return f"{wrong}: {ADVICE}" if wrong else None

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1)


def manifest_path(engine: Path) -> Path:
    """Return the path of an engine's manifest: ``engine.json`` beside ``engine.plan``."""
    return engine.with_suffix(".json")


def read_manifest(engine: Path) -> EngineManifest | None:
    """Read the manifest of an engine; None if it has none.

    Raises:
        ModelError: it is broken, or of another version's format.
    """
    path = manifest_path(engine)
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["format"] != FORMAT:
            raise ModelError(f"{path} was written by streamseg {values['streamseg']}: {ADVICE}")
        return parse_values(EngineManifest, values, "it")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    except ModelError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not the manifest of an engine ({error}): {ADVICE}") from None


def plan_version(plan: bytes) -> str | None:
    """Read the version of TensorRT in a plan, such as ``10.16.2.10``; None if it is not a plan.

    TensorRT does not document these bytes: use them for messages, not for decisions.
    """
    if len(plan) < _VERSION.stop or not plan.startswith(MAGIC):
        return None
    return ".".join(map(str, plan[_VERSION]))


def _facts(tensorrt: str, device: DeviceFacts) -> tuple[str, ...]:
    """List the properties that must agree; the first two are always shown."""
    cuda = ".".join(map(str, device.driver_version))
    return (
        tensorrt,
        f"{device.name} sm_{device.architecture}",
        f"{device.multiprocessors} multiprocessors",
        f"a driver of CUDA {cuda}",
    )


def _unlike(facts: tuple[str, ...], others: tuple[str, ...]) -> str:
    tensorrt, gpu, *details = facts
    told = [detail for detail, other in zip(details, others[2:], strict=True) if detail != other]
    return " with ".join((f"{tensorrt} on {gpu}", *filter(None, [" and ".join(told)])))
