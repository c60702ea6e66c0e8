"""``streamseg doctor``: show what is installed and what works, one line each."""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from packaging.requirements import Requirement

from streamseg import __version__
from streamseg.errors import InputError, StreamsegError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.frame import Image
    from streamseg.runtime.base import Runtime

FOR_DEVELOPMENT = frozenset({"docs", "dev"})
"""Extras that ``doctor`` does not list."""
NEEDED = frozenset({"video", "network", "parity"})
"""Checks that must succeed; the others concern extras and devices."""
STREET = "test-pattern:576x320@1?frames=5"
"""The images that backends are compared on; objects move, so that no two frames are equal."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "doctor", help="show what is installed and what works, or what a recording holds"
    )
    parser.add_argument(
        "recordings",
        metavar="FILE",
        nargs="*",
        help="MCAP files or ROS bags: list their topics instead",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 1 if a check of ``NEEDED`` fails."""
    if arguments.recordings:
        for recording in arguments.recordings:
            print("\n".join(topic_lines(recording)))
        return 0
    works = True
    for good, name, text in checks():
        print(f"{'ok' if good else '--'}  {name:<16} {text}")
        works &= good or name not in NEEDED
    return 0 if works else 1


def checks() -> Iterator[tuple[bool, str, str]]:
    """Run all checks: (works, name, details) for each line."""
    yield (
        True,
        "streamseg",
        f"{__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
    yield True, "arrays", f"numpy {np.__version__}, scipy {version('scipy')}"
    yield check_video()
    yield check_hwaccel()
    yield check_network()
    if find_spec("openvino"):
        yield check_parity()
    if find_spec("torch"):
        yield check_cuda()
    for extra, packages in extras().items():
        missing = [package for package in packages if not installed(package)]
        if missing:
            yield False, extra, f"needs {', '.join(missing)}: pip install 'streamseg[{extra}]'"
        else:
            yield True, extra, ", ".join(f"{name} {version(name)}" for name in packages)


def extras() -> dict[str, list[str]]:
    """The packages that each extra needs on this machine, from the metadata of streamseg."""
    names = metadata("streamseg").get_all("Provides-Extra") or []
    needed = [Requirement(text) for text in requires("streamseg") or []]
    return {
        extra: [
            package.name
            for package in needed
            if package.marker is not None
            and package.marker.evaluate({"extra": extra})
            and not package.marker.evaluate({"extra": ""})
        ]
        for extra in names
        if extra not in FOR_DEVELOPMENT
    }


def topic_lines(source: str) -> list[str]:
    """The topics of a recording: name, type, messages, messages per second.

    Raises:
        InputError: ``source`` is not a recording.
        SourceError: it cannot be opened.
        MissingExtraError: a package is not installed.
    """
    from streamseg.video.recordings.paths import split_topic
    from streamseg.video.recordings.source import open_recording

    found = split_topic(source)
    if found is None:
        raise InputError(f"{source} is not an MCAP file or ROS bag, or it does not exist")
    with open_recording(found[0]) as recording:
        topics, seconds = recording.topics, recording.duration_seconds
    stated = "" if seconds is None else f", {seconds:.1f} s"
    lines = [f"{found[0]}: {len(topics)} topics{stated}"]
    width = max((len(topic.name) for topic in topics), default=0)
    for topic in topics:
        mark = "camera" if topic.is_camera else ""
        messages = topic.message_count
        count = "?" if messages is None else str(messages)
        rate = f"{messages / seconds:.1f}/s" if messages and seconds else ""
        lines.append(f"{mark:<7} {topic.name:<{width}} {count:>8} {rate:>9}  {topic.kind}")
    return lines


def check_video() -> tuple[bool, str, str]:
    """Check PyAV and the FFmpeg libraries in it."""
    try:
        import av
    except ImportError as error:
        return False, "video", f"PyAV does not load: {error}"
    avcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    encoder = "H.264" if "libx264" in av.codecs_available else "no libx264: MPEG-4 output"
    return True, "video", f"PyAV {av.__version__}, libavcodec {avcodec}, {encoder}"


def check_hwaccel() -> tuple[bool, str, str]:
    """Check the kinds of devices that this build of FFmpeg can decode on."""
    try:
        from streamseg.video.hwaccel import kinds_of_build, why_unusable
    except ImportError as error:
        return False, "hwaccel", f"PyAV does not load: {error}"
    kinds = {kind: why_unusable(kind) or "works" for kind in kinds_of_build()}
    found = ", ".join(f"{kind}: {state}" for kind, state in kinds.items())
    return "works" in kinds.values(), "hwaccel", found or "this build of FFmpeg decodes on the CPU"


def check_network() -> tuple[bool, str, str]:
    """Run the shipped model on a grey image."""
    from streamseg.loading import load

    try:
        segmenter = load()
        result = segmenter(np.full((96, 160, 3), 127, np.uint8))
    except (StreamsegError, ImportError) as error:
        return False, "network", str(error)
    config = segmenter.runtime.config
    latency = result.timings_ms["network"]
    return (
        True,
        "network",
        f"{segmenter.runtime.description}; {config.trunk}, {len(config.class_names)} classes; "
        f"a 160x96 image took {latency:.0f} ms",
    )


def check_cuda() -> tuple[bool, str, str]:
    """Look for a GPU that the extra ``gpu`` can use."""
    import torch

    if not torch.cuda.is_available():
        return False, "cuda", "torch finds no CUDA GPU"
    return True, "cuda", torch.cuda.get_device_name()


def check_parity() -> tuple[bool, str, str]:
    """Compare OpenVINO with ONNX Runtime on the shipped model."""
    from streamseg.loading import SHIPPED_MODEL, open_runtime
    from streamseg.release.parity import Tolerance, compare
    from streamseg.video.source import open_source

    try:
        with open_source(STREET) as street:
            images = [frame.image for frame in street]
        reference, candidate = (open_runtime(SHIPPED_MODEL, name) for name in ("onnx", "openvino"))
        parity = compare(reference, candidate, images)
        # loose: bfloat16 rounds, and the largest of some 10^7 differences is compared
        parity.check(Tolerance(relative=0.5, sure_agreement=0.95))
    except (StreamsegError, ImportError) as error:
        return False, "parity", f"OpenVINO against ONNX Runtime: {error}"
    usual_ms, ms = medians_ms((reference, candidate), images)
    return (
        True,
        "parity",
        f"{candidate.description}: {parity.sure_agreement:.1%} of the pixels have the same class "
        f"as in ONNX Runtime; an image takes {ms:.0f} ms, in ONNX Runtime {usual_ms:.0f} ms",
    )


def medians_ms(runtimes: Sequence[Runtime], images: Sequence[Image]) -> list[float]:
    """Median time of an image in each runtime; in turns, so that other load affects all alike."""
    spent = np.zeros((len(runtimes), len(images)))
    for column, image in enumerate(images):
        for row, runtime in enumerate(runtimes):
            started = time.perf_counter()
            runtime.run(image)
            spent[row, column] = 1e3 * (time.perf_counter() - started)
    medians: list[float] = np.median(spent, axis=1).tolist()
    return medians


def installed(package: str) -> bool:
    """Whether a package is installed; does not import it."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
