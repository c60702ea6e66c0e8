"""What other programs get: images, results, events, counters."""

from __future__ import annotations

import gc
import http.client
import io
import json
import socket
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import uvicorn
from camera_servers import http_camera, wait_until
from colour_runtime import ColourRuntime
from PIL import Image as Pillow
from prometheus_client.parser import text_string_to_metric_families
from served_streams import QUICK, STREET, TOKEN, Served, running, served
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.sync.client import connect

from streamseg import FrameResult
from streamseg.drawing.overlay import draw, name_colour
from streamseg.frame import Image
from streamseg.results import NetworkOutput
from streamseg.segmenter import Segmenter
from streamseg.serve import app, encoded
from streamseg.serve.server import Server, listen

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def street() -> Iterator[Served]:
    with served(STREET) as found:
        wait_until(lambda: found.sources()[0]["frames"])
        yield found


def lines_of_events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """(type, data) of each event."""
    name = "result"
    for line in response:
        key, _, value = line.decode().strip().partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)
            name = "result"


def parts_of(response: http.client.HTTPResponse) -> Iterator[Image]:
    assert "multipart/x-mixed-replace; boundary=frame" in response.getheader("Content-Type", "")
    while response.readline() == b"--frame\r\n":
        assert response.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(response.readline().split(b":")[1])
        assert response.readline() == b"\r\n"
        yield np.array(Pillow.open(io.BytesIO(response.read(length))))
        assert response.readline() == b"\r\n"


def read_live(message: Any) -> tuple[dict[str, Any], Image]:
    length = int.from_bytes(message[:4], "big")
    image = np.array(Pillow.open(io.BytesIO(message[4 + length :])))
    return json.loads(message[4 : 4 + length]), image


def test_the_page_is_there(street: Served) -> None:
    status, page = street.ask("/")
    assert status == 200
    assert b"<title>streamseg</title>" in page


def test_mjpeg_shows_frames_with_masks(street: Served) -> None:
    with street.open("/streams/0.mjpg") as response:
        images = parts_of(response)
        first, second = next(images), next(images)
    assert first.shape == (96, 160, 3)
    assert not np.array_equal(first, second)


def test_events_are_json_lines_in_order(street: Served) -> None:
    with street.open("/events") as response:
        assert response.getheader("Content-Type", "").startswith("text/event-stream")
        events = lines_of_events(response)
        found = [next(events) for _ in range(5)]
    assert {name for name, _ in found} == {"result"}
    results = [data for _, data in found]
    assert [r["index"] for r in results] == sorted({r["index"] for r in results})
    assert {r["version"] for r in results} == {1}
    (size,) = {tuple(i["rle"]["size"]) for r in results for i in r["instances"]}
    assert size == (96, 160)


def test_types_of_events_can_be_chosen(street: Served) -> None:
    with street.open("/events?types=status") as response:
        name, status = next(lines_of_events(response))
    assert name == "status"
    assert status["sources"][0]["name"] == STREET
    assert street.ask("/events?types=results")[0] == 400


def test_a_live_message_holds_the_result_and_its_frame() -> None:
    published: list[FrameResult] = []
    with served(STREET, on_result=published.append) as found, connect(found.live_url) as viewer:
        viewer.recv(10)
        viewer.recv(10)
        for _ in range(2):
            viewer.send("k")
        viewer.recv(10)
        head, image = read_live(viewer.recv(10))
        found.stream.pause()
    (result,) = [r for r in published if r.index == head["result"]["index"]]
    assert head["latency_ms"] == pytest.approx(result.latency_ms, abs=0.1)
    assert [i["name"] for i in head["result"]["instances"]] == [i.name for i in result.instances]
    for shown in head["shown"]:
        assert shown["colour"] == "#{:02x}{:02x}{:02x}".format(*name_colour(shown["name"]))
        assert shown["since_seconds"] >= 0
    assert [shown["name"] for shown in head["shown"]] == [i.name for i in result.confirmed]
    for instance, sent in zip(result.instances, head["result"]["instances"], strict=True):
        assert sent["rle"] == instance.rle()
    difference = np.abs(image.astype(int) - result.image.astype(int))
    assert difference.mean() < 6  # nothing is drawn in


def test_a_viewer_gets_two_frames_and_then_one_for_each_answer(street: Served) -> None:
    sent = 'streamseg_sent_frames_total{channel="live"}'
    before = street.metric(sent)
    with connect(street.live_url) as viewer:
        wait_until(lambda: street.metric(sent) == before + 2)
        frames = street.sources()[0]["frames"]
        wait_until(lambda: street.sources()[0]["frames"] > frames + 3)
        assert street.metric(sent) == before + 2
        old = [read_live(viewer.recv(10))[0]["result"]["index"] for _ in range(2)]
        viewer.send("k")
        new = read_live(viewer.recv(10))[0]["result"]["index"]
        assert new > old[1] + 3  # not what came in between, but the newest one


