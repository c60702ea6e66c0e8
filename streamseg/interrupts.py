"""Ctrl-C and the signals that end a program: between two steps, or all like Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TypeAlias

_Handler: TypeAlias = Callable[[int, FrameType | None], None]

# What a supervisor sends, as `docker stop` or systemd, and what closing a terminal sends.
_POLITE = ("SIGTERM", "SIGHUP")


@contextmanager
def ending_like_ctrl_c() -> Iterator[Callable[[], int | None]]:
    """Let SIGTERM and SIGHUP interrupt like Ctrl-C, once: they often come twice.

    One that is ignored, as under ``nohup``, stays so.

    Yields:
        A function that tells the number of the signal that came; None if none did.
    """
    came: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise KeyboardInterrupt

    with _handling(_POLITE, interrupt):
        yield lambda: came[0] if came else None


@contextmanager
def defer_sigint(*, once: bool) -> Iterator[Callable[[], int | None]]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back.

    Nothing is done where they are ignored, or outside of the main thread.

    Args:
        once: a second Ctrl-C interrupts at once, as ever.

    Yields:
        A function that tells the number of the first that came; None if none did.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if once and number == signal.SIGINT:
            signal.signal(signal.SIGINT, before)

    with _handling(("SIGINT", *_POLITE), note):
        yield lambda: came[0] if came else None


def interrupt(number: int) -> NoReturn:
    """Do what a signal that was held back asks for.

    Raises:
        KeyboardInterrupt: unless the signal ends the process.
    """
    if number != signal.SIGINT:
        signal.raise_signal(number)
    raise KeyboardInterrupt


@contextmanager
def _handling(names: tuple[str, ...], handler: _Handler) -> Iterator[None]:
    """Handle signals, where this system has them and nobody ignores them."""
    process = os.getpid()
    before = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process and number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)  # a child that was forked ends as ever
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
