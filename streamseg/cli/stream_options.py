"""Options of the commands that segment streams: the model, and how sources are opened."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streamseg.cli.arguments import (
    above_zero,
    add_input_options,
    any_size,
    class_list,
    positive,
    score,
    whole,
)
from streamseg.loading import RUNTIMES
from streamseg.video.options import CPU, SourceOptions

if TYPE_CHECKING:
    from streamseg.segmenter import Segmenter


def add_model_options(parser: argparse.ArgumentParser, *, threads: bool = True) -> None:
    """Add the options of the model and of decoding.

    Args:
        parser: of the command.
        threads: whether to add ``--threads``; ``streamseg batch`` has ``--cpus`` instead.
    """
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="an ONNX model, the folder of a release, or nano, the shipped model (default)",
    )
    add_input_options(parser)
    parser.add_argument(
        "--min-score",
        type=score,
        metavar="P",
        help="least score of an instance (default: the model's own for each class, else 0.5)",
    )
    parser.add_argument(
        "--classes",
        type=class_list,
        metavar="LIST",
        help="classes to find: coco, voc, or names, as car,person,'traffic light' (default: all "
        "classes of the model)",
    )
    if threads:
        parser.add_argument(
            "--threads",
            type=positive,
            metavar="N",
            help="CPU threads of the network (default: all)",
        )
    parser.add_argument(
        "--runtime", choices=RUNTIMES, default="auto", help="backend of the network (auto)"
    )
    parser.add_argument(
        "--hwaccel",
        default=CPU,
        metavar="KIND",
        help="what decodes video: none (the CPU, default), auto, or a kind of device that this "
        "build of FFmpeg has, as cuda or vaapi; streamseg doctor lists them",
    )
    parser.add_argument(
        "--stream",
        type=whole,
        metavar="N",
        help="which of several video streams of a file, from 0 (the one that is flagged as "
        "default, else the largest)",
    )


def add_topic_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--topic``, for ``with_topics``."""
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME",
        help="camera topic of MCAP files and ROS bags, as /camera/front; give it several times for "
        "several cameras (default: the only one; streamseg doctor FILE lists them)",
    )


def add_live_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of cameras and network streams."""
    group.add_argument(
        "--policy",
        metavar="P",
        help="what to do when frames come faster than they are segmented: latest (default for "
        "cameras) takes the newest and counts the others as dropped, all (default for files) makes "
        "the source wait, every=N takes each N-th frame",
    )
    group.add_argument(
        "--live",
        action=argparse.BooleanOptionalAction,
        help="read a network stream like a camera, or like a file to its end (default: like a file "
        "if the server states an end)",
    )
    group.add_argument(
        "--transport", choices=("tcp", "udp"), help="transport of RTSP (tcp, then udp)"
    )
    group.add_argument(
        "--timeout",
        type=above_zero,
        default=10.0,
        metavar="SECONDS",
        help="longest wait for a connection or packet (10)",
    )
    group.add_argument(
        "--retries", type=whole, metavar="N", help="most tries to reconnect after a loss (no limit)"
    )
    group.add_argument(
        "--camera-size", type=any_size, metavar="WxH", help="size to ask for, as 1280x720"
    )
    group.add_argument(
        "--camera-rate", type=above_zero, metavar="FPS", help="frames per second to ask for, as 30"
    )
    group.add_argument(
        "--camera-format", metavar="NAME", help="pixel format to ask for, as mjpeg or yuyv422"
    )


def source_options(arguments: argparse.Namespace) -> SourceOptions:
    """The options that were given; ``realtime`` is each command's own option.

    Raises:
        ConfigError: a value is out of range.
    """
    return SourceOptions(
        timeout_seconds=arguments.timeout,
        hwaccel=arguments.hwaccel,
        transport=arguments.transport,
        stream=arguments.stream,
        live=arguments.live,
        realtime=arguments.realtime,
        size=arguments.camera_size,
        rate=arguments.camera_rate,
        pixel_format=arguments.camera_format,
        retries=arguments.retries,
    )


def load_segmenter(arguments: argparse.Namespace) -> Segmenter:
    """Load the model; see ``load``."""
    from streamseg.loading import load

    return load(
        arguments.model,
        size=arguments.size,
        max_pixels=arguments.max_pixels,
        threads=arguments.threads,
        min_score=arguments.min_score,
        classes=arguments.classes,
        runtime=arguments.runtime,
    )
