"""Refuse requests that other web pages, or strangers, may have caused."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES: Final = 4096
"""Most bytes of a request body. The longest request adds a source."""
SAFE_METHODS: Final = ("GET", "HEAD")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "same-origin",  # with less, browsers hide the Origin of forms, too
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Checks Host, Origin and size of every request, and adds headers to every response."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        """Guard an application.

        Args:
            app: what is guarded.
            hosts: names by which browsers may reach it, besides ``localhost`` and IP addresses.
        """
        self._app = app
        self._hosts = {"localhost", *(host.lower().rstrip(".") for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, _limited(receive), _with_headers(send))
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            # the page of another name that was pointed here (DNS rebinding)
            return PlainTextResponse(f"this host is not served: {host[:100]!r}\n", 421)
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host.lower():
            return PlainTextResponse("requests of other pages are refused\n", 403)
        # browsers send no Origin for images, but say where the request comes from
        is_link = headers.get("sec-fetch-mode") == "navigate" and _method(scope) in SAFE_METHODS
        if headers.get("sec-fetch-site") == "cross-site" and not is_link:
            return PlainTextResponse("requests of other pages are refused\n", 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            return PlainTextResponse(f"a request has at most {MOST_BODY_BYTES} bytes\n", 413)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name.rstrip(".") in self._hosts or _is_address(name)


class NeedsToken:
    """Asks for the token, as a Bearer header or the cookie that the login page sets."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        """Protect an application.

        Args:
            app: what is protected.
            token: None lets everybody in.
        """
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if self._token is None or has_token(Headers(scope=scope), self._token):
            await self._app(scope, receive, send)
            return
        refusal: Response = PlainTextResponse(
            "a token is needed: log in, or send the header Authorization: Bearer TOKEN\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )
        accepts_page = "text/html" in Headers(scope=scope).get("accept", "")
        if scope["type"] == "http" and accepts_page and _method(scope) in SAFE_METHODS:
            refusal = RedirectResponse(f"{scope.get('root_path', '')}/login", 303)
        await refusal(scope, receive, send)


def has_token(headers: Headers, token: str) -> bool:
    """Whether a request carries the token; compared in constant time."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_equal(given.strip(), token):
        return True
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return False
    cookie = cookies.get(cookie_name(token))
    return cookie is not None and is_equal(cookie.value, cookie_value(token))


def is_equal(given: str, expected: str) -> bool:
    """Compare in a time that does not depend on where the texts differ."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def cookie_name(token: str) -> str:
    """Name of the login cookie.

    It differs between servers, because browsers send cookies to every port of a machine.
    """
    return f"streamseg-{_derived(token, 'name')[:8]}"


def cookie_value(token: str) -> str:
    """Value of the login cookie; the token cannot be computed from it."""
    return _derived(token, "value")


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def _method(scope: Scope) -> str:
    return str(scope.get("method", "GET"))


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None if it is not a URL."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _limited(receive: Receive) -> Receive:
    """Receive a body without stated length, which may not exceed the limit either."""
    received = 0

    async def receive_some() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > MOST_BODY_BYTES:
                return {"type": "http.disconnect"}
        return message

    return receive_some


def _with_headers(send: Send) -> Send:
    async def send_more(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_more
