"""A result in the forms that viewers take, each made once for all viewers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import cached_property
from io import BytesIO
from threading import Lock
from typing import Any, Final

from PIL import Image as Pillow

from streamseg.drawing.overlay import draw, name_colour
from streamseg.formats.jsonl import frame_object
from streamseg.frame import Image
from streamseg.results import FrameResult

JPEG_QUALITY: Final = 80
MOST_LIVE_PIXELS: Final = 1280 * 720
"""Most pixels of the frame in a live message. Larger frames are scaled down; their masks are
not."""


class EncodedResult:
    """A result, encoded in another thread when the first viewer asks for it."""

    def __init__(
        self, result: FrameResult, since_seconds: dict[str, float], encoder: Executor
    ) -> None:
        """Encode nothing yet.

        Args:
            result: of a frame.
            since_seconds: for how long each confirmed instance has been in view, by its name.
            encoder: runs the encoding.
        """
        self.result = result
        self._since_seconds = since_seconds
        self._encoder = encoder
        self._lock = Lock()
        # keyed by name: a bound method would hold this object, and the frame with it, in a cycle
        self._made: dict[str, Future[bytes]] = {}

    async def json_line(self) -> bytes:
        """The line of docs/formats.md, without its end."""
        return await self._once(self._json_line)

    async def annotated_jpeg(self) -> bytes:
        """The frame with its confirmed instances drawn in."""
        return await self._once(self._annotated_jpeg)

    async def live_message(self) -> bytes:
        """The result and the frame as JPEG, without drawing; docs/serve.md has the format."""
        return await self._once(self._live_message)

    async def _once(self, make: Callable[[], bytes]) -> bytes:
        name = make.__name__
        with self._lock:  # viewers may run in several event loops
            if name not in self._made:
                self._made[name] = self._encoder.submit(make)
        # a viewer that leaves must not cancel what others wait for
        return await asyncio.shield(asyncio.wrap_future(self._made[name]))

    def live_bytes(self, payload: bytes, **about: Any) -> bytes:
        """A live message; runs in the encoder's thread.

        Args:
            payload: shows the frame.
            about: what the JSON text says of the payload.
        """
        shown = [
            {
                "name": instance.name,
                "colour": "#{:02x}{:02x}{:02x}".format(*name_colour(instance.name)),
                "since_seconds": round(self._since_seconds[instance.name], 1),
            }
            for instance in self.result.confirmed
        ]
        latency_ms = round(self.result.latency_ms, 1)
        head = _compact(
            {"result": self._frame_object, "shown": shown, "latency_ms": latency_ms, **about}
        )
        return len(head).to_bytes(4, "big") + head + payload

    def live_image(self, multiple: int = 1) -> Image:
        """The frame without drawing, scaled down if it is large; runs in the encoder's thread.

        Args:
            multiple: both sides become multiples of this number of pixels.
        """
        frame = self.result.frame
        scale = min(1.0, math.sqrt(MOST_LIVE_PIXELS / (frame.width * frame.height)))
        width, height = (
            max(multiple, round(scale * side) // multiple * multiple)
            for side in (frame.width, frame.height)
        )
        if (width, height) == (frame.width, frame.height):
            return frame.image
        return frame.render(width, height)

    @cached_property
    def _frame_object(self) -> dict[str, Any]:
        return frame_object(self.result)

    def _json_line(self) -> bytes:
        return _compact(self._frame_object)

    def _annotated_jpeg(self) -> bytes:
        return to_jpeg(draw(self.result, only_confirmed=True))

    def _live_message(self) -> bytes:
        return self.live_bytes(to_jpeg(self.live_image()))


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def to_jpeg(image: Image) -> bytes:
    """Compress an image, RGB uint8 [H, W, 3], as viewers get it."""
    buffer = BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
