"""A stream of results for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor

from streamseg.results import FrameResult
from streamseg.streaming.stream import Stream


async def results_in_thread(open_stream: Callable[[], Stream]) -> AsyncGenerator[FrameResult, None]:
    """Iterate a stream in a thread of its own, for asyncio.

    Args:
        open_stream: opens the stream; called in that thread.

    Yields:
        The results of the stream. Leaving early or cancelling closes it. If it is still being
        opened, that waits until it is open or has failed.
    """
    loop = asyncio.get_running_loop()
    opened: list[Stream] = []
    executor = ThreadPoolExecutor(1, "streamseg-async")

    def close_opened() -> None:
        for stream in opened:
            stream.close()

    try:
        opening = executor.submit(lambda: opened.append(open_stream()))
        await asyncio.wrap_future(opening)
        while True:
            result = await loop.run_in_executor(executor, next, opened[0], None)
            if result is None:
                return
            yield result
    finally:
        for stream in opened:
            stream.stop()
        executor.submit(close_opened)  # after the opening, if that was cancelled
        await loop.run_in_executor(None, executor.shutdown)
