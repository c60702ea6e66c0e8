"""Each protection of the server, as an attempt that is refused."""

from __future__ import annotations

import hmac
import http.client
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from camera_servers import wait_until
from served_streams import STREET, TOKEN, Served, served
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from streamseg import ConfigError
from streamseg.serve import app
from streamseg.serve.guard import HEADERS, cookie_name, cookie_value
from streamseg.serve.pages import FOLDER

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROTECTED = ("/streams/0.mjpg", "/events", "/snapshot/0.jpg", "/sources", "/metrics")
OPEN = ("/healthz", "/login", "/static/main.js")


@pytest.fixture(scope="module")
def free() -> Iterator[Served]:
    """Without a token."""
    with served(STREET) as found:
        wait_until(lambda: found.sources()[0]["frames"])
        yield found


@pytest.fixture(scope="module")
def locked() -> Iterator[Served]:
    with served(STREET, token=TOKEN, allow_sources=["rtsp", "test-pattern"]) as found:
        wait_until(lambda: found.sources(BEARER)[0]["frames"])
        yield found


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:9000", 200),
        ("[::1]:8000", 200),
        ("192.168.1.20", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_a_name_that_was_pointed_here_is_refused(free: Served, host: str, status: int) -> None:
    assert free.ask("/sources", headers={"Host": host})[0] == status


def test_a_name_that_is_allowed_is_served() -> None:
    with served(STREET, hosts=["gate.local"]) as found:
        assert found.ask("/sources", headers={"Host": "Gate.local:80"})[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", "http://[::1"]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/pause"), ("GET", "/events")])
def test_requests_of_other_pages_are_refused(
    free: Served, origin: str, method: str, path: str
) -> None:
    assert free.ask(path, method, headers={"Origin": origin})[0] == 403
    assert not free.stream.is_paused


def test_the_page_itself_may_pause(free: Served) -> None:
    own = {"Origin": f"http://127.0.0.1:{free.port}"}
    assert free.ask("/pause", "POST", headers=own)[0] == 204
    assert free.stream.is_paused
    assert free.ask("/resume", "POST", headers=own)[0] == 204


def test_websockets_of_other_pages_are_refused(free: Served) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        connect(free.live_url, origin=Origin("http://evil.example"))
    with connect(free.live_url, origin=Origin(f"http://127.0.0.1:{free.port}")) as own:
        assert own.recv(10)


def test_images_in_pages_of_other_sites_are_refused_but_links_work(free: Served) -> None:
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert free.ask("/snapshot/0.jpg", headers=image)[0] == 403
    assert free.ask("/", headers=link)[0] == 200
    assert free.ask("/pause", "POST", headers=link)[0] == 403


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xe9"},
        {"Cookie": f"{cookie_name(TOKEN)}={TOKEN}"},
        {"Cookie": "\\;=\x7f"},
    ],
)
def test_nothing_is_shown_without_the_token(
    locked: Served, path: str, headers: dict[str, str]
) -> None:
    status, body = locked.ask(path, headers=headers)
    assert (status, b"JFIF" in body) == (401, False)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/pause"), ("POST", "/resume"), ("POST", "/sources"), ("DELETE", "/sources/0")],
)
def test_nothing_is_changed_without_the_token(locked: Served, method: str, path: str) -> None:
    assert locked.ask(path, method)[0] == 401


@pytest.mark.parametrize("path", OPEN)
def test_the_way_to_the_token_is_open(locked: Served, path: str) -> None:
    assert locked.ask(path)[0] == 200


def test_a_websocket_needs_the_token(locked: Served) -> None:
    with pytest.raises(InvalidStatus, match="401"):
        connect(locked.live_url)
    with connect(locked.live_url, additional_headers=BEARER) as right:
        assert right.recv(10)


def test_the_login_page_gives_a_cookie_for_the_right_token_only(locked: Served) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    page = {"Accept": "text/html"}
    with locked.open("/", headers=page) as response:
        assert (response.status, response.getheader("Location")) == (303, "/login")
    with locked.open("/login", "POST", form, "token=wrong-wrong-wrong") as response:
        assert (response.status, response.getheader("Set-Cookie")) == (401, None)
        assert b"This token is wrong" in response.read()
    with locked.open("/login", "POST", form, f"token={TOKEN}") as response:
        assert (response.status, response.getheader("Location")) == (303, "/")
        cookie = response.getheader("Set-Cookie", "")
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert locked.ask("/", headers={"Cookie": cookie.partition(";")[0]})[0] == 200
    assert cookie.startswith(f"{cookie_name(TOKEN)}={cookie_value(TOKEN)};")


