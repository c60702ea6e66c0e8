"""Which sources viewers may add."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from streamseg import ConfigError, InputError, SourceError
from streamseg.serve.allowed_sources import KINDS, USUAL_KINDS, check_kinds, check_source
from streamseg.serve.server import is_loopback, names_of_server

EVERYTHING_ELSE = tuple(kind for kind in KINDS if kind not in ("local", "file", "camera"))


def addresses(monkeypatch: pytest.MonkeyPatch, **found: str) -> None:
    """Names of hosts that are no real ones, as the resolver would find them."""
    true_lookup = socket.getaddrinfo

    def lookup(host: str, *arguments: Any, **options: Any) -> Any:
        return true_lookup(found.get(host.partition(".")[0], host), *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "yard.mp4",
        "~/yard.mp4",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "0",
        "/dev/video0",
        "rtsp:/etc/passwd",
        "concat:/etc/passwd|/etc/shadow",
        "subfile,,start,0,end,10,,:/etc/passwd",
        "async:file:///etc/passwd",
        "crypto+file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "ftp://gate/1",
        "udp://239.0.0.1:1234",
        "rtsp://gate/1\nGET / HTTP/1.1",
        "rtsp://gate\\@127.0.0.1/1",
        "rtsp://one@two@three/1",
        "rtsp://gate/1 /etc/passwd",
        "rtsp://",
        "rtsp://gate:123456/1",
        "x" * 3000,
    ],
)
def test_files_cameras_and_what_ffmpeg_might_read_are_refused(source: str) -> None:
    with pytest.raises(InputError, match=r"may not be added|a source is a line"):
        check_source(source, EVERYTHING_ELSE)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "localhost",
        "user:password@127.0.0.1",
        "127.0.0.1:8554",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "169.254.169.254",
        "224.0.0.1",
        "sneaky.example",
    ],
)
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_addresses_of_this_machine_are_refused(
    monkeypatch: pytest.MonkeyPatch, scheme: str, host: str
) -> None:
    addresses(monkeypatch, sneaky="127.0.0.1")
    with pytest.raises(InputError, match="addresses of this machine"):
        check_source(f"{scheme}://{host}/live", EVERYTHING_ELSE)


def test_the_own_address_in_the_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = "10.9.8.7"
    monkeypatch.setattr(socket.socket, "bind", lambda _socket, address: None)
    with pytest.raises(InputError, match="addresses of this machine"):
        check_source(f"rtsp://{own}/live", USUAL_KINDS)


def test_cameras_of_the_network_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses(monkeypatch, gate="203.0.113.9")
    for host in ("gate.example", "203.0.113.9:554", "user:password@gate.example", "[2001:db8::9]"):
        check_source(f"rtsp://{host}/live?channel=1&subtype=0", USUAL_KINDS)


def test_kinds_are_allowed_by_name() -> None:
    check_source("rtsp://127.0.0.1/live", ("rtsp", "local"))
    check_source("yard.mp4", ("file",))
    check_source("0", ("camera",))
    check_source("test-pattern:", ("test-pattern",))
    with pytest.raises(InputError, match="allowed are: rtsp, camera"):
        check_source("https://gate.example/live", ("camera", "rtsp"))
    with pytest.raises(ConfigError, match="'rstp'"):
        check_kinds(["rtsp", "rstp"])


def test_a_host_that_is_not_found_is_told_without_its_password() -> None:
    with pytest.raises(SourceError, match="the host cannot be found") as raised:
        check_source("rtsp://user:password@nowhere.invalid/live", USUAL_KINDS)
    assert "password" not in str(raised.value)


def test_only_addresses_of_the_machine_alone_need_no_token() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.5", "gate")] == [False] * 4
    assert names_of_server("127.0.0.1") == []
    assert socket.gethostname() in names_of_server("0.0.0.0")
