from __future__ import annotations

import logging

import pytest

from streamseg.video.credentials import keep_secret, masked, without_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:pw@host/live", "rtsp://***@host/live"),
        ("rtsp://user:pw@host:554/live?a=b", "rtsp://***@host:554/live?a=b"),
        ("rtsp://user@host", "rtsp://***@host"),
        ("http://host/a?camera=2&Token=b/c&x=1#d", "http://host/a?camera=2&Token=***&x=1#d"),
        ("rtsp://user:pw@host/live?password=p@q", "rtsp://***@host/live?password=***"),
        ("rtsp://user:p@ss@host/live", "rtsp://***@host/live"),
        ("rtsp://user:p/w@host/live", "rtsp://***@host/live"),
        ("rtsp://user:p?w#x@host/live", "rtsp://***@host/live"),
        ("rtsp://user:pw@[::1]:554/live", "rtsp://***@[::1]:554/live"),
        ("http://host/picture@2x.mjpg", "http://host/picture@2x.mjpg"),
        ("http://host:80/picture@2x.mjpg", "http://host:80/picture@2x.mjpg"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("clip@home.mp4", "clip@home.mp4"),
        ("a:b@c", "a:b@c"),
    ],
)
def test_secrets_are_hidden(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_ffmpegs_messages_and_no_others_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    keep_secret("http://keeper:0p%40n5esame@host/x")
    for text in ("0p%40n5esame", "0p@n5esame", "a keeper:0p%40n5esame@host b"):
        assert "0p" not in without_secrets(text)
    keep_secret("http://host/x?camera=gate&access_key=71346x")
    assert without_secrets("GET /x?camera=gate&access_key=71346x") == (
        "GET /x?camera=gate&access_key=***"
    )
    caplog.set_level(logging.INFO)
    logging.getLogger("libav.http").error("Opening %s", "http://keeper:0p%40n5esame@host/x")
    logging.getLogger("elsewhere").info("0p@n5esame is a word")
    assert caplog.messages == ["Opening http://***@host/x", "0p@n5esame is a word"]
