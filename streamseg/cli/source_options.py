"""Command-line options of how sources are opened and read."""

from __future__ import annotations

import argparse

from streamseg.cli.arguments import above_zero, any_size, whole
from streamseg.video.options import CPU, SourceOptions


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--policy``, and an option for each field of ``SourceOptions``."""
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
    live = parser.add_argument_group("cameras and network streams")
    live.add_argument(
        "--policy",
        metavar="P",
        help="what to do when frames come faster than they are segmented: latest (default for "
        "cameras) takes the newest and counts the others as dropped, all (default for files) makes "
        "the source wait, every=N takes each N-th frame",
    )
    live.add_argument(
        "--live",
        action=argparse.BooleanOptionalAction,
        help="read a network stream like a camera, or like a file to its end (default: like a file "
        "if the server states an end)",
    )
    live.add_argument(
        "--realtime", action="store_true", help="play a file at its own speed, like a camera"
    )
    live.add_argument(
        "--transport", choices=("tcp", "udp"), help="transport of RTSP (tcp, then udp)"
    )
    live.add_argument(
        "--timeout",
        type=above_zero,
        default=10.0,
        metavar="SECONDS",
        help="longest wait for a connection or packet (10)",
    )
    live.add_argument(
        "--retries", type=whole, metavar="N", help="most tries to reconnect after a loss (no limit)"
    )
    live.add_argument(
        "--camera-size", type=any_size, metavar="WxH", help="size to ask for, as 1280x720"
    )
    live.add_argument(
        "--camera-rate", type=above_zero, metavar="FPS", help="frames per second to ask for, as 30"
    )
    live.add_argument(
        "--camera-format", metavar="NAME", help="pixel format to ask for, as mjpeg or yuyv422"
    )


def source_options(arguments: argparse.Namespace) -> SourceOptions:
    """The options that were given."""
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
