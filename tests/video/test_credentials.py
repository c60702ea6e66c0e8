from __future__ import annotations

import logging
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamseg.errors import SourceError
from streamseg.video.credentials import keep_secret, masked, without_secrets
from streamseg.video.source import name_of, open_source


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:pw@host/live", "rtsp://***@host/live"),
        ("rtsp://user:pw@host:554/live?channel=2", "rtsp://***@host:554/live?channel=2"),
        ("rtsp://user@host", "rtsp://***@host"),
        ("http://host/a?camera=2&Token=b/c&x=1#d", "http://host/a?camera=2&Token=***#***"),
        ("http://host/a?camera=gate&ch=12345", "http://host/a?camera=***&ch=***"),
        ("rtsp://user:p@ss@host/live", "rtsp://***@host/live"),
        ("rtsp://user:p/w@host/live", "rtsp://***@host/live"),
        ("rtsp://user:p?w#x@host/live", "rtsp://***@host/live"),
        ("rtsp://admin:12/34@host/live", "rtsp://***"),
        ("rtsp://admin:12#34@host/live", "rtsp://***"),
        ("rtsp://admin:12?34@host/live", "rtsp://***"),
        ("rtsp://user:pw@host/live?password=p@q", "rtsp://***"),
        ("http://host/image@2x.mjpg", "http://***"),
        ("rtsp://user:pw@[::1]:554/live", "rtsp://***@[::1]:554/live"),
        ("udp://@239.0.0.1:1234", "udp://@239.0.0.1:1234"),
        ("rtsp://h/user=a_password=b_channel=1_stream=0.sdp", "rtsp://h/***"),
        ("rtsp://h/user/bob/ch1", "rtsp://h/user/***/***"),
        (
            "http://h/videostream.cgi?loginuse=a&loginpas=b",
            "http://h/videostream.cgi?loginuse=***&loginpas=***",
        ),
        ("http://h/live?pwd=b", "http://h/live?pwd=***"),
        ("http://h/live#token=b", "http://h/live#***"),
        ("http://h/live;token=b/x", "http://h/***/***"),
        ("rtsps://h:7441/aB3dE5gH7jK9mN1p", "rtsps://h:7441/***"),
        ("http://h/dir/cam-01_720p.2024.m3u8", "http://h/dir/cam-01_720p.2024.m3u8"),
        (
            "rtsp://h/cam/realmonitor?channel=1&subtype=0",
            "rtsp://h/cam/realmonitor?channel=1&subtype=0",
        ),
        ("rtsp://h/Streaming/Channels/101", "rtsp://h/Streaming/Channels/101"),
        (" rtsp://a:b@h", " rtsp://***@h"),
        ("rtsp:/a:b@h", "rtsp:/***@h"),
        ("concat:http://a:b@h/x", "concat:http://***@h/x"),
        ("a:b@c", "***@c"),
        ("clip@home.mp4", "clip@home.mp4"),
        ("file:///home/me/a b@c.mp4", "file:///home/me/a b@c.mp4"),
        ("folder/front:left.mp4", "folder/front:left.mp4"),
    ],
)
def test_secrets_are_hidden(address: str, shown: str) -> None:
    assert masked(address) == shown


SPELLINGS = (
    "rtsp://{user}:{password}@cam.local:589/live/main",
    "rtsp://{user}:{password}@cam.local/live?channel=5",
    " rtsp://{user}:{password}@cam.local/live",
    "rtsp:/{user}:{password}@cam.local/live",
    "concat:rtsp://{user}:{password}@cam.local/live",
    "rtsp://{password}@cam.local/live",
    "rtsp://cam.local:589/user={user}_password={password}_channel=5_stream=8.sdp",
    "rtsp://cam.local/live;user={user};pwd={password}",
    "http://cam.local/live.cgi?user={user}&pwd={password}",
    "http://cam.local/live.cgi?loginuse={user}&loginpas={password}&channel=5",
    "http://cam.local/live.cgi?{password}",
    "http://cam.local/live#token={password}",
    "http://{user}:{password}@cam.local/live?token={password}#{password}",
)
# none of it stands in the spellings, so that whatever of it is shown has leaked
LETTERS = "qxzQXZ01234679"
CREDENTIAL = st.text(LETTERS + LETTERS + "#/?@:=&;%+_-. !$", min_size=3, max_size=14)


@given(st.sampled_from(SPELLINGS), CREDENTIAL, CREDENTIAL)
def test_no_part_of_a_credential_is_ever_shown(spelling: str, user: str, password: str) -> None:
    address = spelling.format(user=user, password=password)
    shown = masked(address)
    for part in re.findall(f"[{LETTERS}]{{3,}}", f"{user} {password}"):
        assert part not in shown
    assert name_of(address) == shown


@given(st.sampled_from(SPELLINGS), CREDENTIAL, CREDENTIAL)
def test_no_part_of_a_credential_is_in_ffmpegs_words(
    spelling: str, user: str, password: str
) -> None:
    assume(not set(password) & set("#/?@:=&; "))  # an address that FFmpeg understands
    address = spelling.format(user="zz", password=password)
    keep_secret(address)
    assert password not in without_secrets(f"Opening '{address}' for reading")


@pytest.mark.parametrize(
    "address", [" rtsp://me:0pen5esame@h/x", "rtsp:/me:0pen5esame@h/*", "me:0pen5esame@h:554/x"]
)
def test_an_address_that_is_taken_for_a_path_keeps_its_secret(address: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(address)
    assert "0pen" not in str(caught.value)
    assert "***@h" in str(caught.value)


def test_ffmpegs_messages_and_no_others_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    keep_secret("http://keeper:0p%40n5esame@host/x")
    for text in ("0p%40n5esame", "0p@n5esame", "a keeper:0p%40n5esame@host b"):
        assert "0p" not in without_secrets(text)
    keep_secret("http://host/x?camera=2&access_key=71346x")
    assert without_secrets("GET /x?camera=2&access_key=71346x") == (
        "GET /x?camera=2&access_key=***"
    )
    caplog.set_level(logging.INFO)
    logging.getLogger("libav.http").error("Opening %s", "http://keeper:0p%40n5esame@host/x")
    logging.getLogger("elsewhere").info("0p@n5esame is a word")
    assert caplog.messages == ["Opening http://***@host/x", "0p@n5esame is a word"]
