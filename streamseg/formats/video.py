"""Results as an annotated video, with the sound of its source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from streamseg.drawing.overlay import draw
from streamseg.errors import SinkError
from streamseg.formats.writer import OneSource, ResultWriter
from streamseg.frame import Image
from streamseg.results import FrameResult
from streamseg.video.base import Source
from streamseg.video.local_paths import local_path
from streamseg.video.sink import VideoSink, check_video_path

# In seconds; the clocks of usual videos are multiples of it, or nearly so.
_TIME_BASE = Fraction(1, 90_000)


class VideoWriter(ResultWriter):
    """Writes H.264 video with the instances drawn over each frame, as by ``draw``.

    The times between frames are those of the source. If the source is a video file, its sound is
    copied.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        source: Source | None = None,
        draws_all: bool = False,
        zero_start: bool = True,
    ) -> None:
        """Create the file if ``source`` is given; otherwise the first result creates it.

        Args:
            path: its suffix chooses the container: .mp4, .mov or .mkv.
            source: of the results, as ``Stream.opened``; its clock and rate are used.
            draws_all: also draw unconfirmed tracks, see ``FrameResult.confirmed``.
            zero_start: begin at 0 s; otherwise where the source's clock begins.

        Raises:
            SinkError: unknown suffix, no such folder, or the file cannot be created.
        """
        self._path = Path(path)
        check_video_path(self._path)
        self._one_source = OneSource()
        self._draws_all, self._zero_start = draws_all, zero_start
        self._is_closed = False
        self._sink: VideoSink | None = None
        if source is not None:
            self._sink = VideoSink(
                self._path,
                source.width,
                source.height,
                time_base=source.time_base,
                rate=source.average_rate,
                pixel_aspect=source.pixel_aspect,
                zero_start=zero_start,
                sound_of=_file(source.description),
            )

    def write(self, result: FrameResult) -> None:
        """Draw and append one frame, at the size of the first.

        Raises:
            InputError: the frame is not later than the one before.
            SinkError: it cannot be written, or is of another source than the first.
        """
        if self._is_closed:
            raise SinkError(f"cannot write {self._path}: it is closed already")
        self._one_source.check(result)
        if self._sink is None:
            self._sink = VideoSink(
                self._path,
                result.frame.width,
                result.frame.height,
                time_base=_TIME_BASE,
                rate=None,
                pixel_aspect=result.frame.pixel_aspect,
                zero_start=self._zero_start,
                sound_of=_file(result.source),
            )
        drawn = draw(result, only_confirmed=not self._draws_all)
        image = _at_size(drawn, self._sink.width, self._sink.height)
        self._sink.write(image, result.pts_seconds)

    def close(self) -> None:
        """Complete the file; closing again is a no-op.

        Raises:
            SinkError: the rest cannot be written.
        """
        self._is_closed = True
        if self._sink is not None:
            self._sink.close()


def _file(source: str) -> Path | None:
    """The path of a source that is a file; None for other sources."""
    path = local_path(source)
    return path if source and path.is_file() else None


def _at_size(image: Image, width: int, height: int) -> Image:
    """Scale the image to the size of the video: a camera may reconnect with another size."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(PillowImage.fromarray(image).resize((width, height)))
