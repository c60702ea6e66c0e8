"""Signals that end a program, held back or turned into Ctrl-C."""

from __future__ import annotations

import os
import signal

import pytest

from streamseg.interrupts import defer_signals, ending_like_ctrl_c

POLITE = (signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", POLITE)
def test_a_polite_signal_interrupts_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with ending_like_ctrl_c() as came:
        assert came() is None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        for again in POLITE:  # a supervisor and a shell send them twice
            signal.raise_signal(again)
        assert came() == number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, *POLITE])
@pytest.mark.usefixtures("interruptible")
def test_a_signal_is_held_back_until_the_end(number: signal.Signals) -> None:
    with ending_like_ctrl_c() as came:
        with defer_signals(once=True) as held:
            assert not held()
            signal.raise_signal(number)
            assert held()
            if number == signal.SIGINT:
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(number)
            else:
                signal.raise_signal(number)
        assert came() is None


def test_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with ending_like_ctrl_c() as came, defer_signals(once=False) as held:
            signal.raise_signal(signal.SIGHUP)
            assert came() is None
            assert not held()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_ends_at_once() -> None:
    with ending_like_ctrl_c():
        child = os.fork()
        if not child:
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM
