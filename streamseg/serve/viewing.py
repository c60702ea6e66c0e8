"""Viewers: how many there are, and endless responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeAlias

import anyio
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from streamseg.serve.metrics import Metrics

SEND_SECONDS: Final = 10.0
"""A viewer that takes nothing for so long is given up."""

Chunks: TypeAlias = Callable[[], AsyncIterator[bytes]]


class Viewers:
    """Counts the viewers and refuses those above a limit."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        """Start without viewers."""
        self.count = 0
        self.most = most
        self._metrics = metrics

    def enter(self, channel: str) -> bool:
        """Let a viewer in; False if there are too many."""
        if self.count >= self.most:
            return False
        self.count += 1
        self._metrics.count_viewers(channel, 1)
        return True

    def leave(self, channel: str) -> None:
        """Count a viewer that was let in as gone."""
        self.count -= 1
        self._metrics.count_viewers(channel, -1)

    def count_sent(self, channel: str) -> None:
        """Count a frame that was sent to a viewer."""
        self._metrics.count_sent(channel)

    def refusal(self) -> Response:
        """The answer to one viewer too many."""
        return PlainTextResponse(
            f"there are {self.most} viewers already\n", 503, {"Retry-After": "10"}
        )


class Broadcast(Response):
    """Sends chunks as they come, until the viewer leaves or takes no more."""

    def __init__(self, viewers: Viewers, channel: str, chunks: Chunks, media_type: str) -> None:
        """Answer one request.

        Args:
            viewers: the viewer is one of them from the start to the end.
            channel: name of the channel in the metrics: ``mjpeg``, ``events``, ``live`` or
                ``h264``.
            chunks: called once the viewer is let in.
            media_type: of the response.
        """
        super().__init__(media_type=media_type, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._viewers = viewers
        self._channel = channel
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the source ends, or the viewer leaves or is too slow."""
        if not self._viewers.enter(self._channel):
            await self._viewers.refusal()(scope, receive, send)
            return
        try:
            has_left = await first_of(self._send_all(send), _wait_until_gone(receive))
        finally:
            self._viewers.leave(self._channel)
        if has_left:
            await _wait_until_gone(receive)  # one that takes no more is still connected
        else:
            await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, send: Send) -> bool:
        """True once the viewer is given up, False at the end of the chunks."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for chunk in self._chunks():
            body = {"type": "http.response.body", "body": chunk, "more_body": True}
            try:
                # asyncio.wait_for of Python 3.10 and 3.11 may swallow that the task is cancelled
                with anyio.fail_after(SEND_SECONDS):
                    await send(body)
            except OSError:  # also TimeoutError
                return True
        return False


async def first_of(*tasks: Coroutine[Any, Any, bool]) -> bool:
    """Run tasks until one is done, and cancel the others; gives its result.

    Raises:
        Exception: whatever that one raised.
    """
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _wait_until_gone(receive: Receive) -> bool:
    while (await receive())["type"] != "http.disconnect":
        pass
    return True
