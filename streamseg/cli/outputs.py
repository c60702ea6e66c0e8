"""The files that ``streamseg run`` writes: one of each kind for each source."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.places import STANDARD_OUTPUT, Places, check_places
from streamseg.interrupts import defer_signals
from streamseg.results import FrameResult

if TYPE_CHECKING:
    from types import TracebackType

    from streamseg.formats.writer import ResultWriter
    from streamseg.video.base import Source


class Outputs:
    """Opens the files of a source before or with its first frame; closes all at the end."""

    def __init__(
        self,
        sources: Sequence[str],
        *,
        out: Path | None,
        saves: Sequence[tuple[str, str]],
        draws_all: bool = False,
        zero_start: bool = True,
    ) -> None:
        """Check the paths; nothing is opened yet.

        Args:
            sources: of the results; if there are several, the names of files are numbered.
            out: annotated video, with the sound of its source if that is a file.
            saves: names of formats, each with a path; ``-`` is stdout.
            draws_all: see ``VideoWriter``.
            zero_start: see ``VideoWriter``.

        Raises:
            SinkError: an output is a source.
            ConfigError: two outputs have the same path, or several sources would write to stdout.
        """
        check_places(sources, [*([("video", str(out))] if out else []), *saves])
        self._out, self._saves, self._numbering = out, saves, Places(sources)
        self.class_names: Sequence[str] = ()
        """Of the model, see ``open_writer``; set before the first file is opened."""
        self._draws_all, self._zero_start = draws_all, zero_start
        self._stack = ExitStack()
        self._writers: dict[int, list[ResultWriter]] = {}
        self._writer_of_place: dict[Path, ResultWriter] = {}

    def open(self, index: int, source: Source | None = None) -> None:
        """Open the files of one source.

        Args:
            index: of the source.
            source: the source, if no frame was read yet. Without it the video is created with the
                first result.

        Raises:
            SinkError: a file cannot be created.
        """
        from streamseg.formats.video import VideoWriter

        writers = self._writers[index] = []
        if self._out is not None:
            place = self._numbering.place("video", str(self._out), index)
            video = VideoWriter(
                place,
                source=source,
                draws_all=self._draws_all,
                zero_start=self._zero_start,
            )
            writers.append(self._keep(place, video))
        writers += [self._writer(name, place, index) for name, place in self._saves]

    def write(self, result: FrameResult) -> None:
        """Write one result.

        Raises:
            SinkError: it cannot be written.
        """
        if result.source_index not in self._writers:
            self.open(result.source_index)
        for writer in self._writers[result.source_index]:
            writer.write(result)

    def places(self) -> list[str]:
        """Files and folders that were written."""
        return sorted(map(str, self._writer_of_place))

    def _writer(self, name: str, place: str, index: int) -> ResultWriter:
        """The writer for a source; several cameras of a recording may share one."""
        from streamseg.formats.opening import open_writer

        if place == STANDARD_OUTPUT:
            return self._stack.enter_context(open_writer(name, place, self.class_names))
        path = self._numbering.place(name, place, index)
        return self._writer_of_place.get(path) or self._keep(
            path, open_writer(name, path, self.class_names)
        )

    def _keep(self, path: Path, writer: ResultWriter) -> ResultWriter:
        self._writer_of_place[path] = self._stack.enter_context(writer)
        return writer

    def __enter__(self) -> Outputs:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete all files; signals that come meanwhile are deferred."""
        with defer_signals(once=True):
            self._stack.__exit__(kind, error, traceback)
