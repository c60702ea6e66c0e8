"""Export trained weights as a release for vehicles, without a GPU."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from streamseg.classes import Classes
from streamseg.errors import ConfigError, InputError, ModelError, SinkError
from streamseg.export.precision import Precision
from streamseg.export.quantize import TENSORRT, quantize_onnx
from streamseg.export.targets import Target
from streamseg.export.to_cubin import compile_release, older_assembler, release_launches
from streamseg.export.to_onnx import export_onnx
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.grouping.plan import network_shape
from streamseg.model.network import Network
from streamseg.model.weights import load_safetensors, network_from
from streamseg.release.golden import Golden
from streamseg.release.manifest import (
    GOLDEN,
    MANIFEST,
    TRUNK,
    Manifest,
    Release,
    is_release,
    open_release,
    sha256_of,
    write_manifest,
)
from streamseg.release.parity import TOLERANCES, Parity, compare
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.runtime.torch_cpu import TorchRuntime

PRECISIONS = ("fp16", "fp32", "int8")
OLD_ASSEMBLER_UP_TO = 90
"""The newest architecture that the ptxas of CUDA 12.6 knows."""


def make_release(
    weights: Path,
    folder: Path,
    targets: dict[str, Target],
    *,
    size: tuple[int, int],
    precision: str,
    images: Sequence[Image],
    classes: Classes | None = None,
    ptxas: Path | None = None,
    progress: Callable[[str, float], None] = lambda _stage, _share: None,
) -> tuple[Release, Parity]:
    """Export, compile, compare, and write the folder.

    Args:
        weights: a .safetensors file of a model.
        folder: of the release; an existing release is replaced once the new one is complete.
        targets: machines to compile for.
        size: width and height of the network's input in pixels, multiples of 32.
        precision: ``fp16``, ``fp32`` or ``int8``.
        images: RGB uint8 of that size, such as the vehicle will see, to compare on and for
            ``int8`` to calibrate on. The first one becomes the golden image.
        classes: the model's classes to detect, see ``streamseg.load``; all if None.
        ptxas: assembler for all targets; by default that of CUDA 12.6 for machines with an old
            CUDA, if it is installed, and else Triton's.
        progress: called with the stage and its completed fraction.

    Returns:
        The release, and the parity of its network with torch.

    Raises:
        ConfigError: an unknown precision, or the model does not know a class.
        InputError: no images, or of another size.
        MissingExtraError: torch, onnx or Triton is not installed.
        ModelError: the weights are not a model, or the export differs too much.
        SinkError: the folder holds other files than a release, or cannot be written.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    width, height = size
    if not images or any(image.shape != (height, width, 3) for image in images):
        raise InputError(f"a release is compared with torch on images of {width}x{height}")
    network = network_from(*load_safetensors(weights))
    network.select(classes)
    config = network.output_config
    shape = network_shape(config, size, "fp32" if precision == "fp32" else "fp16")
    max_instances = GroupingConfig().max_instances
    with _replaced(folder) as partial:
        progress("network", 0)
        _export_network(network, partial / TRUNK, size, precision, images)
        progress("network", 0.5)
        reference = TorchRuntime.copy_of(network)
        parity = compare(reference, OnnxRuntime(partial / TRUNK), images)
        with _advising(precision):
            parity.check(TOLERANCES[precision])
        Golden(config, images[0], reference.run(images[0])).save(partial / GOLDEN)
        progress("network", 1)

        launches = release_launches(shape, max_instances)
        assemblers = {
            architecture: ptxas or _assembler(target, architecture)
            for target in targets.values()
            for architecture in target.architectures
        }
        total, done = len(launches) * len(assemblers), 0

        def compiled(count: int) -> None:
            nonlocal done
            done += count
            progress("kernels", done / total)

        progress("kernels", 0)
        kernels = compile_release(partial, launches, shape.dtype, assemblers, compiled)
        files = (TRUNK, GOLDEN, *(kernel.path for kernel in kernels))
        manifest = Manifest(
            model=config,
            size=size,
            precision=precision,
            shape=shape,
            max_instances=max_instances,
            targets=tuple(targets),
            kernels=tuple(kernels),
            sha256={name: sha256_of(partial / name) for name in files},
            tolerance=asdict(TOLERANCES[precision]),
        )
        write_manifest(partial, manifest)
    return open_release(folder), parity


def _export_network(
    network: Network, trunk: Path, size: tuple[int, int], precision: str, images: Sequence[Image]
) -> None:
    """Write the ONNX file of a release; ``images`` calibrate ``int8``."""
    if precision == "int8":
        half_trunk = trunk.with_suffix(".half.onnx")
        export_onnx(network, half_trunk, size=size, precision="fp16", channels_last=True)
        with _advising(precision):
            quantize_onnx(half_trunk, trunk, images, scheme=TENSORRT)
        half_trunk.unlink()
    else:
        floats: Precision = "fp16" if precision == "fp16" else "fp32"
        export_onnx(network, trunk, size=size, precision=floats, channels_last=True)


@contextmanager
def _advising(precision: str) -> Iterator[None]:
    """Say what may help where an export in 8 bits is refused."""
    try:
        yield
    except ModelError as error:
        if precision != "int8":
            raise
        raise ModelError(f"{error}; give more varied --frames, or --precision fp16") from error


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Give an empty folder whose files become those of ``folder`` if the block succeeds.

    Of the files in ``folder`` only those of a release are deleted.
    """
    try:
        if folder.exists() and not is_release(folder) and any(folder.iterdir()):
            raise SinkError(f"{folder} is not empty and not a release: choose another --out")
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise SinkError(f"{folder} cannot be written: {error}") from None
    try:
        yield partial
        _move_release(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move_release(new: Path, folder: Path) -> None:
    """Move the files of a new release into a folder, in place of those of an old one."""
    try:
        folder.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)  # first, so that the rest is not a release
        for name in (TRUNK, GOLDEN):
            (folder / name).unlink(missing_ok=True)
        for name in ("kernels", "engine"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for path in sorted(new.iterdir(), key=lambda path: path.name == MANIFEST):
            path.rename(folder / path.name)
    except OSError as error:
        raise SinkError(f"{folder} cannot be written: {error}") from None


def _assembler(target: Target, architecture: int) -> Path | None:
    wants_old = target.cuda < (12, 9) and architecture <= OLD_ASSEMBLER_UP_TO
    return older_assembler() if wants_old else None
