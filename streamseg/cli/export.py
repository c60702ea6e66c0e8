"""``streamseg export``: make a release for vehicles, on a machine without a GPU."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import class_list, image_size, positive
from streamseg.export.targets import TARGETS, targets_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.frame import Image

DESCRIPTION = """\
Export a model for vehicles: the network as ONNX, the grouping kernels compiled for their GPUs, and
a manifest with hashes and golden outputs. No GPU is needed here.

Then run in the vehicle: `streamseg build RELEASE`, `streamseg check RELEASE` and
`streamseg run SOURCE --model RELEASE`."""
TEST_IMAGES = "test-pattern:"
EVERY = 5
"""Every fifth frame of --frames is taken, so that they differ."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "export",
        help="make a release for vehicles: ONNX, kernels, manifest",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the release"
    )
    parser.add_argument(
        "--target",
        nargs="+",
        required=True,
        metavar="NAME",
        help="; ".join(f"{name}: {target.description}" for name, target in TARGETS.items()),
    )
    parser.add_argument(
        "--size",
        type=image_size,
        default=(640, 384),
        metavar="WxH",
        help="network input, width x height, multiples of 32 (640x384)",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help=".safetensors weights of a model, or nano, the shipped one (default)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp16", "fp32", "int8"),
        default="fp16",
        help="dtype of the network (fp16); int8 is calibrated on --frames",
    )
    parser.add_argument(
        "--frames",
        default=TEST_IMAGES,
        metavar="SOURCE",
        help="footage as the vehicle will see it; the exported network is compared with torch on "
        "its frames (a test pattern)",
    )
    parser.add_argument(
        "--images", type=positive, default=8, metavar="N", help="number of frames to take (8)"
    )
    parser.add_argument(
        "--classes",
        type=class_list,
        metavar="LIST",
        help="classes to find: coco, voc, or names, as car,person (default: all)",
    )
    parser.add_argument(
        "--ptxas", type=Path, metavar="FILE", help="assembler of the CUDA version in the vehicle"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the release."""
    from streamseg.cli.progress import stage_progress
    from streamseg.errors import ConfigError
    from streamseg.loading import WEIGHTS_SUFFIX, model_path

    targets = targets_of(arguments.target)
    if arguments.ptxas and not arguments.ptxas.is_file():
        raise ConfigError(f"--ptxas {arguments.ptxas} does not exist")
    if arguments.precision == "int8" and arguments.frames == TEST_IMAGES:
        raise ConfigError("--precision int8 is calibrated on --frames: give it real footage")
    images = read_images(arguments.frames, arguments.images, arguments.size)

    from streamseg.export.make_release import make_release

    with stage_progress() as progress:
        release, parity = make_release(
            model_path(arguments.model, WEIGHTS_SUFFIX),
            arguments.out,
            targets,
            size=arguments.size,
            precision=arguments.precision,
            images=images,
            classes=arguments.classes,
            ptxas=arguments.ptxas,
            progress=progress,
        )
    manifest = release.manifest
    size_mb = sum(release.path(name).stat().st_size for name in manifest.sha256) / 1e6
    print(f"network     {manifest.precision}, {manifest.size[0]}x{manifest.size[1]}")
    for name, difference in parity.tensors.items():
        print(f"{name:12}differs from torch by at most {difference.relative:.2g} of its maximum")
    print(f"labels      {parity.label_agreement:.2%} of the network's labels are the same")
    print(f"classes     {parity.class_agreement:.2%} of the pixels keep their class")
    for architecture in sorted({kernel.architecture for kernel in manifest.kernels}):
        kernels = release.kernels_for(architecture)
        print(f"sm_{architecture:<9}{len(kernels)} kernels, CUDA {kernels[0].assembled_by}")
    print(f"wrote {release.folder}, {size_mb:.1f} MB; next: streamseg check --dry-run", end=" ")
    print(release.folder)
    return 0


def read_images(source: str, count: int, size: tuple[int, int]) -> list[Image]:
    """Read frames of a source at the network's size.

    Raises:
        SourceError: it cannot be read.
    """
    from streamseg.video.source import open_source

    with open_source(source) as frames:
        return [frame.render(*size) for frame in islice(frames, 0, EVERY * count, EVERY)]
