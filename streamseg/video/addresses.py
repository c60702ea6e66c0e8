"""Split an address into parts that may be shown and parts that may hold secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_URL = re.compile(r"(.*?)([A-Za-z][A-Za-z0-9+.-]+):(/+)(.*)", re.DOTALL)
# as "concat:" before a URL
_WRAPPER = re.compile(r"\s*([A-Za-z0-9,+]+:)*")
_LOGIN_WITHOUT_SCHEME = re.compile(r"([^/\s]+:.*)@([^@]*)", re.DOTALL)
_AUTHORITY = re.compile(r"[^/?#\\]*")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[\w.-]*)(:\d{0,5})?")
_BETWEEN_WORDS = re.compile(r"[._-]|%20")
_WORD = re.compile(r"[A-Za-z]{0,20}\d{0,4}|\d{1,4}[A-Za-z]{1,5}|\d{8}|m3u8")
# The part of a path behind such a word may be a secret.
_TELLTALE = re.compile(
    "user|usr|pass|pwd|login|admin|token|key|secret|auth|sig|cred|session|sid", re.IGNORECASE
)
_NUMBERED = (
    "camera", "cam", "channel", "chn", "ch", "subtype", "stream", "streamid", "profile", "fps",
    "width", "height", "quality",
)  # fmt: skip
"""Parameters that choose a stream of a camera; shown if their value is a small number."""
_SMALL_NUMBER = re.compile(r"\d{1,4}")
_SECRET_NAMES = (
    "user", "usr", "username", "login", "loginuse", "loginpas", "pass", "passwd", "password", "pwd",
    "token", "access_token", "key", "api_key", "apikey", "access_key", "secret", "auth",
    "signature", "sig", "session", "sid", "jwt",
)  # fmt: skip


class Part(NamedTuple):
    """A piece of an address."""

    text: str
    is_shown: bool


def parts_of(address: str) -> list[Part]:
    """Split an address into parts that may be shown and parts that may not.

    Joined, the parts are the address. Shown are the scheme, host and port, the words of a path, the
    names of known parameters, and small numbers that choose a stream of a camera. If an ``@``
    behind the host makes it unclear what is host and what is password, only the scheme is shown.
    Text that is not an address is shown whole.
    """
    url = _URL.fullmatch(address)
    if not url:
        login = _LOGIN_WITHOUT_SCHEME.fullmatch(address)
        if not login:
            return [Part(address, True)]
        return [Part(login[1], False), Part("@", True), *_without_login(login[2])]
    before, scheme, slashes, rest = url.groups()
    if not before and scheme.lower() == "file":
        return [Part(address, True)]
    head = [
        Part(before, bool(_WRAPPER.fullmatch(before))),
        Part(f"{scheme}:{slashes}", True),
    ]
    return [part for part in (*head, *_with_login(rest)) if part.text]


def _with_login(rest: str) -> list[Part]:
    """The parts of the address after ``//``."""
    authority = _authority(rest)
    login, _, host = authority.rpartition("@")
    if "@" in rest[len(authority) :]:
        login, _, host = rest.rpartition("@")
        # read as user:pass/word@host only if no other reading is possible
        if _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2]) or "=" in login:
            return [Part(rest, False)]
        rest = host
    elif "@" in authority:
        rest = rest[len(login) + 1 :]
    else:
        return list(_without_login(rest))
    return [Part(login, False), Part("@", True), *_without_login(rest)]


def _without_login(rest: str) -> Iterator[Part]:
    authority = _authority(rest)
    yield Part(authority, bool(_HOST_AND_PORT.fullmatch(authority)))
    path, query, fragment = re.fullmatch(
        r"([^?#]*)(\?[^#]*)?(#.*)?", rest[len(authority) :], re.DOTALL
    ).groups(default="")  # type: ignore[union-attr] # it fits any text
    yield from _of_path(path)
    if query:
        yield Part("?", True)
        yield from _of_query(query[1:])
    if fragment:
        yield Part("#", True)
        yield Part(fragment[1:], False)


def _authority(rest: str) -> str:
    return _AUTHORITY.match(rest)[0]  # type: ignore[index] # it fits any text


def _of_path(path: str) -> Iterator[Part]:
    is_shown = True
    for text in re.split(r"(/)", path):
        if text == "/":
            yield Part(text, True)
            continue
        words = _BETWEEN_WORDS.split(text)
        is_telltale = bool(_TELLTALE.search(text))
        is_plain = all(_WORD.fullmatch(word) for word in words)
        yield Part(text, is_shown and is_plain and not (is_telltale and len(words) > 1))
        is_shown = is_shown and not is_telltale


def _of_query(query: str) -> Iterator[Part]:
    for text in re.split(r"([&;])", query):
        name, equals, value = text.partition("=")
        is_number = name.lower() in _NUMBERED and _SMALL_NUMBER.fullmatch(value)
        if text in ("&", ";") or is_number:
            yield Part(text, True)
        elif name.lower() in (*_NUMBERED, *_SECRET_NAMES) and equals:
            yield Part(name + equals, True)
            yield Part(value, False)
        else:
            yield Part(text, False)
