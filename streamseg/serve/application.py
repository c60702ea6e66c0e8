"""The ASGI application: the routes, and the thread that reads the stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from threading import Thread
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from streamseg.errors import ConfigError
from streamseg.serve import broadcasts
from streamseg.serve.allowed_sources import check_kinds
from streamseg.serve.controls import Controls
from streamseg.serve.fragments import can_encode
from streamseg.serve.guard import Guard, NeedsToken
from streamseg.serve.hub import Hub
from streamseg.serve.live import LiveViewer
from streamseg.serve.login import Login
from streamseg.serve.metrics import CONTENT_TYPE, Metrics
from streamseg.serve.pages import FOLDER, read_page
from streamseg.serve.viewing import Viewers
from streamseg.streaming.stream import Stream

MOST_VIEWERS: Final = 64
SHORTEST_TOKEN: Final = 16
"""Characters of a token: it is not to be guessed."""

logger = logging.getLogger(__name__)


def app(
    stream: Stream,
    *,
    token: str | None = None,
    allow_sources: Collection[str] = (),
    hosts: Collection[str] = (),
    max_viewers: int = MOST_VIEWERS,
) -> Starlette:
    """Serve a stream: the page, its images and results, and counters.

    The stream is read from now on, in a thread of its own, and is the application's: nobody else
    iterates it. Close the stream to end the thread.

    Args:
        stream: what is served. Give it a list of sources and ``stays_open=True`` if sources are
            to be added later.
        token: everybody needs it, except for the login page and ``/healthz``. None lets
            everybody in who reaches the server.
        allow_sources: kinds of sources that viewers may add, of ``allowed_sources.KINDS``; needs
            a token.
        hosts: names by which browsers reach the server, besides ``localhost`` and IP addresses.
        max_viewers: connections that are served at once; one more is refused.

    Raises:
        ConfigError: the token is too short, a kind of source is unknown or needs a token.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ConfigError(f"a token has at least {SHORTEST_TOKEN} characters, got {len(token)}")
    if allow_sources and token is None:
        raise ConfigError("viewers may add sources only with a token")
    allowed_kinds = check_kinds(allow_sources)
    metrics = Metrics()
    hub = Hub(metrics)
    served = _Served(stream, hub, Viewers(max_viewers, metrics), metrics, allowed_kinds)
    controls = Controls(stream, hub, allowed_kinds)
    login = Login(token)
    protected = [
        Route("/", served.page),
        Route("/streams/{index:int}.mjpg", served.mjpeg),
        WebSocketRoute("/streams/{index:int}/live", served.live),
        Route("/events", served.events),
        Route("/snapshot/{index:int}.jpg", served.snapshot),
        Route("/sources", served.sources),
        Route("/sources", controls.add, methods=["POST"]),
        Route("/sources/{index:int}", controls.remove, methods=["DELETE"]),
        Route("/pause", controls.pause, methods=["POST"]),
        Route("/resume", controls.resume, methods=["POST"]),
        Route("/metrics", served.metrics),
    ]
    application = Starlette(
        routes=[
            Route("/healthz", served.health),
            Route("/login", login.show),
            Route("/login", login.enter, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER)),
            Mount("", routes=protected, middleware=[Middleware(NeedsToken, token=token)]),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: _plain},
    )
    application.state.hub = hub
    for event in stream.listen(hub.note):
        hub.note_earlier(event)
    Thread(target=_read, args=(stream, hub), name="streamseg-serve", daemon=True).start()
    return application


class _Served:
    """The endpoints that show something."""

    def __init__(
        self,
        stream: Stream,
        hub: Hub,
        viewers: Viewers,
        metrics: Metrics,
        allowed_kinds: Collection[str],
    ) -> None:
        self._stream = stream
        self._hub = hub
        self._viewers = viewers
        self._metrics = metrics
        self._allowed_kinds = sorted(allowed_kinds)
        self._page = read_page("index.html")

    def _describe(self) -> dict[str, Any]:
        return {
            "paused": self._stream.is_paused,
            "ended": self._hub.has_ended,
            "failure": self._hub.failure,
            "allowed_sources": self._allowed_kinds,
            "has_h264": can_encode(),
            "viewers": self._viewers.count,
            "sources": self._hub.describe(),
        }

    async def page(self, _request: Request) -> Response:
        return HTMLResponse(self._page)

    async def sources(self, _request: Request) -> Response:
        return JSONResponse(self._describe())

    async def mjpeg(self, request: Request) -> Response:
        return broadcasts.mjpeg(request, self._hub, self._viewers)

    async def events(self, request: Request) -> Response:
        return broadcasts.events(request, self._hub, self._viewers, self._describe)

    async def live(self, websocket: WebSocket) -> None:
        await LiveViewer(websocket, self._hub, self._viewers).run()

    async def snapshot(self, request: Request) -> Response:
        index = int(request.path_params["index"])
        if not self._hub.has(index):
            raise HTTPException(404, "no such source")
        newest = self._hub.newest(index)
        if newest is None:
            raise HTTPException(503, "no frame yet")
        return Response(await newest.annotated_jpeg(), media_type="image/jpeg")

    async def health(self, _request: Request) -> Response:
        if self._hub.has_ended:
            raise HTTPException(503, "the stream has ended")
        return PlainTextResponse("ok\n")

    async def metrics(self, _request: Request) -> Response:
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})


def _read(stream: Stream, hub: Hub) -> None:
    """Body of the thread."""
    try:
        for result in stream:
            hub.publish(result)
    except Exception as error:
        logger.exception("the stream has failed")
        hub.end(str(error) or type(error).__name__)
    else:
        hub.end()


def _plain(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
