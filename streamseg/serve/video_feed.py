"""H.264 of one source: each frame is encoded once for all viewers, while there are any."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from threading import Lock
from typing import Final

from streamseg.serve.encoded import EncodedResult
from streamseg.serve.fragments import TICKS, FragmentEncoder
from streamseg.serve.watch import Watch

KEY_SECONDS: Final = 2.0
"""Time between key frames. A viewer that was too slow waits at most this long."""
LEAST_KEY_SECONDS: Final = 0.5
"""Least time between key frames that new viewers cause; key frames are large."""
LEAST_STEP_SECONDS: Final = 0.002
LONGEST_STEP_SECONDS: Final = 1.0
"""From frame to frame in the video's own time, so that players find no gap after a pause."""
MOST_WAITING: Final = 4
"""Messages that a viewer has not taken; with more it starts again at the next key frame."""

logger = logging.getLogger(__name__)


class VideoError(Exception):
    """The encoder has failed."""


class VideoFeed:
    """Encodes the frames of one source in order; may be used from any thread."""

    def __init__(self, executor: Executor) -> None:
        """Start without viewers.

        Args:
            executor: runs the encoding, in one thread.
        """
        self._executor = executor
        self._lock = Lock()
        self._viewers: set[VideoViewer] = set()
        self._newest: EncodedResult | None = None
        self._is_key_wanted = False
        # of the executor's thread alone
        self._encoder: FragmentEncoder | None = None
        self._number = 0
        self._seconds = self._key_seconds = 0.0
        self._encoded_at = 0.0

    def publish(self, encoded: EncodedResult) -> None:
        """Encode a frame if somebody watches; it replaces one that still waits for the encoder."""
        with self._lock:
            if not any(viewer.is_taking for viewer in self._viewers):
                return
            is_due = self._newest is not None
            self._newest = encoded
        if not is_due:
            self._executor.submit(self._encode_newest)

    @contextmanager
    def watching(self, watch: Watch) -> Iterator[VideoViewer]:
        """A viewer, who starts at a key frame."""
        viewer = VideoViewer(self._lock, watch)
        with self._lock:
            self._viewers.add(viewer)
            self._is_key_wanted = True
        try:
            yield viewer
        finally:
            with self._lock:
                self._viewers.discard(viewer)
                is_last = not self._viewers
            if is_last:
                self._executor.submit(self._release)

    def _encode_newest(self) -> None:
        with self._lock:
            encoded, self._newest = self._newest, None
        assert encoded is not None
        try:
            message, is_key = self._message(encoded)
        except Exception:
            logger.exception("H.264 cannot be encoded")
            self._encoder = None
            self._give(None, is_key=True)
        else:
            self._give(message, is_key=is_key)

    def _message(self, encoded: EncodedResult) -> tuple[bytes, bool]:
        """The live message of the next frame, and whether a viewer may start with it."""
        image = encoded.live_image(multiple=2)  # colour is shared by 2x2 pixels
        height, width = image.shape[:2]
        if self._encoder is None or self._encoder.size != (width, height):
            self._encoder = FragmentEncoder(width, height)
            self._number = 0
            self._seconds = self._key_seconds = 0.0
        now = time.monotonic()
        if self._number:
            step = now - self._encoded_at
            self._seconds += min(max(step, LEAST_STEP_SECONDS), LONGEST_STEP_SECONDS)
        self._encoded_at = now
        ticks = round(self._seconds * TICKS)
        fragment = self._encoder.encode(
            image, ticks, round(LONGEST_STEP_SECONDS * TICKS), is_key=self._is_key_due()
        )
        about: dict[str, object] = {"number": self._number, "seconds": ticks / TICKS}
        self._number += 1
        if not fragment.is_key:
            return encoded.live_bytes(fragment.data, video=about), False
        self._key_seconds = self._seconds
        about["mime"] = self._encoder.mime
        return encoded.live_bytes(self._encoder.head + fragment.data, video=about), True

    def _is_key_due(self) -> bool:
        age = self._seconds - self._key_seconds
        with self._lock:
            is_wanted, taking = self._is_key_wanted, [v for v in self._viewers if v.is_taking]
            is_due = (
                not self._number
                or age >= KEY_SECONDS
                or (is_wanted and age >= LEAST_KEY_SECONDS)
                or all(viewer.needs_key for viewer in taking)
            )
            if is_due:
                self._is_key_wanted = False
        return is_due

    def _give(self, message: bytes | None, *, is_key: bool) -> None:
        with self._lock:
            viewers = list(self._viewers)
            for viewer in viewers:
                viewer.put(message, is_key=is_key)
        for viewer in viewers:
            viewer.watch.wake()

    def _release(self) -> None:
        with self._lock:
            if self._viewers:
                return
        self._encoder = None


class VideoViewer:
    """The messages that wait for one viewer."""

    most_unanswered: Final = 8
    """More than of images, because a viewer that misses one frame misses all up to a key frame."""

    def __init__(self, lock: Lock, watch: Watch) -> None:
        """Start without messages.

        Args:
            lock: of the feed.
            watch: is woken when there is a message.
        """
        self.watch = watch
        self.needs_key = True
        self.is_taking = True
        """False once it was too slow, until it takes again."""
        self._lock = lock
        self._waiting: deque[bytes | None] = deque()

    def put(self, message: bytes | None, *, is_key: bool) -> None:
        """Add a message, None for the end; called with the lock."""
        if not self.is_taking:
            return
        self.needs_key = self.needs_key and not is_key
        if self.needs_key:
            return
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(message)
            return
        self._waiting.clear()
        self.needs_key, self.is_taking = True, False

    async def next_message(self) -> bytes | None:
        """The next message; None if there is none yet.

        Raises:
            VideoError: none will follow.
        """
        with self._lock:
            self.is_taking = True
            if not self._waiting:
                return None
            message = self._waiting.popleft()
        if message is None:
            raise VideoError
        return message
