"""How a source is opened, and how long it is waited for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from streamseg.errors import ConfigError

CPU, AUTO = "none", "auto"
"""What decodes: no device; a device if one can. The other names are those of FFmpeg."""


@dataclass(frozen=True)
class SourceOptions:
    """Choices for one source; those that do not fit its kind are left unused.

    Raises:
        ConfigError: a value is out of range.
    """

    timeout_seconds: float = 10.0
    """Network streams: longest wait for the connection, and for each packet."""
    hwaccel: str = CPU
    """What decodes: ``none`` is the CPU; a kind of device as FFmpeg calls it (``cuda``, ``vaapi``)
    is obeyed or refused; ``auto`` takes a device that can, else the CPU."""
    transport: Literal["tcp", "udp"] | None = None
    """RTSP: TCP loses nothing, UDP does not wait for what is lost. None tries TCP, then UDP."""
    stream: int | None = None
    """Files and network streams: number of the stream among those of images, from 0; None takes
    the one flagged as the default, else that of the most pixels."""
    threads: int | None = None
    """Files and network streams: CPU threads that decode and convert; None takes as many as there
    are cores."""
    live: bool | None = None
    """Network streams: True is read like a camera, which is connected anew at its end and drops
    frames that grow old; False like a file, to its end; None goes by whether it states one."""
    realtime: bool = False
    """Files, images, test patterns: play at the media's own pace, as if it were a camera."""
    size: tuple[int, int] | None = None
    """Cameras of this machine: width and height in pixels; None leaves it to the camera."""
    rate: float | None = None
    """Cameras of this machine: frames per second; None leaves it to the camera."""
    pixel_format: str | None = None
    """Cameras of this machine: as V4L2 calls it, ``mjpeg``, ``yuyv422`` ...; None tries MJPEG,
    then what the camera has."""
    retries: int | None = None
    """Cameras and network streams: tries to reconnect before the source is given up; None goes
    on for ever, 0 ends with the first loss."""
    first_delay_seconds: float = 0.25
    """Wait before the first try; it doubles with every try. Each wait is shortened at random, by
    up to a half, so that many cameras do not come back at once."""
    longest_delay_seconds: float = 1.0
    """Where the doubling ends."""

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
        """The wait before a try to reconnect, counted from 1."""
        doublings = min(attempt - 1, 60)
        longest = min(self.first_delay_seconds * 2.0**doublings, self.longest_delay_seconds)
        return longest * random.uniform(0.5, 1.0)