def test_a_snapshot_is_the_newest_annotated_frame() -> None:
    published: list[FrameResult] = []
    with served(STREET, on_result=published.append) as found:
        wait_until(lambda: len(published) > 10)
        before = len(published)
        status, jpeg = found.ask("/snapshot/0.jpg")
        found.stream.pause()
    assert status == 200
    image = np.array(Pillow.open(io.BytesIO(jpeg))).astype(int)
    differences = [np.abs(image - draw(r, only_confirmed=True)).mean() for r in published]
    assert min(differences) < 0.5 * np.median(differences)
    assert int(np.argmin(differences)) >= before - 2


@pytest.mark.parametrize("path", ["/streams/7.mjpg", "/snapshot/7.jpg", "/streams/x.mjpg"])
def test_a_source_that_is_not_there_is_not_found(street: Served, path: str) -> None:
    assert street.ask(path)[0] == 404


def test_a_source_without_a_frame_yet_says_so() -> None:
    with served("rtsp://127.0.0.1:9/live") as found:
        assert found.ask("/snapshot/0.jpg")[0] == 503


def test_a_frame_is_encoded_once_for_all_and_only_if_somebody_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encodings: list[int] = []
    true_jpeg = encoded.to_jpeg

    def spy(image: Image) -> bytes:
        encodings.append(id(image))
        return true_jpeg(image)

    monkeypatch.setattr(encoded, "to_jpeg", spy)
    with served(STREET) as found, ExitStack() as stack:
        wait_until(lambda: found.sources()[0]["frames"] > 5)
        assert not encodings
        viewers = [stack.enter_context(found.open("/streams/0.mjpg")) for _ in range(4)]
        images = [parts_of(viewer) for viewer in viewers]
        for _ in range(10):
            for one in images:
                next(one)
        found.stream.pause()
        # each viewer was sent nearly every frame, so four encodings of each would be far more
        sent = found.metric('streamseg_sent_frames_total{channel="mjpeg"}')
        assert sent >= 40
        assert len(encodings) <= sent / 2


def test_a_result_goes_as_soon_as_the_next_ones_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[weakref.ref[encoded.EncodedResult]] = []
    true_init = encoded.EncodedResult.__init__

    def spy(self: encoded.EncodedResult, *arguments: Any) -> None:
        true_init(self, *arguments)
        made.append(weakref.ref(self))

    monkeypatch.setattr(encoded.EncodedResult, "__init__", spy)
    gc.collect()
    gc.disable()  # a frame that waits for it would wait long: few objects, many bytes
    try:
        with served(STREET) as found, ExitStack() as stack:
            images = parts_of(stack.enter_context(found.open("/streams/0.mjpg")))
            events = lines_of_events(stack.enter_context(found.open("/events")))
            live = stack.enter_context(connect(found.live_url))
            video = stack.enter_context(connect(f"{found.live_url}?video=h264"))
            for _ in range(15):
                next(images)
                next(events)
                for viewer in (live, video):
                    viewer.recv(20)
                    viewer.send("k")
            assert len(made) >= 15
            assert sum(one() is not None for one in made) <= 6
    finally:
        gc.enable()


def test_a_viewer_that_never_reads_slows_nobody() -> None:
    with served(STREET) as found, ExitStack() as stack:
        for path in ("/streams/0.mjpg", "/events") * 3:
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", found.port)))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        images = parts_of(stack.enter_context(found.open("/streams/0.mjpg")))
        before = found.sources()[0]["frames"]
        for _ in range(12):
            next(images)
        assert found.sources()[0]["frames"] >= before + 10
        assert found.metric('streamseg_viewers{channel="mjpeg"}') == 4


