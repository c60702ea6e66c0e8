"""The inputs of a stream: sources, how they are opened, and options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from threading import Event, Thread
from typing import TypeAlias, TypedDict, cast

from streamseg.results import FrameResult
from streamseg.video.base import Source
from streamseg.video.events import Announcer, OnEvent
from streamseg.video.options import SourceOptions
from streamseg.video.prefetch import OpenLater
from streamseg.video.source import check_source_type, open_source

SourceLike: TypeAlias = str | os.PathLike[str] | int | Source
OnResult: TypeAlias = Callable[[FrameResult], object]
"""Called with each result; what it returns is ignored."""


class StreamOptions(TypedDict, total=False):
    """Keyword arguments of ``stream`` and ``astream``; each may be left out.

    Attributes:
        policy: which frames to take when they come faster than they are segmented. ``latest``
            takes the newest frame and counts those that it drops (default of live sources),
            ``all`` makes the source wait (default of others), ``every=N`` takes each N-th.
        options: how sources are opened and reconnected.
        on_event: called in a source's thread with every change of its state.
        on_result: called with every result just before it is returned, as a writer's ``write``;
            what it raises is raised from the loop.
        stays_open: with no source left, wait for ``Stream.add`` instead of ending. The list of
            sources may then be empty. Not for a single source that is given without a list.
    """

    policy: str | None
    options: SourceOptions | None
    on_event: OnEvent | None
    on_result: OnResult | None
    stays_open: bool


def listed(sources: SourceLike | Iterable[SourceLike]) -> list[SourceLike]:
    """List the sources; a single one becomes a list. Bytes and arrays are not lists of sources."""
    is_data = isinstance(sources, bytes | bytearray | memoryview) or hasattr(sources, "__array__")
    if isinstance(sources, Iterable) and not is_data and not isinstance(sources, str | Source):
        return list(sources)
    return [cast(SourceLike, sources)]


def open_or_defer(
    source: SourceLike, options: SourceOptions | None, announce: Announcer, *, now: bool
) -> Source | OpenLater:
    """Open a source, or return the function that opens it later, for ``Prefetch``.

    Args:
        source: path, URL, number of a camera, or an opened source.
        options: how to open it.
        announce: called with the states of the source.
        now: whether to open it now. Otherwise the thread that reads it opens it, and waits for a
            camera that does not answer.

    Raises:
        InputError: ``source`` is of another type.
        SourceError: it cannot be opened now.
    """
    if isinstance(source, Source):
        return source
    check_source_type(source)
    if now:
        return _open_now(source, options, announce)
    return partial(_open_waiting, source, options, announce)


def _open_now(
    source: str | os.PathLike[str] | int, options: SourceOptions | None, announce: Announcer
) -> Source:
    """Open in a new thread: Ctrl-C cannot interrupt FFmpeg's wait for a network, but this wait."""
    opened: Future[Source] = Future()
    stopping = Event()

    def work() -> None:
        try:
            found = open_source(source, options, announce=announce, stopping=stopping)
        except BaseException as error:  # raised again in the caller
            opened.set_exception(error)
            return
        opened.set_result(found)
        if stopping.is_set():
            found.close()

    Thread(target=work, name="streamseg-open", daemon=True).start()
    try:
        return opened.result()
    except KeyboardInterrupt:
        stopping.set()
        raise


def _open_waiting(
    source: str | os.PathLike[str] | int,
    options: SourceOptions | None,
    announce: Announcer,
    stopping: Event,
) -> Source:
    return open_source(source, options, announce=announce, stopping=stopping, wait_for_source=True)
