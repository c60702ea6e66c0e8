"""Options for opening a source."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from streamseg.errors import ConfigError
from streamseg.video.chunks import Chunk

CPU, AUTO = "none", "auto"
"""Values of ``hwaccel`` besides FFmpeg's names of devices: the CPU; a device if possible."""


@dataclass(frozen=True)
class SourceOptions:
    """Options of one source; those that do not apply to its kind are ignored.

    Raises:
        ConfigError: a value is out of range.
    """

    timeout_seconds: float = 10.0
    """Network streams: longest wait for the connection and for each packet."""
    hwaccel: str = CPU
    """What decodes: ``none`` is the CPU; a kind of device by FFmpeg's name (``cuda``, ``vaapi``) is
    used or is an error; ``auto`` uses a device if one can decode the video, else the CPU."""
    transport: Literal["tcp", "udp"] | None = None
    """RTSP: TCP loses no packets, UDP does not wait for lost ones. None tries TCP, then UDP."""
    stream: int | None = None
    """Files and network streams: number of the video stream, from 0; None takes the one flagged as
    the default, else the one with the most pixels."""
    threads: int | None = None
    """Files and network streams: CPU threads that decode and convert; None takes as many as there
    are cores."""
    chunk: Chunk | None = None
    """Video files and drive recordings: read only this part, see ``splitting.split``."""
    live: bool | None = None
    """Network streams: True reads like a camera: reconnect at the end, drop stale frames. False
    reads like a file, to its end. None decides by whether the stream states an end."""
    realtime: bool = False
    """Files, images, test patterns: play at the media's own pace, like a camera."""
    size: tuple[int, int] | None = None
    """Cameras of this machine: width and height in pixels; None is the camera's default."""
    rate: float | None = None
    """Cameras of this machine: frames per second; None is the camera's default."""
    pixel_format: str | None = None
    """Cameras of this machine: FFmpeg's name, ``mjpeg``, ``yuyv422`` ...; None tries MJPEG, then
    the camera's default."""
    retries: int | None = None
    """Cameras and network streams: attempts to reconnect after a loss; None never gives up, 0 ends
    the source with the first loss."""
    first_delay_seconds: float = 0.25
    """Wait before the first attempt; it doubles with every attempt. Each wait is shortened at
    random, by up to half, so that many cameras do not reconnect at once."""
    longest_delay_seconds: float = 1.0
    """Longest wait between two attempts."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("timeout_seconds", "first_delay_seconds", "longest_delay_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.retries is not None and self.retries < 0:
            raise ConfigError(f"retries must be 0 or more, or None, got {self.retries}")
        if self.stream is not None and self.stream < 0:
            raise ConfigError(f"stream must be 0 or more, or None, got {self.stream}")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads must be 1 or more, or None, got {self.threads}")
        if self.transport not in (None, "tcp", "udp"):
            raise ConfigError(f"transport must be tcp or udp, got {self.transport!r}")
        if self.size is not None and min(self.size) < 1:
            raise ConfigError(f"size must be above 0, got {self.size}")
        if self.rate is not None and not self.rate > 0:
            raise ConfigError(f"rate must be above 0, got {self.rate}")

    def delay_seconds(self, attempt: int) -> float:
        """The wait before an attempt to reconnect, in seconds; attempts count from 1."""
        doublings = min(attempt - 1, 60)
        longest = min(self.first_delay_seconds * 2.0**doublings, self.longest_delay_seconds)
        return longest * random.uniform(0.5, 1.0)
