"""Results in Rerun: the image with its masks and boxes, frame by frame."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.drawing.overlay import name_colour
from streamseg.errors import MissingExtraError, SinkError
from streamseg.files.claims import written_alone
from streamseg.formats.writer import OneSource, ResultWriter, check_folder_of
from streamseg.results import FrameResult

if TYPE_CHECKING:
    from rerun import RecordingStream

_JPEG_QUALITY = 85


def log_to_rerun(
    result: FrameResult, *, entity: str = "video", recording: RecordingStream | None = None
) -> None:
    """Log one frame: the image (as JPEG), a segmentation image and boxes with names.

    The timelines are ``frame``, the index, and ``video_time``, the media's own time; of drive
    recordings also ``stamp``, the time of the header. Names and
    colours are those of the annotated video.

    Args:
        result: what to log.
        entity: path of the image; masks and boxes are below it.
        recording: where to log; None is the current one, that of ``rerun.init``.

    Raises:
        MissingExtraError: Rerun's SDK is not installed.
    """
    rr = _rerun()
    rr.set_time("frame", sequence=result.index, recording=recording)
    rr.set_time("video_time", duration=result.pts_seconds, recording=recording)
    if result.stamp_ns is not None:
        stamp = np.datetime64(result.stamp_ns, "ns")
        rr.set_time("stamp", timestamp=stamp, recording=recording)
    labels = [instance.label for instance in result.instances]
    colours = [name_colour(instance.name) for instance in result.instances]
    names = [
        (label, instance.name, colour)
        for label, instance, colour in zip(labels, result.instances, colours, strict=True)
    ]
    rr.log(entity, rr.AnnotationContext(names), recording=recording)
    image = rr.Image(result.image).compress(jpeg_quality=_JPEG_QUALITY)
    rr.log(entity, image, recording=recording)
    masks = rr.SegmentationImage(result.label_map)
    rr.log(f"{entity}/masks", masks, recording=recording)
    boxes = np.array([instance.box for instance in result.instances], np.float32).reshape(-1, 4)
    scores = [f"{instance.name} {instance.score:.0%}" for instance in result.instances]
    drawn = rr.Boxes2D(
        array=boxes,
        array_format=rr.Box2DFormat.XYXY,
        labels=scores,
        class_ids=np.array(labels, np.uint16),
    )
    rr.log(f"{entity}/boxes", drawn, recording=recording)


class RerunWriter(ResultWriter):
    """Writes a recording, ``.rrd``, for ``rerun FILE``; each frame as by ``log_to_rerun``."""

    def __init__(self, path: str | Path) -> None:
        """Create the file.

        Args:
            path: file to create or overwrite.

        Raises:
            MissingExtraError: Rerun's SDK is not installed.
            SinkError: the file cannot be created.
        """
        rr = _rerun()
        self._path = Path(path)
        self._source = OneSource()
        check_folder_of(self._path)
        self._claim = ExitStack()
        self._claim.enter_context(written_alone(self._path))
        self._recording: RecordingStream | None = rr.RecordingStream("streamseg")
        self._recording.save(self._path)

    def write(self, result: FrameResult) -> None:
        """Log one frame.

        Raises:
            SinkError: the frame is of another source than those before, or the writer is closed.
        """
        if self._recording is None:
            raise SinkError(f"cannot write {self._path}: it is closed already")
        self._source.check(result)
        log_to_rerun(result, recording=self._recording)

    def close(self) -> None:
        """Write what is still buffered."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.flush()
            recording.disconnect()
        self._claim.close()


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise MissingExtraError("rerun-sdk", "rerun") from error
    return rerun
