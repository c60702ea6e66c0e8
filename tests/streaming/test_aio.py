"""Streams in asyncio."""

from __future__ import annotations

import asyncio
import threading

import pytest
from camera_servers import http_camera, wait_until
from colour_runtime import ColourRuntime
from slow_streams import QUICK, pattern

import streamseg
from streamseg.frame import Image
from streamseg.results import FrameResult, NetworkOutput
from streamseg.segmenter import Segmenter
from streamseg.streaming.aio import results_in_thread
from streamseg.streaming.stream import Stream

pytestmark = pytest.mark.usefixtures("first_use_is_over", "no_thread_is_left")


def test_the_event_loop_runs_while_frames_are_segmented() -> None:
    ticked = threading.Event()
    waits = []

    class WaitingForTick(ColourRuntime):
        def run(self, image: Image) -> NetworkOutput:
            ticked.clear()
            waits.append(ticked.wait(10))
            return super().run(image)

    async def watch() -> list[FrameResult]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(0.01)
                ticked.set()

        ticking = asyncio.create_task(tick())
        segmenter = Segmenter(WaitingForTick(), size=(160, 96))
        results = [r async for r in segmenter.astream(pattern(6))]
        ticking.cancel()
        return results

    results = asyncio.run(watch())
    assert [r.index for r in results] == list(range(6))
    assert waits == [True] * 6


def test_cancelling_an_asyncio_task_closes_the_camera(segmenter: Segmenter) -> None:
    async def watch(url: str) -> None:
        async def consume() -> None:
            async for _ in segmenter.astream(url, options=QUICK):
                seen.set()

        seen = asyncio.Event()
        task = asyncio.create_task(consume())
        await seen.wait()
        camera.stalled = True
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with http_camera() as camera:
        asyncio.run(watch(camera.url))
        camera.stalled = False
        wait_until(lambda: camera.viewers == 0, 1)


def test_a_stream_whose_opening_is_cancelled_is_closed(segmenter: Segmenter) -> None:
    is_opening, may_open = threading.Event(), threading.Event()
    opened = []

    def open_slowly() -> Stream:
        is_opening.set()
        may_open.wait(5)
        opened.append(segmenter.stream(pattern(100_000)))
        return opened[0]

    async def watch() -> None:
        async def consume() -> None:
            async for _ in results_in_thread(open_slowly):
                raise AssertionError

        task = asyncio.create_task(consume())
        await asyncio.to_thread(is_opening.wait)
        task.cancel()
        may_open.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(watch())
    assert next(opened[0], None) is None  # closed


def test_asyncio_gets_errors_with_the_first_result(segmenter: Segmenter) -> None:
    async def watch() -> None:
        async for _ in segmenter.astream("nowhere.mp4"):
            raise AssertionError

    with pytest.raises(streamseg.SourceError, match="nowhere"):
        asyncio.run(watch())
