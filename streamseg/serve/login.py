"""The page that asks for the token."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from streamseg.serve.guard import cookie_name, cookie_value, is_equal
from streamseg.serve.pages import read_page

_PROBLEM: Final = "<!-- problem -->"
_WRONG: Final = '<p class="problem" role="alert">This token is wrong.</p>'


class Login:
    """Sets a cookie for the token."""

    def __init__(self, token: str | None) -> None:
        """Without a token there is nothing to log in to."""
        self._token = token
        self._page = read_page("login.html")

    async def show(self, request: Request) -> Response:
        """The form."""
        if self._token is None:
            return _to_start(request)
        return HTMLResponse(self._page)

    async def enter(self, request: Request) -> Response:
        """Take the form: a cookie for the right token, the form again for a wrong one."""
        if self._token is None:
            return _to_start(request)
        try:
            fields = parse_qs((await request.body()).decode(errors="replace"))
        except ClientDisconnect:
            raise HTTPException(413, "the request is too long") from None
        if not is_equal(fields.get("token", [""])[0].strip(), self._token):
            return HTMLResponse(self._page.replace(_PROBLEM, _WRONG), 401)
        response = _to_start(request)
        response.set_cookie(
            cookie_name(self._token),
            cookie_value(self._token),
            max_age=30 * 24 * 3600,
            path=request.scope.get("root_path", "") or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response


def _to_start(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)
