"""Read several cameras at once, and write one file for each.

    python examples/several_cameras.py rtsp://gate/1 rtsp://yard/1 0

A camera that is lost is reconnected; the others go on. Ctrl-C ends the program, and the files
camera-0.jsonl, camera-1.jsonl, ... are complete up to there.
"""

import argparse
from contextlib import ExitStack

import streamseg


def report(event: streamseg.StreamEvent) -> None:
    """Print a change of a camera's state; called in the thread of the camera."""
    print(event.source, event.state, event.reason)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("sources", nargs="+", help="camera numbers, URLs or files")
parser.add_argument("--model", default="nano")
arguments = parser.parse_args()

with ExitStack() as stack:
    segmenter = stack.enter_context(streamseg.load(arguments.model))
    writers = [
        stack.enter_context(streamseg.open_writer("jsonl", f"camera-{index}.jsonl"))
        for index in range(len(arguments.sources))
    ]
    stream = stack.enter_context(segmenter.stream(arguments.sources, on_event=report))
    try:
        for result in stream:
            writers[result.source_index].write(result)
            names = ", ".join(instance.name for instance in result.instances) or "nothing"
            print(
                f"camera {result.source_index}: {names}; "
                f"{result.latency_ms:.0f} ms old, {result.dropped} frames dropped"
            )
    except KeyboardInterrupt:
        print("stopped")
