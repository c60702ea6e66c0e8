"""A proxy whose connections go dead without being closed, as while a laptop sleeps."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class StallingProxy:
    """Forwards to a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        self.accepted = 0
        self._stalled: set[int] = set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Let nothing more through on the connections that there are; new ones work."""
        self._stalled = set(range(self.accepted))

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [here, there]
                for one, other in ((here, there), (there, here)):
                    arguments = (self.accepted, one, other)
                    threading.Thread(target=self._forward, args=arguments, daemon=True).start()
                self.accepted += 1

    def _forward(self, number: int, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if number not in self._stalled:
                    target.sendall(data)
            if number not in self._stalled:
                target.shutdown(socket.SHUT_WR)


@contextmanager
def stalling_proxy(target: int) -> Iterator[StallingProxy]:
    proxy = StallingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
