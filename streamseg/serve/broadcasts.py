"""MJPEG and server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from streamseg.formats.writer import readable
from streamseg.serve.hub import Hub
from streamseg.serve.viewing import Broadcast, Viewers
from streamseg.video.events import StreamEvent

STATUS_SECONDS: Final = 1.0
TYPES: Final = ("result", "source", "status")
USUAL_TYPES: Final = "result,source"
_BOUNDARY: Final = "frame"


def mjpeg(request: Request, hub: Hub, viewers: Viewers) -> Broadcast:
    """Annotated images of one source, for an ``<img>``."""
    index = int(request.path_params["index"])
    if not hub.has(index):
        raise HTTPException(404, "no such source")
    chunks = partial(_images, hub, viewers, index)
    return Broadcast(viewers, "mjpeg", chunks, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")


def events(
    request: Request, hub: Hub, viewers: Viewers, describe: Callable[[], dict[str, Any]]
) -> Broadcast:
    """Results and events of all sources."""
    types = request.query_params.get("types", USUAL_TYPES).split(",")
    if unknown := set(types).difference(TYPES):
        raise HTTPException(400, f"types are {', '.join(TYPES)}, got {min(unknown)!r}")
    chunks = partial(_events, hub, viewers, describe, frozenset(types))
    return Broadcast(viewers, "events", chunks, "text/event-stream")


async def _images(hub: Hub, viewers: Viewers, index: int) -> AsyncIterator[bytes]:
    sent = None
    with hub.watching() as watch:
        while not hub.has_ended and hub.has(index):
            newest = hub.shown(index)
            if newest is not None and newest is not sent:
                jpeg = await newest.annotated_jpeg()
                head = (
                    f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                    f"Content-Length: {len(jpeg)}\r\n\r\n"
                )
                # browsers show an image when the next boundary comes: it follows at once
                yield head.encode() + jpeg + b"\r\n"
                sent = newest
                viewers.count_sent("mjpeg")
            await watch.changed()


async def _events(
    hub: Hub, viewers: Viewers, describe: Callable[[], dict[str, Any]], types: frozenset[str]
) -> AsyncIterator[bytes]:
    sent: dict[int, object] = {}
    status_due = 0.0
    with hub.watching() as watch:
        while True:
            has_ended = hub.has_ended  # read first: what came before the end is still sent
            had_events = bool(watch.events)
            while watch.events:
                event = watch.events.popleft()
                if "source" in types:
                    yield _event("source", _describe(event))
            for index in hub.indices() if "result" in types else ():
                newest = hub.newest(index)
                if newest is not None and newest is not sent.get(index):
                    yield b"data: " + await newest.json_line() + b"\n\n"
                    sent[index] = newest
                    viewers.count_sent("events")
            if has_ended:
                break
            now = time.monotonic()
            if now >= status_due or had_events:
                # also tells both sides that the connection is alive
                yield _event("status", describe()) if "status" in types else b":\n\n"
                status_due = now + STATUS_SECONDS
            await watch.changed(max(0.0, status_due - time.monotonic()))
        if "status" in types:
            yield _event("status", describe())


def _event(name: str, value: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n".encode()


def _describe(event: StreamEvent) -> dict[str, Any]:
    return {
        "source": readable(event.source),
        "source_index": event.source_index,
        "state": event.state,
        "reason": event.reason,
        "attempt": event.attempt,
    }
