"""Durations and numbers of frames, as a container states them."""

from __future__ import annotations

import re
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

# Formats whose streams all state the duration of the whole file.
_SHARED_DURATION = frozenset({"asf"})
_CLOCK_TIME = re.compile(r"(\d+):(\d+):(\d+(?:\.\d*)?)")


def images_duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration of the images in seconds, as the container states it; the sound may be longer."""
    time_base = as_fraction(stream.time_base)
    if stream.duration and time_base and container.format.name not in _SHARED_DURATION:
        return float(stream.duration * time_base)
    if stated := _CLOCK_TIME.fullmatch(stream.metadata.get("DURATION", "")):  # of Matroska
        hours, minutes, seconds = map(float, stated.groups())
        return 3600 * hours + 60 * minutes + seconds or None
    return file_duration_seconds(container) if len(container.streams) == 1 else None


def file_duration_seconds(container: InputContainer) -> float | None:
    """Duration of images and sound in seconds, as the container states it; None if unknown."""
    return container.duration / av.time_base if container.duration else None


def stated_frame_count(stream: VideoStream, duration_seconds: float | None) -> int | None:
    """The stated number of frames, or an estimate if it is missing or far off.

    Matroska and fragmented mp4 state none; a file that was cut off states too many.
    """
    rate = as_fraction(stream.average_rate)
    if not duration_seconds or not rate:
        return stream.frames or None
    expected = duration_seconds * float(rate)
    is_plausible = abs(stream.frames - expected) <= 1 + 0.1 * expected
    return stream.frames if is_plausible else round(expected)


def as_fraction(value: Fraction | None) -> Fraction | None:
    """A Fraction, also of PyAV 19's own rational numbers; None when unknown or 0."""
    return Fraction(value.numerator, value.denominator) if value else None
