"""Messages of cameras in one form, for ROS 1, ROS 2 and Foxglove."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import NS_PER_SECOND


class Layout(NamedTuple):
    """How the pixels of an uncompressed image are stored."""

    width: int
    height: int
    step: int
    """Bytes from one row to the next."""
    is_bigendian: bool


class CameraMessage(NamedTuple):
    """One image, or one packet of video, as it was recorded."""

    stamp_ns: int
    """When the image was taken, by its header, in ns; 0 if the header is empty."""
    frame_id: str
    """Coordinate frame of the camera."""
    encoding: str
    """Uncompressed: of the pixels, as ``rgb8``. Compressed: the format, as ``jpeg``, or empty."""
    data: NDArray[np.uint8]
    layout: Layout | None
    """None if it is compressed."""


def camera_message(kind: str, message: Any) -> CameraMessage:
    """Read the fields of a decoded message.

    Args:
        kind: one of ``CAMERA_KINDS``.
        message: the decoded message.

    Raises:
        AttributeError, TypeError or ValueError: a field is missing or of another type.
    """
    header = message.header if kind.startswith("sensor_msgs/") else message
    stamp = header.stamp if kind.startswith("sensor_msgs/") else header.timestamp
    data = base64.b64decode(message.data) if isinstance(message.data, str) else message.data
    is_raw = kind in ("sensor_msgs/Image", "foxglove.RawImage")
    layout = None
    if is_raw:
        is_bigendian = bool(getattr(message, "is_bigendian", False))
        layout = Layout(int(message.width), int(message.height), int(message.step), is_bigendian)
    return CameraMessage(
        _nanoseconds(stamp),
        str(header.frame_id),
        str(message.encoding if is_raw else message.format),
        np.frombuffer(data, np.uint8),
        layout,
    )


def _nanoseconds(stamp: Any) -> int:
    """Read a time of ROS (``sec``, ``nanosec``), Protobuf (``seconds``, ``nanos``) or JSON."""
    for seconds, nanoseconds in (("sec", "nanosec"), ("seconds", "nanos"), ("sec", "nsec")):
        if hasattr(stamp, seconds) and hasattr(stamp, nanoseconds):
            return int(getattr(stamp, seconds)) * NS_PER_SECOND + int(getattr(stamp, nanoseconds))
    raise ValueError("the time of the message has no seconds and nanoseconds")
