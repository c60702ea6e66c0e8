"""Which sources may be added through the page."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from typing import Final

from streamseg.errors import ConfigError, InputError, SourceError
from streamseg.video import test_pattern
from streamseg.video.credentials import masked

SCHEMES: Final = {
    "rtsp": ("rtsp", "rtsps"),
    "http": ("http", "https"),
    "rtmp": ("rtmp", "rtmps"),
    "srt": ("srt",),
}
KINDS: Final = (*SCHEMES, "camera", "test-pattern", "file", "local")
"""What ``--allow-sources`` takes. ``local`` also allows URLs that lead to this machine."""
USUAL_KINDS: Final = ("rtsp",)
MOST_LENGTH: Final = 2048

# A reader that is stricter than FFmpeg's: no address may mean one host here and another one there.
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9]*)://"
    r"(?:[^/?#@\\\s]*@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?:[/?#][^\\\s]*)?"
)
_CAMERA = re.compile(r"\d{1,3}|/dev/video\d{1,3}")


def check_kinds(kinds: Collection[str]) -> frozenset[str]:
    """The kinds, checked.

    Raises:
        ConfigError: there is no such kind.
    """
    if unknown := set(kinds).difference(KINDS):
        raise ConfigError(f"kinds of sources are {', '.join(KINDS)}, got {min(unknown)!r}")
    return frozenset(kinds)


def check_source(source: str, kinds: Collection[str]) -> None:
    """Check a source that somebody wants to add; resolves its host.

    Args:
        source: as a user would type it.
        kinds: that are allowed, of ``KINDS``.

    Raises:
        InputError: it may not be added.
        SourceError: its host cannot be found.
    """
    if not source or len(source) > MOST_LENGTH or not source.isprintable():
        raise InputError(f"a source is a line of text, of at most {MOST_LENGTH} characters")
    kind = _kind_of(source)
    if kind not in kinds:
        allowed = ", ".join(name for name in KINDS if name in kinds) or "none"
        raise InputError(f"this kind of source may not be added here; allowed are: {allowed}")
    if kind in SCHEMES and "local" not in kinds:
        _check_host(source)


def _kind_of(source: str) -> str:
    """One of ``KINDS``; empty for what FFmpeg may open but we do not know."""
    if source.startswith(test_pattern.PREFIX):
        return "test-pattern"
    if _CAMERA.fullmatch(source):
        return "camera"
    if match := _URL.fullmatch(source):
        known = (kind for kind, schemes in SCHEMES.items() if match["scheme"] in schemes)
        return next(known, "")
    return "" if "://" in source and not source.startswith("file://") else "file"


def _check_host(source: str) -> None:
    match = _URL.fullmatch(source)
    assert match is not None  # or its kind would be another one
    host = match["v6"] or match["host"]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"{masked(source)}: the host cannot be found ({error})") from error
    for *_, address in found:
        if _is_local(str(address[0])):
            raise InputError("addresses of this machine may not be added here")


def _is_local(text: str) -> bool:
    """Whether an address leads to this machine, or to its link, where clouds keep secrets."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # ::ffff:127.0.0.1 and 64:ff9b::127.0.0.1
        last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        is_wrapped = address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
        if is_wrapped:
            return _is_local(str(last))
    if address.is_loopback or address.is_unspecified or address.is_link_local:
        return True
    if address.is_multicast or address.is_reserved:
        return True
    return _is_own(address)


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an interface of this machine has the address: only then can it be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
