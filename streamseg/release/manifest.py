"""A release, the folder that is copied to a vehicle, and its manifest.

::

    trunk.onnx              the whole network, from which the vehicle builds its engine
    golden.npz              an image and its golden outputs
    kernels/sm_87/*.cubin   the grouping kernels
    manifest.json           hashes, shapes, arguments, classes, thresholds

Reading one needs neither torch nor Triton nor CUDA. It holds no Python code, and a file that
differs from the manifest is refused by name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Final

from streamseg.config import ModelConfig
from streamseg.errors import ModelError
from streamseg.files.atomic_write import atomic_write
from streamseg.grouping.plan import MapShape
from streamseg.kernels.launch import Launch
from streamseg.parsing import parse_values

FORMAT: Final = 3
MANIFEST: Final = "manifest.json"
TRUNK: Final = "trunk.onnx"
GOLDEN: Final = "golden.npz"


@dataclass(frozen=True)
class KernelFile:
    """A compiled kernel."""

    kernel: str
    """``Launch.kernel`` of its launches."""
    architecture: int
    """87 for sm_87."""
    path: str
    """Inside the release."""
    entry: str
    """Name of the function in the file."""
    constants: dict[str, int | bool]
    """Compiled in."""
    known: dict[str, int]
    """Integer arguments specialised at compile time: 1 is compiled in, others must be multiples of
    16."""
    arguments: dict[str, str]
    """Triton's types by name, in order, without what is compiled in."""
    warps: int
    shared_bytes: int
    cooperative: bool
    assembled_by: str
    """Version of ptxas as far as the file records it, such as ``13``."""
    triton: str

    def serves(self, launch: Launch) -> bool:
        """Whether this kernel fits a launch: name, constants and specialised arguments."""
        return (
            self.kernel == launch.kernel
            and self.constants == dict(launch.constants)
            and self.warps == launch.warps
            and all(
                launch.scalars[name] == 1 if value == 1 else launch.scalars[name] % 16 == 0
                for name, value in self.known.items()
            )
        )


@dataclass(frozen=True)
class Manifest:
    """Contents of a release."""

    model: ModelConfig
    size: tuple[int, int]
    """Width and height in pixels of the network's input."""
    precision: str
    """``fp32``, ``fp16`` or ``int8``."""
    shape: MapShape
    """Of the network's output."""
    max_instances: int
    """For which the kernels were compiled."""
    targets: tuple[str, ...]
    kernels: tuple[KernelFile, ...]
    sha256: dict[str, str]
    """Of every file besides this one, by its path."""
    tolerance: dict[str, float]
    """Allowed differences from the golden outputs: ``streamseg.release.parity.Tolerance``."""
    format: int = FORMAT
    streamseg: str = field(default_factory=lambda: version("streamseg"))

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class Release:
    """A folder whose files match its manifest."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Return the path of a file of the manifest."""
        return self.folder / name

    def kernels_for(self, architecture: int) -> list[KernelFile]:
        """List the kernels for a GPU.

        Raises:
            ModelError: there are none.
        """
        found = [k for k in self.manifest.kernels if k.architecture == architecture]
        if not found:
            have = sorted({k.architecture for k in self.manifest.kernels})
            raise ModelError(
                f"{self.folder} holds kernels for {', '.join(f'sm_{sm}' for sm in have)}, and this "
                f"GPU is sm_{architecture}: export again with a --target for it"
            )
        return found


def is_release(path: Path) -> bool:
    """Whether a path is the folder of a release."""
    return (path / MANIFEST).is_file()


def open_release(folder: Path) -> Release:
    """Read a manifest and compare every file with it.

    Raises:
        ModelError: the folder is not a release or has another format, or a file is missing,
            truncated, changed, or outside the folder.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}")
    try:
        text = (folder / MANIFEST).read_text("utf-8")
    except OSError as error:
        raise ModelError(
            f"{folder} is not a release: {MANIFEST} cannot be read ({error})"
        ) from None
    except UnicodeDecodeError:
        raise ModelError(f"{folder / MANIFEST} is not a text file") from None
    manifest = _parse(text, folder / MANIFEST)
    listed = {TRUNK, GOLDEN, *(kernel.path for kernel in manifest.kernels)}
    if missing := sorted(listed - manifest.sha256.keys()):
        raise ModelError(f"{folder / MANIFEST} gives no hash for {', '.join(missing)}")
    for name, expected in manifest.sha256.items():
        path = folder / _inside(name, folder)
        if not path.is_file():
            raise ModelError(f"{path} is missing: copy the release again")
        if sha256_of(path) != expected:
            raise ModelError(f"{path} is not the file that was exported: copy the release again")
    return Release(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder; its files must be complete."""
    with atomic_write(folder / MANIFEST) as partial:
        partial.write_text(manifest.to_json() + "\n", "utf-8")


def sha256_of(path: Path) -> str:
    """Hash a file; the result is hexadecimal.

    Raises:
        ModelError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    return digest.hexdigest()


def _parse(text: str, path: Path) -> Manifest:
    try:
        values = json.loads(text)
        if values.get("format") != FORMAT:
            raise ModelError(
                f"{path} is of format {values.get('format')!r}, this version of streamseg reads "
                f"{FORMAT}: export again, or install streamseg {values.get('streamseg')}"
            )
        return parse_values(Manifest, values, "it")
    except ModelError:
        raise
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{path} is not the manifest of a release: {error}") from None


def _inside(name: str, folder: Path) -> PurePosixPath:
    """Check that a path of a manifest stays inside the folder."""
    path = PurePosixPath(name)
    resolved = (folder / path).resolve()
    if path.is_absolute() or ".." in path.parts or not resolved.is_relative_to(folder.resolve()):
        raise ModelError(f"{folder / MANIFEST} names {name!r}, which lies outside the release")
    return path
