"""Results as an annotated video, with the sound of its source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from streamseg.drawing.overlay import draw
from streamseg.errors import SinkError
from streamseg.formats.writer import OneSource, ResultWriter
from streamseg.results import FrameResult, Image
from streamseg.video.base import Source
from streamseg.video.local_paths import local_path
from streamseg.video.sink import VideoSink, check_video_path

# In seconds; the clocks of usual videos are multiples of it, or nearly so.
_TIME_BASE = Fraction(1, 90_000)


class VideoWriter(ResultWriter):
    """Writes H.264 video with the instances drawn over each frame, as by ``draw``.

    Frames keep their times from the first one on. Where the source is a video file, its sound goes
    along.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        source: Source | None = None,
        draws_all: bool = False,
        zero_start: bool = True,
    ) -> None:
        """Get ready; without ``source`` the first result creates the file.

        Args:
            path: its suffix chooses the container: .mp4, .mov or .mkv.
            source: of the results, as ``Stream.opened``. The file is then created now, with the
                source's own clock and rate.
            draws_all: also what may be a flicker, see ``FrameResult.confirmed``.
            zero_start: begin at 0 s, wherever the source's own clock begins.

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
            InputError: its time is not later than that of the frame before.
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
        """Complete the file; doing so twice is harmless.

        Raises:
            SinkError: the last of it cannot be written.
        """
        self._is_closed = True
        if self._sink is not None:
            self._sink.close()


def _file(source: str) -> Path | None:
    """The file that a source is, if it is one."""
    path = local_path(source)
    return path if source and path.is_file() else None


def _at_size(image: Image, width: int, height: int) -> Image:
    """The image at the size of the video: a camera may reconnect with another."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(PillowImage.fromarray(image).resize((width, height)))
