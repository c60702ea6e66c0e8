"""The WebSocket of the page: each frame with its result, as fast as the viewer takes them."""

from __future__ import annotations

from typing import Final

import anyio
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from streamseg.serve.hub import Hub
from streamseg.serve.viewing import SEND_SECONDS, Viewers, first_of
from streamseg.serve.watch import Watch

MOST_UNANSWERED: Final = 2
"""Frames on the way to a viewer; each is answered by a message. More would only grow stale."""
MOST_ANSWER_LENGTH: Final = 16
WAY: Final = "live"
GOING_AWAY: Final = 1001


class LiveViewer:
    """One connection."""

    def __init__(self, websocket: WebSocket, hub: Hub, viewers: Viewers) -> None:
        """Serve a connection that is not accepted yet."""
        self._websocket = websocket
        self._hub = hub
        self._viewers = viewers
        self._source_index = int(websocket.path_params["index"])
        self._unanswered = 0

    async def run(self) -> None:
        """Send frames until one side has enough."""
        if not self._hub.has(self._source_index):
            refusal = PlainTextResponse("no such source\n", 404)
            await self._websocket.send_denial_response(refusal)
            return
        if not self._viewers.enter(WAY):
            await self._websocket.send_denial_response(self._viewers.refusal())
            return
        try:
            await self._websocket.accept()
            with self._hub.watching() as watch:
                is_over = await first_of(self._send(watch), self._read_answers(watch))
            if is_over and self._websocket.application_state is WebSocketState.CONNECTED:
                with anyio.fail_after(SEND_SECONDS):
                    await self._websocket.close(GOING_AWAY)
        except (WebSocketDisconnect, OSError):
            pass  # the viewer has left, or takes no more
        finally:
            self._viewers.leave(WAY)

    async def _send(self, watch: Watch) -> bool:
        """Whether the source is over."""
        sent = None
        while True:
            await watch.changed()
            newest = self._hub.newest(self._source_index)
            if self._hub.has_ended or not self._hub.has(self._source_index):
                return True
            if newest is None or newest is sent or self._unanswered >= MOST_UNANSWERED:
                continue
            message = await newest.live_message()
            with anyio.fail_after(SEND_SECONDS):
                await self._websocket.send_bytes(message)
            self._unanswered += 1
            sent = newest
            self._viewers.count_sent(WAY)

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
