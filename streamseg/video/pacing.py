"""Play a file at its own pace, like a camera."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from threading import Event

from streamseg.frame import Frame
from streamseg.video.base import Source


class RealtimeSource(Source):
    """A source that returns each frame at its presentation time; it ends with the paced source."""

    def __init__(self, paced: Source, stopping: Event | None = None) -> None:
        """Take over an opened source.

        Args:
            paced: closed with this source.
            stopping: ends a wait when set.
        """
        super().__init__(
            self._read(paced),
            paced.description,
            time_base=paced.time_base,
            average_rate=paced.average_rate,
            frame_count=paced.frame_count,
            duration_seconds=paced.duration_seconds,
            is_live=True,
            stopping=stopping,
        )
        self.hwaccel = paced.hwaccel

    def _read(self, paced: Source) -> Generator[Frame, None, None]:
        with paced:
            origin: float | None = None
            for frame in paced:
                if origin is None:
                    origin = time.monotonic() - frame.pts_seconds
                if self.stopping.wait(max(0.0, origin + frame.pts_seconds - time.monotonic())):
                    return
                self.skipped, self.decode_ms = paced.skipped, paced.decode_ms
                yield replace(frame, captured_at=time.monotonic())
