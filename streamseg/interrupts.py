"""Ctrl-C between two steps instead of within one, so that the checkpoint is exact."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back(*, once: bool) -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back. Nothing is done where it is ignored, or outside of the main thread.

    Args:
        once: a second Ctrl-C interrupts at once, as ever.

    Yields:
        A function that tells whether Ctrl-C was pressed.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before in (signal.SIG_IGN, None):
        yield lambda: False
        return
    pressed = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        pressed.set()
        if once:
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
