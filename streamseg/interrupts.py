"""Handle Ctrl-C and the signals that end a program: defer them, or treat them like Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn, TypeAlias

_Handler: TypeAlias = Callable[[int, FrameType | None], None]

STOPPED: Final = 130
"""Exit status of an interrupted command: 128 plus the number of SIGINT, as in shells."""

# Sent by supervisors such as `docker stop` and systemd, and when a terminal is closed.
_TERMINATING = ("SIGTERM", "SIGHUP")


@contextmanager
def ending_like_ctrl_c() -> Iterator[Callable[[], int | None]]:
    """Let SIGTERM and SIGHUP raise ``KeyboardInterrupt``, once: they often come twice.

    A signal that is ignored, as under ``nohup``, stays ignored.

    Yields:
        A function that returns the number of the signal that came, None if none came.
    """
    came: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise KeyboardInterrupt

    with _handling(_TERMINATING, interrupt):
        yield lambda: came[0] if came else None


@contextmanager
def defer_signals(*, once: bool) -> Iterator[Callable[[], int | None]]:
    """Defer Ctrl-C, SIGTERM and SIGHUP: only note that they came.

    Signals that are ignored stay ignored. Outside of the main thread this is a no-op.

    Args:
        once: whether a second Ctrl-C interrupts at once.

    Yields:
        A function that returns the number of the first that came; None if none did.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if once and number == signal.SIGINT:
            signal.signal(signal.SIGINT, before)

    with _handling(("SIGINT", *_TERMINATING), note):
        yield lambda: came[0] if came else None


def raise_deferred(number: int) -> NoReturn:
    """Act on a deferred signal: end the process, or raise ``KeyboardInterrupt``.

    Raises:
        KeyboardInterrupt: unless the signal ends the process.
    """
    if number != signal.SIGINT:
        signal.raise_signal(number)
    raise KeyboardInterrupt


@contextmanager
def _handling(names: tuple[str, ...], handler: _Handler) -> Iterator[None]:
    """Handle those of the signals that this system has and that are not ignored."""
    process = os.getpid()
    before = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process and number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)  # a forked child ends as by default
            signal.raise_signal(number)
        handler(number, frame)

    if threading.current_thread() is threading.main_thread():
        for name in names:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