def test_a_viewer_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.serve.viewing.SEND_SECONDS", 0.3)
    large = "test-pattern:1280x720@100?frames=1000000"
    with served(large) as found, socket.create_connection(("127.0.0.1", found.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /streams/0.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        viewers = 'streamseg_viewers{channel="mjpeg"}'
        wait_until(lambda: found.metric(viewers) == 1)
        wait_until(lambda: found.metric(viewers) == 0, 30)


def test_metrics_count_what_happens() -> None:
    with http_camera() as camera, served(camera.url) as found:
        wait_until(lambda: found.sources()[0]["frames"] > 3)
        camera.kill()
        wait_until(lambda: found.metric('streamseg_reconnects_total{source="0"}') >= 1)
        assert found.metric('streamseg_source_live{source="0"}') == 0
        camera.start()
        wait_until(lambda: found.metric('streamseg_source_live{source="0"}') == 1)
        text = found.ask("/metrics")[1].decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    frames = families["streamseg_frames"].samples[0].value
    assert families["streamseg_latency_seconds"].samples[-2].value >= frames > 3
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6


def test_metrics_count_instances_by_class(street: Served) -> None:
    with street.open("/events") as response:
        events = lines_of_events(response)
        while not [i for i in next(events)[1]["instances"] if i["confirmed"]]:
            pass
    classes = {"car", "person"}
    text = street.ask("/metrics")[1].decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["streamseg_instances"].samples
    assert {sample.labels["class"] for sample in samples} <= classes
    assert samples


def test_sources_come_and_go_with_the_token() -> None:
    with served(token=TOKEN, allow_sources=["test-pattern"]) as found:
        assert found.sources(BEARER) == []
        body = json.dumps({"source": f" {STREET} "})
        status, answer = found.ask("/sources", "POST", BEARER, body)
        assert (status, json.loads(answer)) == (201, {"index": 0})
        wait_until(lambda: found.sources(BEARER) and found.sources(BEARER)[0]["frames"])
        with connect(found.live_url, additional_headers=BEARER) as viewer:
            viewer.recv(10)
            assert found.ask("/sources/0", "DELETE", BEARER)[0] == 204
            with pytest.raises(ConnectionClosedOK):
                viewer.recv(10)
                viewer.recv(10)
        assert found.sources(BEARER) == []
        for gone in (0, 1):
            assert found.ask(f"/sources/{gone}", "DELETE", BEARER)[0] == 404
        # 1 was not there yet when it was to be removed: it is shown once it is
        assert json.loads(found.ask("/sources", "POST", BEARER, body)[1]) == {"index": 1}
        wait_until(lambda: found.sources(BEARER) and found.sources(BEARER)[0]["frames"])
        assert found.ask("/sources/1", "DELETE", BEARER)[0] == 204
        assert b'source="0"' not in found.ask("/metrics", headers=BEARER)[1]


def test_pause_and_resume(street: Served) -> None:
    assert street.ask("/pause", "POST")[0] == 204
    with street.open("/events?types=status") as response:
        assert next(lines_of_events(response))[1]["paused"]
    assert street.ask("/resume", "POST")[0] == 204
    frames = street.sources()[0]["frames"]
    wait_until(lambda: street.sources()[0]["frames"] > frames)


def test_a_source_that_has_ended_is_still_shown() -> None:
    with served("test-pattern:160x96@100?frames=3") as found:
        wait_until(lambda: found.sources()[0]["state"] == "ended")
        wait_until(lambda: found.sources()[0]["frames"])
        assert found.ask("/snapshot/0.jpg")[0] == 200
        assert found.ask("/healthz") == (200, b"ok\n")


class Failing(ColourRuntime):
    def run(self, image: Image) -> NetworkOutput:
        raise RuntimeError("the network is broken")


def test_the_server_ends_when_the_stream_fails(caplog: pytest.LogCaptureFixture) -> None:
    with served(STREET, runtime=Failing()) as found:
        wait_until(lambda: not found.thread.is_alive())
        assert isinstance(found.server, Server)
        assert found.server.failure == "the network is broken"
    assert "the stream has failed" in caplog.text


def test_viewers_are_let_go_when_the_server_ends() -> None:
    with served(STREET) as found, ExitStack() as stack:
        image = stack.enter_context(found.open("/streams/0.mjpg"))
        events = stack.enter_context(found.open("/events?types=status"))
        live = stack.enter_context(connect(found.live_url))
        live.recv(10)
        assert next(parts_of(image)) is not None
        found.server.should_exit = True
        *_, (name, last) = lines_of_events(events)
        assert (name, last["ended"]) == ("status", True)
        list(parts_of(image))
        with pytest.raises(ConnectionClosed):
            while True:
                live.recv(10)


def test_the_application_can_be_mounted_elsewhere() -> None:
    segmenter = Segmenter(ColourRuntime(), size=(160, 96))
    with segmenter.stream([STREET], options=QUICK) as stream, listen("127.0.0.1", 0) as listener:
        outer = Starlette(routes=[Mount("/cameras", app(stream, token=TOKEN))])
        server = uvicorn.Server(uvicorn.Config(outer, log_config=None, lifespan="off"))
        with running(stream, server, listener) as found:
            check_mounted(found)


def check_mounted(found: Served) -> None:
    assert found.ask("/cameras/sources", headers=BEARER)[0] == 200
    assert found.ask("/cameras/static/main.js")[0] == 200
    with found.open("/cameras/", headers={"Accept": "text/html"}) as response:
        assert response.getheader("Location") == "/cameras/login"
    with found.open("/cameras/login", "POST", {}, f"token={TOKEN}") as response:
        assert response.getheader("Location") == "/cameras/"
        assert "Path=/cameras;" in response.getheader("Set-Cookie", "")


def test_large_frames_are_scaled_down_for_the_page() -> None:
    with served("test-pattern:2560x1440@25?frames=100000") as found:
        with connect(found.live_url) as viewer:
            head, image = read_live(viewer.recv(10))
        assert (head["result"]["width"], head["result"]["height"]) == (2560, 1440)
        assert image.shape == (720, 1280, 3)
