"""Reconnect cameras and network streams after a loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from threading import Event
from typing import TypeAlias

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.video.base import Source
from streamseg.video.events import Announcer
from streamseg.video.options import SourceOptions

OpenOnce: TypeAlias = Callable[[], Source]


def open_live(
    open_once: OpenOnce,
    options: SourceOptions,
    announce: Announcer,
    stopping: Event,
    *,
    wait_for_source: bool,
) -> Source:
    """Connect to a camera or network stream, and reconnect whenever it is lost.

    A stream that has an end, such as a video on a web server, is returned as it is.

    Args:
        open_once: opens it, or raises SourceError.
        options: number of attempts and delays.
        announce: called with changes of its state.
        stopping: ends all waits when set.
        wait_for_source: after a failed first connection try again, as after a loss.

    Raises:
        SourceError: the first connection fails.
    """
    try:
        opened = open_once()
    except SourceError as error:
        if not wait_for_source:
            raise
        announce("lost", str(error))
        opened = _reconnect(open_once, options, announce, stopping, str(error), failed=0)
    return LiveSource(opened, open_once, options, announce, stopping) if opened.is_live else opened


class LiveSource(Source):
    """A live source that reconnects after a loss.

    ``index`` continues, and ``pts_seconds`` continues after the time of the loss. Size and rate of
    the images may change. The source ends when all attempts to reconnect have failed, or when the
    stream now has an end.
    """

    def __init__(
        self,
        first: Source,
        open_once: OpenOnce,
        options: SourceOptions,
        announce: Announcer,
        stopping: Event,
    ) -> None:
        """Take over a connected source; see ``open_live``."""
        self._open_once = open_once
        self._options = options
        self._announce = announce
        super().__init__(
            self._read(first),
            first.description,
            time_base=first.time_base,
            average_rate=first.average_rate,
            frame_count=None,
            duration_seconds=None,
            is_live=True,
            stopping=stopping,
        )
        self.hwaccel = first.hwaccel

    def _read(self, connected: Source) -> Generator[Frame, None, None]:
        index, skipped, failed = 0, 0, 0
        shift_seconds = 0.0
        latest: Frame | None = None
        while True:
            since = time.monotonic()
            reason = "the stream ended"
            with connected:
                try:
                    for frame in connected:
                        if latest is not None and frame.index == 0:
                            gap_seconds = max(frame.captured_at - latest.captured_at, 1e-3)
                            shift_seconds = latest.pts_seconds + gap_seconds - frame.pts_seconds
                        pts_seconds = frame.pts_seconds + shift_seconds
                        latest = replace(frame, index=index, pts_seconds=pts_seconds)
                        index += 1
                        self.skipped = skipped + connected.skipped
                        self.decode_ms = connected.decode_ms
                        yield latest
                except SourceError as error:
                    reason = str(error)
            skipped += connected.skipped
            self.skipped = skipped
            if self.stopping.is_set():
                return
            self._announce("lost", reason)
            if time.monotonic() - since > self._options.longest_delay_seconds:
                failed = 0  # after a short connection the waits keep growing
            connected = _reconnect(
                self._open_once, self._options, self._announce, self.stopping, reason, failed=failed
            )
            failed += 1
            if not connected.is_live:
                connected.close()
                return
            self._announce("live")


def _reconnect(
    open_once: OpenOnce,
    options: SourceOptions,
    announce: Announcer,
    stopping: Event,
    reason: str,
    *,
    failed: int,
) -> Source:
    """Try until it works.

    Args:
        open_once: opens the source.
        options: of the source.
        announce: is told of every attempt.
        stopping: ends the waits.
        reason: why the source was lost.
        failed: number of attempts before that did not last.

    Raises:
        SourceError: no attempt is left, or the stream is being stopped.
    """
    problem = ""
    while options.retries is None or failed < options.retries:
        failed += 1
        if stopping.wait(options.delay_seconds(failed)):
            raise SourceError(f"{announce.source}: stopped while reconnecting")
        announce("reconnecting", problem, attempt=failed)
        try:
            return open_once()
        except SourceError as error:
            problem = str(error)
    raise SourceError(
        f"{announce.source}: not reconnected (attempts: {failed}): {problem or reason}"
    )