def test_the_token_is_compared_in_constant_time(
    locked: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    true_digest = hmac.compare_digest

    def spy(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return true_digest(given, expected)

    monkeypatch.setattr("streamseg.serve.guard.hmac.compare_digest", spy)
    locked.ask("/sources", headers={"Authorization": "Bearer guess"})
    locked.ask("/login", "POST", {}, "token=guess")
    locked.ask("/sources", headers={"Cookie": f"{cookie_name(TOKEN)}=guess"})
    expected = [TOKEN, TOKEN, cookie_value(TOKEN)]
    assert compared == [(b"guess", text.encode()) for text in expected]


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with served(STREET) as found:
        with pytest.raises(ConfigError, match="at least 16 characters, got 5"):
            app(found.stream, token="short")
        with pytest.raises(ConfigError, match="only with a token"):
            app(found.stream, allow_sources=["rtsp"])
        with pytest.raises(ConfigError, match=r"kinds of sources are rtsp.*'ftp'"):
            app(found.stream, token=TOKEN, allow_sources=["ftp"])


def paused(chunks: list[bytes], seconds: float) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        time.sleep(seconds)


def test_long_requests_are_refused(locked: Served) -> None:
    long = b'{"source": "' + b"x" * 10_000 + b'"}'
    assert locked.ask("/sources", "POST", BEARER, long)[0] == 413
    assert locked.ask("/login", "POST", {}, long)[0] == 413
    for pause in (0.0, 0.2):  # the second time the answer comes amid the body
        chunks = paused([long[:3000], long[3000:6000], long[6000:8000], long[8000:]], pause)
        status, _ = locked.ask("/sources", "POST", BEARER, chunks, encode_chunked=True)
        assert status == 413
    assert locked.ask("/sources", headers={**BEARER, "Content-Length": "-1"})[0] in (400, 413)
    assert len(locked.sources(BEARER)) == 1


def test_a_websocket_that_says_much_is_closed(free: Served) -> None:
    for text in ("x" * 17, "x" * 5000):
        with connect(free.live_url) as viewer:
            viewer.send(text)
            with pytest.raises(Exception, match=r"1001|1009"):
                while True:
                    viewer.recv(10)


def test_a_connection_ends_even_while_a_frame_is_being_sent() -> None:
    with served("test-pattern:160x96@200?frames=1000000") as found:
        for _ in range(25):
            with connect(found.live_url) as viewer:
                viewer.recv(10)
                viewer.send("k")
                viewer.send("x" * 17)
                with pytest.raises(ConnectionClosedOK):
                    while True:
                        viewer.recv(10)
        assert found.metric('streamseg_viewers{channel="live"}') == 0


def test_one_viewer_too_many_is_refused_until_another_leaves() -> None:
    with served(STREET, max_viewers=2) as found, ExitStack() as stack:
        wait_until(lambda: found.sources()[0]["frames"])
        first = found.open("/streams/0.mjpg")
        assert first.read(10)
        stack.enter_context(connect(found.live_url)).recv(10)
        for path in ("/streams/0.mjpg", "/events"):
            assert found.ask(path)[0] == 503
        with pytest.raises(InvalidStatus, match="503"):
            connect(found.live_url)
        first.close()
        wait_until(lambda: found.metric('streamseg_viewers{channel="mjpeg"}') == 0)
        with found.open("/events") as response:
            assert response.status == 200


def test_passwords_of_sources_are_in_no_answer() -> None:
    secret, key = "s3cretword", "t0kenvalue"
    source = f"rtsp://admin:{secret}@127.0.0.1:9/live?token={key}"
    with served(STREET, source) as found:
        wait_until(lambda: found.sources()[0]["frames"])
        wait_until(lambda: found.sources()[1]["state"] == "reconnecting")
        answers = [found.ask(path)[1] for path in ("/", "/sources", "/metrics", "/healthz")]
        with found.open("/events?types=source,status,result") as response:
            while not any(b"try" in line or b'"attempt": 2' in line for line in answers[4:]):
                answers.append(response.readline())
    said = b"".join(answers)
    assert b"rtsp://***@127.0.0.1:9/live?token=***" in said
    assert secret.encode() not in said
    assert key.encode() not in said


def test_sources_are_not_changed_without_a_token_to_know(free: Served) -> None:
    body = '{"source": "rtsp://gate.example/1"}'
    assert free.ask("/sources", "POST", {}, body)[0] == 403
    assert free.ask("/sources/0", "DELETE")[0] == 403
    assert len(free.sources()) == 1


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "1", '{"source": 0}', '{"source": ""}', '{"source": "file:///etc/passwd"}'],
)
def test_what_is_no_allowed_source_is_not_added(locked: Served, body: str) -> None:
    assert locked.ask("/sources", "POST", BEARER, body)[0] == 400
    assert len(locked.sources(BEARER)) == 1


@pytest.mark.parametrize("path", ["/", "/sources", *PROTECTED[2:], *OPEN, "/nowhere"])
def test_answers_forbid_scripts_and_frames_of_others(free: Served, path: str) -> None:
    with free.open(path) as response:
        for name, value in HEADERS.items():
            assert response.getheader(name) == value
        assert not [name for name, _ in response.getheaders() if "access-control" in name.lower()]


def test_pages_have_no_inline_scripts_or_styles_and_ask_no_other_server() -> None:
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    for page in FOLDER.glob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        for tag in re.findall(r"<script[^>]*>[^<]*", text):
            assert re.fullmatch(r'<script type="module" src="static/\w+\.js">', tag)
    for file in FOLDER.iterdir():
        addresses = re.findall(r"https?://[^\s\"'`]+", file.read_text("utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/static//etc"])
def test_only_the_files_of_the_page_are_served(free: Served, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", free.port, timeout=20)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()
