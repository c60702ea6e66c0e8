"""What a viewer of ``/events`` gets when the stream ends."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.types import Message

from streamseg.serve.broadcasts import events
from streamseg.serve.hub import Hub
from streamseg.serve.metrics import Metrics
from streamseg.serve.viewing import Viewers
from streamseg.video.events import StreamEvent


def test_events_before_the_end_are_sent() -> None:
    metrics = Metrics()
    hub = Hub(metrics)
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))
        if sent[-1] == b":\n\n":  # the viewer is being served
            hub.note(StreamEvent("clip.mp4", 0, "ended"))
            hub.end()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def view() -> None:
        scope = {"type": "http", "query_string": b"types=source", "headers": []}
        await events(Request(scope), hub, Viewers(1, metrics), dict)(scope, receive, send)

    asyncio.run(view())
    _, _, event, end = sent
    assert json.loads(event.split(b"data: ")[1])["state"] == "ended"
    assert end == b""
