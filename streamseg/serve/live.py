"""The WebSocket of the page: each frame with its result, as fast as the viewer takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import anyio
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from streamseg.serve.encoded import EncodedResult
from streamseg.serve.fragments import can_encode
from streamseg.serve.hub import Hub
from streamseg.serve.video_feed import VideoError
from streamseg.serve.viewing import SEND_SECONDS, Viewers, first_of
from streamseg.serve.watch import Watch

MOST_ANSWER_LENGTH: Final = 16
VIDEO: Final = "h264"
"""The value of ``?video=`` that gives H.264 instead of JPEG."""
GOING_AWAY: Final = 1001
NO_VIDEO: Final = 4001
"""Closes a connection whose video cannot be encoded; JPEG may still be."""


class Messages(Protocol):
    """What one viewer gets, in order."""

    @property
    def most_unanswered(self) -> int:
        """Frames on the way to the viewer; each is answered by a message."""

    async def next_message(self) -> bytes | None:
        """The next message; None if there is none yet."""


class _Images:
    """JPEG of the newest frame."""

    most_unanswered: Final = 2
    """More would only grow stale."""

    def __init__(self, hub: Hub, source_index: int) -> None:
        self._hub = hub
        self._source_index = source_index
        self._sent: EncodedResult | None = None

    async def next_message(self) -> bytes | None:
        newest = self._hub.shown(self._source_index)
        if newest is None or newest is self._sent:
            return None
        self._sent = newest
        return await newest.live_message()


class LiveViewer:
    """One connection."""

    def __init__(self, websocket: WebSocket, hub: Hub, viewers: Viewers) -> None:
        """Serve a connection that is not accepted yet."""
        self._websocket = websocket
        self._hub = hub
        self._viewers = viewers
        self._source_index = int(websocket.path_params["index"])
        self._video = websocket.query_params.get("video")
        self._channel = "live" if self._video is None else VIDEO
        self._unanswered = 0

    async def run(self) -> None:
        """Send frames until the source ends, or the viewer leaves or is too slow."""
        if (refusal := self._refusal()) is not None:
            await self._websocket.send_denial_response(refusal)
            return
        if not self._viewers.enter(self._channel):
            await self._websocket.send_denial_response(self._viewers.refusal())
            return
        try:
            await self._websocket.accept()
            code = GOING_AWAY
            try:
                with self._hub.watching() as watch, self._messages(watch) as messages:
                    await first_of(self._send(messages, watch), self._read_answers(watch))
            except VideoError:
                code = NO_VIDEO
            if self._websocket.application_state is WebSocketState.CONNECTED:
                with anyio.fail_after(SEND_SECONDS):
                    await self._websocket.close(code)
        except (WebSocketDisconnect, OSError):
            pass  # the viewer has left, or takes no more
        finally:
            self._viewers.leave(self._channel)

    def _refusal(self) -> Response | None:
        if not self._hub.has(self._source_index):
            return PlainTextResponse("no such source\n", 404)
        if self._video not in (None, VIDEO):
            return PlainTextResponse(f"video is {VIDEO}, got {self._video!r}\n", 400)
        if self._video == VIDEO and not can_encode():
            return PlainTextResponse("this build of PyAV has no encoder of H.264\n", 501)
        return None

    @contextmanager
    def _messages(self, watch: Watch) -> Iterator[Messages]:
        if self._video is None:
            yield _Images(self._hub, self._source_index)
            return
        feed = self._hub.video(self._source_index)
        if feed is None:  # removed since the request was checked
            raise WebSocketDisconnect(GOING_AWAY)
        with feed.watching(watch) as viewer:
            yield viewer

    async def _send(self, messages: Messages, watch: Watch) -> bool:
        """True once the source is over."""
        while not self._hub.has_ended and self._hub.has(self._source_index):
            is_free = self._unanswered < messages.most_unanswered
            message = await messages.next_message() if is_free else None
            if message is None:
                await watch.changed()
                continue
            with anyio.fail_after(SEND_SECONDS):
                await self._websocket.send_bytes(message)
            self._unanswered += 1
            self._viewers.count_sent(self._channel)
        return True

    async def _read_answers(self, watch: Watch) -> bool:
        """True once the viewer sends what it should not; raises when it leaves."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            text = message.get("text")
            if text is None or len(text) > MOST_ANSWER_LENGTH:
                return True
            self._unanswered = max(0, self._unanswered - 1)
            watch.wake()
