"""Results as messages of Foxglove: annotations over the camera image, and the label map.

The schemas are at https://docs.foxglove.dev/docs/visualization/message-schemas/introduction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from foxglove_schemas_protobuf.TextAnnotation_pb2 import TextAnnotation
from google.protobuf.timestamp_pb2 import Timestamp

from streamseg.drawing.lettering import INK
from streamseg.drawing.overlay import label_size, label_text, name_colour
from streamseg.formats.jsonl import frame_object
from streamseg.frame import NS_PER_SECOND
from streamseg.results import FrameResult, Instance

if TYPE_CHECKING:
    from numpy.typing import NDArray

_THICKNESS_PX = 2
# An entry of ``PointsAnnotation.points`` as Protobuf encodes it: a field of 18 bytes, which are the
# fields x and y, 8 bytes each. Thousands of ``Point2`` objects took most of the time of a frame.
_POINT = np.dtype(
    [
        ("field", "u1"),
        ("size", "u1"),
        ("x_field", "u1"),
        ("x", "<f8"),
        ("y_field", "u1"),
        ("y", "<f8"),
    ]
)

_TIME = {
    "type": "object",
    "title": "time",
    "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
}
_INTEGERS = {"type": "array", "items": {"type": "integer"}}
_OBJECT = {
    "name": {"type": "string"},
    "track_id": {"type": "integer"},
    "confirmed": {"type": "boolean"},
    "class": {"type": "string"},
    "class_id": {"type": "integer"},
    "score": {"type": "number"},
    "box": _INTEGERS,
    "area_px": {"type": "integer"},
    "seed": _INTEGERS,
    "tau": {"type": "number"},
    "rle": {
        "type": "object",
        "properties": {"size": _INTEGERS, "counts": {"type": "string"}},
    },
}
OBJECTS_SCHEMA = {
    "title": "streamseg.Objects",
    "type": "object",
    "properties": {
        "timestamp": _TIME,
        "frame_id": {"type": "string"},
        "version": {"type": "integer"},
        "index": {"type": "integer"},
        "pts_seconds": {"type": "number"},
        "stamp_ns": {"type": ["integer", "null"]},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "dropped": {"type": "integer"},
        "source": {"type": "string"},
        "source_index": {"type": "integer"},
        "instances": {"type": "array", "items": {"type": "object", "properties": _OBJECT}},
    },
}
"""The JSON schema of ``objects``."""


def image_annotations(result: FrameResult, stamp_ns: int) -> ImageAnnotations:
    """What the annotated video shows, without the tint: outlines and labels of confirmed tracks.

    Points are the corners of pixels, so that the lines between two pixels are exact.
    """
    size = label_size(*result.label_map.shape)
    points, texts = [], []
    for instance in result.confirmed:
        red, green, blue = (value / 255 for value in name_colour(instance.name))
        colour = Color(r=red, g=green, b=blue, a=1)
        lines = PointsAnnotation(
            timestamp=_timestamp(stamp_ns),
            type=PointsAnnotation.Type.LINE_LIST,
            outline_color=colour,
            thickness=_THICKNESS_PX,
        )
        lines.MergeFromString(_encoded(outline(instance).reshape(-1, 2)))
        points.append(lines)
        red, green, blue = (value / 255 for value in INK)
        texts.append(
            TextAnnotation(
                timestamp=_timestamp(stamp_ns),
                position=Point2(x=instance.box[0], y=max(instance.box[1], size)),
                text=label_text(instance),
                font_size=size,
                text_color=Color(r=red, g=green, b=blue, a=1),
                background_color=colour,
            )
        )
    return ImageAnnotations(timestamp=_timestamp(stamp_ns), points=points, texts=texts)


def label_image(result: FrameResult, stamp_ns: int, frame_id: str) -> RawImage:
    """The label map as it is: 0 is background, k is ``instances[k-1]``."""
    height, width = result.label_map.shape
    return RawImage(
        timestamp=_timestamp(stamp_ns),
        frame_id=frame_id,
        width=width,
        height=height,
        encoding="mono16",
        step=2 * width,
        data=result.label_map.astype("<u2").tobytes(),
    )


def objects(result: FrameResult, stamp_ns: int, frame_id: str) -> dict[str, Any]:
    """A line of JSON lines, with the time and the frame id of the camera."""
    seconds, nanoseconds = divmod(stamp_ns, NS_PER_SECOND)
    header = {"timestamp": {"sec": seconds, "nsec": nanoseconds}, "frame_id": frame_id}
    return header | frame_object(result)


def outline(instance: Instance) -> NDArray[np.int64]:
    """The border of a mask as straight lines along the edges of pixels, holes included.

    Returns:
        int64 [N, 4]: x0, y0, x1, y1 of each line, in corners of pixels: 0..W and 0..H.
    """
    left, top, right, bottom = instance.box
    inside = np.pad(instance.label_map[top:bottom, left:right] == instance.label, 1)
    y, x0, x1 = _runs(inside[1:] != inside[:-1])
    x, y0, y1 = _runs((inside[:, 1:] != inside[:, :-1]).T)
    across, down = np.stack((x0 - 1, y, x1 - 1, y), 1), np.stack((x, y0 - 1, x, y1 - 1), 1)
    lines: NDArray[np.int64] = np.concatenate((across, down)) + np.array([left, top, left, top])
    return lines


def _encoded(points: NDArray[np.int64]) -> bytes:
    """Points [N, 2] as the field ``points`` of an encoded ``PointsAnnotation``."""
    entries = np.empty(len(points), _POINT)
    entries["field"], entries["size"] = PointsAnnotation.POINTS_FIELD_NUMBER << 3 | 2, 18
    entries["x_field"], entries["y_field"] = 1 << 3 | 1, 2 << 3 | 1
    entries["x"], entries["y"] = points.T
    return entries.tobytes()


def _runs(changes: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Row, start and end of each run of True in the rows of a bool [R, N]."""
    steps = np.diff(np.pad(changes, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(steps == 1)
    return row, start, np.nonzero(steps == -1)[1]


def _timestamp(stamp_ns: int) -> Timestamp:
    seconds, nanos = divmod(stamp_ns, NS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=nanos)
