"""The files that ``streamseg run`` writes: one of each kind for each source."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.places import STANDARD_OUTPUT, check_places, numbered
from streamseg.interrupts import held_back
from streamseg.results import FrameResult, Image
from streamseg.video.local_paths import local_path

if TYPE_CHECKING:
    from types import TracebackType

    from streamseg.formats.writer import ResultWriter
    from streamseg.video.base import Source
    from streamseg.video.sink import VideoSink

# Of a source that is not open yet; every usual clock divides it nearly.
_TIME_BASE = Fraction(1, 90_000)


class Outputs:
    """Opens the files of a source with its first frame, or before; closes all at the end."""

    def __init__(
        self, sources: Sequence[str], *, out: Path | None, saves: Sequence[tuple[str, str]]
    ) -> None:
        """Know what to write.

        Args:
            sources: of the results; with several, the names of files are numbered.
            out: annotated video, with the sound of its source where that is a file.
            saves: names of formats, each with a path; ``-`` is the standard output.

        Raises:
            SinkError: an output is a source.
            ConfigError: two outputs have the same place, or several sources would all write to
                the standard output.
        """
        check_places(sources, [*([("video", str(out))] if out else []), *saves])
        self._out, self._saves = out, saves
        self._files = [local_path(source) for source in sources]
        self._stack = ExitStack()
        self._videos: dict[int, VideoSink] = {}
        self._writers: dict[int, list[ResultWriter]] = {}
        self._places: list[str] = []

    def open(
        self,
        index: int,
        width: int,
        height: int,
        time_base: Fraction = _TIME_BASE,
        rate: Fraction | None = None,
    ) -> None:
        """Open the files of one source.

        Args:
            index: of the source.
            width: of its pictures, in pixels.
            height: of its pictures, in pixels.
            time_base: unit of its clock in seconds.
            rate: nominal frames per second, if it is known.

        Raises:
            SinkError: a file cannot be created.
        """
        from streamseg.formats.opening import open_writer
        from streamseg.video.sink import VideoSink

        self._writers[index] = []
        if self._out is not None:
            file = self._files[index]
            sink = VideoSink(
                self._place(str(self._out), index),
                width,
                height,
                time_base=time_base,
                rate=rate,
                sound_of=file if file.is_file() else None,
            )
            self._videos[index] = self._stack.enter_context(sink)
        for name, place in self._saves:
            writer = open_writer(
                name, place if place == STANDARD_OUTPUT else self._place(place, index)
            )
            self._writers[index].append(self._stack.enter_context(writer))

    def open_for(self, source: Source) -> None:
        """Open the files of the only source, before its first frame."""
        self.open(0, source.width, source.height, source.time_base, source.average_rate)

    def write(self, result: FrameResult) -> None:
        """Write one result.

        Raises:
            SinkError: it cannot be written.
        """
        from streamseg.drawing.overlay import draw

        index = result.source_index
        if index not in self._writers:
            self.open(index, result.frame.width, result.frame.height)
        if index in self._videos:
            video = self._videos[index]
            video.write(_at_size(draw(result), video.width, video.height), result.pts_seconds)
        for writer in self._writers[index]:
            writer.write(result)

    def places(self) -> list[str]:
        """Files and folders that were written."""
        return sorted(self._places)

    def _place(self, place: str, index: int) -> Path:
        path = numbered(place, index, len(self._files))
        self._places.append(str(path))
        return path

    def __enter__(self) -> Outputs:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete all files, whatever signal comes meanwhile."""
        with held_back(once=True):
            self._stack.__exit__(kind, error, traceback)


def _at_size(picture: Image, width: int, height: int) -> Image:
    """The picture at the size of the video, which a camera may leave when it is connected anew."""
    if picture.shape[:2] == (height, width):
        return picture
    import numpy as np
    from PIL import Image as PillowImage

    resized = PillowImage.fromarray(picture).resize((width, height))
    return np.asarray(resized)
