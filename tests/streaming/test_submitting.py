"""Controls of a stream from another thread while a frame is being submitted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from colour_runtime import ColourDevice
from slow_streams import frames_of, pattern, source_of

from streamseg import Stream
from streamseg.frame import Frame, Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.runtime.base import Pending
from streamseg.segmenter import Segmenter

pytestmark = pytest.mark.usefixtures("first_use_is_over", "no_thread_is_left")

COUNT = 4


class Device(ColourDevice):
    """Stays in ``submit`` of one frame until it is told to go on. Has a source of frames.

    Each frame is read while the one before it is being submitted.
    """

    def __init__(self, stays_at: int) -> None:
        super().__init__()
        self.stays_at = stays_at
        self.stays, self.may_go_on = Event(), Event()
        self.read = [Event() for _ in range(COUNT)]
        self.submitted = [Event() for _ in range(COUNT)]
        self.submitted_count = 0

    def frames(self) -> Generator[Frame, None, None]:
        for frame in frames_of(pattern(COUNT)):
            yield frame
            self.read[frame.index].set()
            assert self.submitted[frame.index].wait(10)

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        index = self.submitted_count
        self.submitted_count += 1
        self.submitted[index].set()
        if index + 1 < COUNT:
            assert self.read[index + 1].wait(10)
        if index == self.stays_at:
            self.stays.set()
            assert self.may_go_on.wait(10)
        return super().submit(image, grouping, height=height, width=width)


def results(
    control: Callable[[Stream], object], *, stays_at: int, policy: str
) -> list[tuple[int, int]]:
    """Call ``control`` while a frame is being submitted.

    Returns:
        Index, and number of dropped frames, of all results.
    """
    device = Device(stays_at)
    stream = Segmenter(device, size=(160, 96)).stream([source_of(device.frames())], policy=policy)
    with ThreadPoolExecutor(1) as user, stream:
        found = user.submit(lambda: [(result.index, result.dropped) for result in stream])
        try:
            assert device.stays.wait(10)
            control(stream)
            device.may_go_on.set()
            return found.result(10)
        finally:
            for event in (device.may_go_on, *device.read, *device.submitted):
                event.set()


def pause_and_resume(stream: Stream) -> None:
    stream.pause()
    stream.resume()


WITHOUT_0, WITHOUT_1 = [(1, 1), (2, 0), (3, 0)], [(0, 0), (2, 1), (3, 0)]


@pytest.mark.parametrize(("stays_at", "expected"), [(0, WITHOUT_0), (1, WITHOUT_1)])
def test_a_camera_that_was_paused_gives_no_stale_result(
    stays_at: int, expected: list[tuple[int, int]]
) -> None:
    assert results(pause_and_resume, stays_at=stays_at, policy="latest") == expected


@pytest.mark.parametrize("stays_at", [0, 1])
def test_a_file_that_was_paused_loses_no_frame(stays_at: int) -> None:
    expected = [(index, 0) for index in range(COUNT)]
    assert results(pause_and_resume, stays_at=stays_at, policy="all") == expected


@pytest.mark.parametrize(("stays_at", "expected"), [(0, WITHOUT_0), (1, WITHOUT_1)])
def test_the_frame_that_is_being_submitted_is_skipped(
    stays_at: int, expected: list[tuple[int, int]]
) -> None:
    assert results(Stream.skip, stays_at=stays_at, policy="all") == expected


@pytest.mark.parametrize(("stays_at", "expected"), [(0, []), (1, [(0, 0)])])
def test_a_source_that_was_removed_gives_no_further_result(
    stays_at: int, expected: list[tuple[int, int]]
) -> None:
    def remove(stream: Stream) -> None:
        stream.remove(0)

    assert results(remove, stays_at=stays_at, policy="all") == expected


@pytest.mark.parametrize(("stays_at", "expected"), [(0, []), (1, [(0, 0)])])
def test_a_stream_that_was_stopped_gives_no_further_result(
    stays_at: int, expected: list[tuple[int, int]]
) -> None:
    assert results(Stream.stop, stays_at=stays_at, policy="all") == expected
