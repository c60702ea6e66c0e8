"""Segment a source in an asyncio program, next to other tasks.

    python examples/with_asyncio.py rtsp://gate/1 --seconds 10

The network runs in another thread, so the event loop stays free. Cancelling the task closes the
source.
"""

import argparse
import asyncio

import streamseg


async def watch(segmenter: streamseg.Segmenter, source: str, queue: asyncio.Queue[str]) -> None:
    """Put a line into the queue whenever an object is confirmed."""
    seen: set[str] = set()
    async for result in segmenter.astream(source):
        for instance in result.instances:
            if instance.is_confirmed and instance.name not in seen:
                seen.add(instance.name)
                await queue.put(f"{result.pts_seconds:.2f} s: {instance.name}")


async def report(queue: asyncio.Queue[str]) -> None:
    """Print what comes; a web socket or a data base goes here."""
    while True:
        print(await queue.get())
        queue.task_done()


async def main() -> None:
    """Watch a source until it ends or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--model", default="nano")
    arguments = parser.parse_args()

    queue: asyncio.Queue[str] = asyncio.Queue()
    reporter = asyncio.create_task(report(queue))
    with streamseg.load(arguments.model) as segmenter:
        try:
            await asyncio.wait_for(watch(segmenter, arguments.source, queue), arguments.seconds)
        except asyncio.TimeoutError:
            print("the time is over")
    await queue.join()
    reporter.cancel()


asyncio.run(main())
