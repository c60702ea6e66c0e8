"""Pause, resume, add and remove sources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from streamseg.errors import StreamsegError
from streamseg.serve.allowed_sources import check_source
from streamseg.serve.hub import Hub
from streamseg.streaming.stream import Stream

MOST_SOURCES: Final = 32
"""Most sources of a stream; with more, the page cannot add one."""


class Controls:
    """The requests that change a stream."""

    def __init__(self, stream: Stream, hub: Hub, allowed_kinds: Collection[str]) -> None:
        """Control a stream.

        Args:
            stream: what is controlled.
            hub: a removed source leaves it, too.
            allowed_kinds: of sources that may be added; if none are, none may be removed either.
        """
        self._stream = stream
        self._hub = hub
        self._allowed_kinds = allowed_kinds

    async def pause(self, _request: Request) -> Response:
        """Give no results until ``resume``."""
        await asyncio.to_thread(self._stream.pause)
        self._hub.wake()
        return Response(status_code=204)

    async def resume(self, _request: Request) -> Response:
        """Go on."""
        await asyncio.to_thread(self._stream.resume)
        self._hub.wake()
        return Response(status_code=204)

    async def add(self, request: Request) -> Response:
        """Add the source of the body, ``{"source": "rtsp://..."}``."""
        self._check_may_change()
        try:
            source = json.loads(await request.body())["source"]
        except ClientDisconnect:
            raise HTTPException(413, "the request is too long") from None
        except (ValueError, KeyError, TypeError):
            source = None
        if not isinstance(source, str):
            raise HTTPException(400, 'the body is {"source": "rtsp://..."}')
        if len(self._hub.indices()) >= MOST_SOURCES:
            raise HTTPException(409, f"there are {MOST_SOURCES} sources already")
        try:
            await asyncio.to_thread(check_source, source.strip(), self._allowed_kinds)
            index = await asyncio.to_thread(self._stream.add, source.strip())
        except StreamsegError as error:
            raise HTTPException(400, str(error)) from error
        return JSONResponse({"index": index}, 201)

    async def remove(self, request: Request) -> Response:
        """Close a source."""
        self._check_may_change()
        index = int(request.path_params["index"])
        if not self._hub.remove(index):
            raise HTTPException(404, "no such source")
        await asyncio.to_thread(self._stream.remove, index)
        return Response(status_code=204)

    def _check_may_change(self) -> None:
        if not self._allowed_kinds:
            raise HTTPException(403, "sources are changed only with a token, see --allow-sources")
