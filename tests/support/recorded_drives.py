"""Small MCAP files and ROS bags for tests, made by the writers of the libraries themselves."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image as Pillow

from streamseg.frame import Image

START_NS = 1_700_000_000_123_456_789
STEP_NS = 40_000_000

Rows = NDArray[np.uint8]


class Shot(NamedTuple):
    """One message of a camera."""

    topic: str
    kind: str
    """As in ROS 2, or of Foxglove."""
    stamp_ns: int
    encoding: str
    data: bytes
    width: int = 0
    height: int = 0
    step: int = 0
    log_ns: int | None = None
    """The stamp and 5 ms by default."""

    @property
    def logged_ns(self) -> int:
        return self.stamp_ns + 5_000_000 if self.log_ns is None else self.log_ns


def stamps(count: int, start_ns: int = START_NS) -> list[int]:
    """25 a second."""
    return [start_ns + index * STEP_NS for index in range(count)]


def raw_shot(topic: str, kind: str, stamp_ns: int, encoding: str, image: Image) -> Shot:
    """An uncompressed image, its rows padded by four bytes as some drivers do."""
    stored = stored_pixels(encoding, image)
    height, row_bytes = stored.shape
    padded = np.pad(stored, ((0, 0), (0, 4)))
    return Shot(
        topic, kind, stamp_ns, encoding, padded.tobytes(), image.shape[1], height, row_bytes + 4
    )


def stored_pixels(encoding: str, image: Image) -> Rows:
    """The rows of an image in an encoding of ROS, uint8 [H, bytes of a row]."""
    height, width, _ = image.shape
    grey = np.asarray(Pillow.fromarray(image).convert("L"))
    alpha = np.full((height, width, 1), 255, np.uint8)
    if encoding.startswith("bayer_"):
        red_at = {"rggb": (0, 0), "bggr": (1, 1), "gbrg": (1, 0), "grbg": (0, 1)}
        y, x = red_at[encoding[6:10]]
        mosaic: NDArray[np.uint8] = image[..., 1].copy()
        mosaic[y::2, x::2] = image[y::2, x::2, 0]
        mosaic[1 - y :: 2, 1 - x :: 2] = image[1 - y :: 2, 1 - x :: 2, 2]
        if encoding.endswith("16"):
            return cast(Rows, (mosaic.astype("<u2") << 4).view(np.uint8))  # 12 bits
        return mosaic
    packed = {"yuv422": "uyvy422", "uyvy": "uyvy422", "yuv422_yuy2": "yuyv422", "yuyv": "yuyv422"}
    if encoding in packed:
        frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format=packed[encoding])
        plane = np.frombuffer(frame.planes[0], np.uint8)  # type: ignore[call-overload]
        return cast(Rows, plane.reshape(height, -1)[:, : 2 * width].copy())
    values = {
        "rgb8": image,
        "bgr8": image[..., ::-1],
        "rgba8": np.concatenate((image, alpha), 2),
        "bgra8": np.concatenate((image[..., ::-1], alpha), 2),
        "mono8": grey,
        "mono16": (grey.astype("<u2") << 4).view(np.uint8),
    }[encoding]
    return np.ascontiguousarray(values).reshape(height, -1)


def compressed_shot(topic: str, kind: str, stamp_ns: int, encoding: str, image: Image) -> Shot:
    """An image as ``jpeg`` or ``png``."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, encoding.upper(), quality=95)
    return Shot(topic, kind, stamp_ns, encoding, file.getvalue())


def video_shots(
    topic: str, codec: str, images: Sequence[Image], times: Sequence[int]
) -> list[Shot]:
    """A message of ``foxglove.CompressedVideo`` for each image, without B-frames, as required."""
    encoder, fmt = {"h264": ("libx264", "h264"), "h265": ("libx265", "hevc")}[codec]
    name = "x264-params" if codec == "h264" else "x265-params"
    quiet = ":log-level=none" if codec == "h265" else ""
    options: dict[str, object] = {name: f"bframes=0:keyint=10{quiet}", "tune": "zerolatency"}
    with av.open(io.BytesIO(), "w", format=fmt) as container:
        stream = cast(VideoStream, container.add_stream(encoder, rate=25))
        stream.height, stream.width, _ = images[0].shape
        stream.pix_fmt = "yuv420p"
        stream.options = options
        packets = []
        for index, image in enumerate(images):
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
    data = [bytes(packet) for packet in packets if packet.size]
    assert len(data) == len(images)
    return [
        Shot(topic, "foxglove.CompressedVideo", stamp_ns, codec, packet)
        for stamp_ns, packet in zip(times, data, strict=True)
    ]


