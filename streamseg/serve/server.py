"""Run the application with uvicorn."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette

from streamseg.errors import ConfigError
from streamseg.serve.application import MOST_VIEWERS
from streamseg.serve.hub import Hub

SEND_BUFFER_BYTES: Final = 128 * 1024
"""Send buffer of a connection. Data in a larger buffer would be old before a slow viewer reads
it."""
DEAD_AFTER_SECONDS: Final = 15
"""A connection that takes no byte for so long is closed (Linux)."""
MOST_CONNECTIONS: Final = 4 * MOST_VIEWERS
GRACE_SECONDS: Final = 3


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can connect to an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of_server(host: str) -> list[str]:
    """Names by which browsers may reach an address, besides ``localhost`` and IP addresses."""
    if is_loopback(host):
        return []
    own = socket.gethostname()
    return [host, own, f"{own}.local"]


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes a free one.

    Raises:
        ConfigError: the address or the port cannot be used.
    """
    if port > 65535:  # getaddrinfo would use the port modulo 65536
        raise ConfigError(f"cannot listen on {host} port {port}: the last port is 65535")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    # the connections that are accepted inherit these
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        option = socket.TCP_USER_TIMEOUT
        listener.setsockopt(socket.IPPROTO_TCP, option, 1000 * DEAD_AFTER_SECONDS)
    return listener


class Server(uvicorn.Server):
    """Tells viewers when it ends, and ends when the stream has failed."""

    def __init__(self, application: Starlette) -> None:
        """Serve an application of ``app``."""
        self._hub: Hub = application.state.hub
        super().__init__(
            uvicorn.Config(
                application,
                access_log=False,
                lifespan="off",
                limit_concurrency=MOST_CONNECTIONS,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ws="websockets-sansio",
                ws_max_size=1024,
                ws_per_message_deflate=False,  # images do not shrink
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    @property
    def failure(self) -> str:
        """Why the stream has failed; empty if it has not."""
        return self._hub.failure

    def address(self, listener: socket.socket) -> str:
        """The URL of a socket of ``listen``."""
        host, port = listener.getsockname()[:2]
        if ipaddress.ip_address(host).is_unspecified:
            host = socket.gethostname()
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; called several times a second."""
        if self._hub.failure:
            return True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the viewers' responses first: they are endless."""
        self._hub.end()
        await super().shutdown(sockets)
