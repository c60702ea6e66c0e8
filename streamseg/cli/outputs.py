"""The files that ``streamseg run`` writes: one of each kind for each source."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import SinkError
from streamseg.results import FrameResult, Image

if TYPE_CHECKING:
    from streamseg.formats.jsonl import JsonlWriter
    from streamseg.video.base import Source
    from streamseg.video.sink import VideoSink

# Of a source that is not open yet; every usual clock divides it nearly.
_TIME_BASE = Fraction(1, 90_000)


class Outputs:
    """Opens the files of a source with its first frame, or before; closes all at the end."""

    def __init__(self, *, out: Path | None, jsonl: str | Path | None, sources: int) -> None:
        """Know what to write.

        Args:
            out: annotated video.
            jsonl: JSON lines.
            sources: how many there are; with several, the names of files are numbered.

        Raises:
            SinkError: several sources would all write to the standard output.
        """
        if sources > 1 and jsonl == "-":
            raise SinkError("the standard output takes the results of one source only: name a file")
        self._out, self._jsonl, self._is_one = out, jsonl, sources == 1
        self._stack = ExitStack()
        self._videos: dict[int, VideoSink] = {}
        self._lines: dict[int, JsonlWriter] = {}

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
        from streamseg.formats.jsonl import JsonlWriter
        from streamseg.video.sink import VideoSink

        if self._out is not None:
            path = self._path(self._out, index)
            sink = VideoSink(path, width, height, time_base=time_base, rate=rate)
            self._videos[index] = self._stack.enter_context(sink)
        if self._jsonl is not None:
            lines = self._jsonl if self._jsonl == "-" else self._path(Path(self._jsonl), index)
            self._lines[index] = self._stack.enter_context(JsonlWriter(lines))

    def open_for(self, source: Source) -> None:
        """Open the files of the only source, before its first frame."""
        self.open(0, source.width, source.height, source.time_base, source.average_rate)

    def write(self, result: FrameResult) -> None:
        """Write one result.

        Raises:
            SinkError: it cannot be written.
        """
        from streamseg.drawing import draw

        index = result.source_index
        if (self._out and index not in self._videos) or (self._jsonl and index not in self._lines):
            self.open(index, result.frame.width, result.frame.height)
        if index in self._videos:
            video = self._videos[index]
            video.write(_at_size(draw(result), video.width, video.height), result.pts_seconds)
        if index in self._lines:
            self._lines[index].write(result)

    def paths(self) -> list[Path]:
        """The files that were written."""
        paths = [video.path for video in self._videos.values()]
        if self._jsonl is not None and self._jsonl != "-":
            paths += [self._path(Path(self._jsonl), index) for index in self._lines]
        return sorted(paths)

    def _path(self, path: Path, index: int) -> Path:
        return path if self._is_one else path.with_stem(f"{path.stem}-{index}")

    def __enter__(self) -> Outputs:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Complete all files."""
        self._stack.__exit__(*error)  # type: ignore[arg-type]


def _at_size(picture: Image, width: int, height: int) -> Image:
    """The picture at the size of the video, which a camera may leave when it is connected anew."""
    if picture.shape[:2] == (height, width):
        return picture
    import numpy as np
    from PIL import Image as PillowImage

    resized = PillowImage.fromarray(picture).resize((width, height))
    return np.asarray(resized)