def write_foxglove(path: Path, shots: Iterable[Shot], *, chunk_size: int = 1024 * 1024) -> Path:
    """An MCAP file with Protobuf messages."""
    from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
    from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
    from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
    from google.protobuf.timestamp_pb2 import Timestamp
    from mcap_protobuf.writer import Writer

    kinds = {
        "foxglove.RawImage": RawImage,
        "foxglove.CompressedImage": CompressedImage,
        "foxglove.CompressedVideo": CompressedVideo,
    }
    with path.open("wb") as file, Writer(file, chunk_size=chunk_size) as writer:
        for shot in shots:
            seconds, nanos = divmod(shot.stamp_ns, 10**9)
            message = kinds[shot.kind](
                timestamp=Timestamp(seconds=seconds, nanos=nanos), frame_id="lens", data=shot.data
            )
            if shot.kind == "foxglove.RawImage":
                message.width, message.height, message.step = shot.width, shot.height, shot.step
                message.encoding = shot.encoding
            else:
                message.format = shot.encoding
            writer.write_message(shot.topic, message, shot.logged_ns, shot.logged_ns)
    return path


def write_foxglove_json(path: Path, shots: Iterable[Shot]) -> Path:
    """An MCAP file with JSON messages."""
    from mcap.writer import Writer

    writer = Writer(str(path))
    writer.start()
    channels: dict[str, int] = {}
    for shot in shots:
        if shot.topic not in channels:
            schema = writer.register_schema(shot.kind, "jsonschema", b"{}")
            channels[shot.topic] = writer.register_channel(shot.topic, "json", schema)
        sec, nsec = divmod(shot.stamp_ns, 10**9)
        fields = {
            "timestamp": {"sec": sec, "nsec": nsec},
            "frame_id": "lens",
            "data": base64.b64encode(shot.data).decode(),
            "format": shot.encoding,
            "encoding": shot.encoding,
            "width": shot.width,
            "height": shot.height,
            "step": shot.step,
        }
        data = json.dumps(fields).encode()
        writer.add_message(channels[shot.topic], shot.logged_ns, data, shot.logged_ns)
    writer.finish()
    return path


def write_ros(
    path: Path, shots: Iterable[Shot], storage: str, *, chunk_size: int = 1 << 20
) -> Path:
    """A ROS bag.

    Args:
        path: a ``.bag`` file, or a folder.
        shots: of ``sensor_msgs``.
        storage: ``ros1``, ``sqlite3`` or ``mcap``.
        chunk_size: of ROS 1, in bytes.
    """
    from rosbags.rosbag1 import Writer as Writer1
    from rosbags.rosbag2 import StoragePlugin
    from rosbags.rosbag2 import Writer as Writer2
    from rosbags.typesys import Stores, get_typestore

    is_ros1 = storage == "ros1"
    store = get_typestore(Stores.ROS1_NOETIC if is_ros1 else Stores.ROS2_HUMBLE)
    types = store.types
    with ExitStack() as stack:
        writer: Any
        if is_ros1:
            writer = Writer1(path)
            writer.chunk_threshold = chunk_size
        else:
            writer = Writer2(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
        stack.enter_context(writer)
        connections: dict[str, Any] = {}
        for shot in shots:
            sec, nanosec = divmod(shot.stamp_ns, 10**9)
            stamp = types["builtin_interfaces/msg/Time"](sec, nanosec)
            first = (0,) if is_ros1 else ()
            header = types["std_msgs/msg/Header"](*first, stamp, "lens")
            data = np.frombuffer(shot.data, np.uint8)
            kind = f"sensor_msgs/msg/{shot.kind.rpartition('/')[2]}"
            if kind.endswith("/Image"):
                size = shot.height, shot.width
                message = types[kind](header, *size, shot.encoding, 0, shot.step, data)
            else:
                message = types[kind](header, shot.encoding, data)
            if shot.topic not in connections:
                connections[shot.topic] = writer.add_connection(shot.topic, kind, typestore=store)
            serialize = store.serialize_ros1 if is_ros1 else store.serialize_cdr
            writer.write(connections[shot.topic], shot.logged_ns, serialize(message, kind))
    return path
