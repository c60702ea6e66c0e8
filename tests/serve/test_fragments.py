"""H.264 as programs get it: the bytes of the fragments, and who gets which."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import numpy as np
import pytest
from camera_servers import http_camera, wait_until
from served_streams import STREET, TOKEN, Served, served
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from streamseg import FrameResult
from streamseg.frame import Image
from streamseg.serve import video_feed
from streamseg.serve.fragments import TICKS, Fragment, FragmentEncoder

Message = tuple[dict[str, Any], bytes]
WATCHING = 'streamseg_viewers{channel="h264"}'


def moving_images(count: int, width: int = 96, height: int = 64) -> list[Image]:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [127 + 100 * np.sin((x + 4 * k) / 9) * np.cos((y - 2 * k) / 7) for k in range(count)]
    return [np.repeat(wave.astype(np.uint8)[:, :, None], 3, 2) for wave in waves]


def decoded(data: bytes) -> list[tuple[float, Image]]:
    with av.open(io.BytesIO(data)) as file:
        return [
            (float(frame.time or 0), frame.to_ndarray(format="rgb24"))
            for frame in file.decode(video=0)
        ]


def boxes_of(data: bytes) -> list[str]:
    names = []
    while data:
        size = int.from_bytes(data[:4], "big")
        names.append(data[4:8].decode())
        data = data[size:]
    return names


def is_like(one: Image, other: Image) -> bool:
    return float(np.abs(one.astype(int) - other).mean()) < 6


def read_message(viewer: ClientConnection) -> Message:
    message = viewer.recv(20)
    assert isinstance(message, bytes)
    length = int.from_bytes(message[:4], "big")
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def messages_of(viewer: ClientConnection) -> Iterator[Message]:
    """Messages, each of which is answered."""
    while True:
        message = read_message(viewer)
        viewer.send("k")
        yield message


def take(viewer: ClientConnection, count: int) -> list[Message]:
    found = messages_of(viewer)
    return [next(found) for _ in range(count)]


def url_of(found: Served) -> str:
    return f"{found.live_url}?video=h264"


def test_images_and_times_come_out_as_they_went_in() -> None:
    images = moving_images(12)
    steps = [180, 1, 45_000, 3600, 3600, 90_000, 7, 3600, 3600, 3600, 3600, 12_345]
    ticks = (17 + np.cumsum(steps)).tolist()
    encoder = FragmentEncoder(96, 64)
    fragments = [
        encoder.encode(image, at, TICKS, is_key=k % 5 == 0)
        for k, (image, at) in enumerate(zip(images, ticks, strict=True))
    ]
    assert boxes_of(encoder.head) == ["ftyp", "moov"]
    assert {tuple(boxes_of(fragment.data)) for fragment in fragments} == {("moof", "mdat")}
    assert [k for k, fragment in enumerate(fragments) if fragment.is_key] == [0, 5, 10]
    out = decoded(encoder.head + b"".join(fragment.data for fragment in fragments))
    assert [round(seconds * TICKS) for seconds, _ in out] == ticks
    assert all(is_like(one, image) for (_, one), image in zip(out, images, strict=True))
    # from the middle on, as somebody sees it who comes later
    late = decoded(encoder.head + b"".join(fragment.data for fragment in fragments[5:]))
    assert [round(seconds * TICKS) for seconds, _ in late] == ticks[5:]
    assert is_like(late[0][1], images[5])


def test_the_type_names_profile_and_level() -> None:
    assert FragmentEncoder(960, 540).mime == 'video/mp4; codecs="avc1.42c01f"'


def test_messages_hold_the_results_of_their_frames() -> None:
    published: list[FrameResult] = []
    with (
        served(STREET, on_result=published.append) as found,
        connect(url_of(found)) as viewer,
    ):
        messages = take(viewer, 40)
    heads = [head for head, _ in messages]
    videos = [head["video"] for head in heads]
    assert [video["number"] for video in videos] == list(
        range(videos[0]["number"], videos[0]["number"] + 40)
    )
    assert videos[0]["mime"].startswith("video/mp4")
    keys = [k for k, video in enumerate(videos) if "mime" in video]
    assert max(np.diff([videos[k]["seconds"] for k in keys])) < video_feed.KEY_SECONDS + 0.5
    out = decoded(b"".join(data for _, data in messages))
    assert [seconds for seconds, _ in out] == pytest.approx(
        [video["seconds"] for video in videos], abs=1e-4
    )
    of_index = {result.index: result for result in published}
    for head, (_, image) in zip(heads, out, strict=True):
        result = of_index[head["result"]["index"]]
        assert is_like(image, result.image)
        masks = [instance["rle"] for instance in head["result"]["instances"]]
        assert masks == [instance.rle() for instance in result.instances]
        assert [one["name"] for one in head["shown"]] == [i.name for i in result.confirmed]


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows by one with each frame that is encoded: whether it is a key frame."""
    found: list[bool] = []
    true_encode = FragmentEncoder.encode

    def spy(*arguments: Any, **options: Any) -> Fragment:
        fragment = true_encode(*arguments, **options)
        found.append(fragment.is_key)
        return fragment

    monkeypatch.setattr(FragmentEncoder, "encode", spy)
    return found


def test_frames_are_encoded_once_for_all_and_only_while_somebody_watches(
    encodings: list[bool],
) -> None:
    with served(STREET) as found:
        wait_until(lambda: found.sources()[0]["frames"] > 3)
        assert not encodings
        with connect(url_of(found)) as one, connect(url_of(found)) as two:
            ones, twos = take(one, 3), take(two, 3)
            for _ in range(10):
                ones += take(one, 1)
                twos += take(two, 1)
            shared = [data for _, data in ones if data in [other for _, other in twos]]
            assert len(shared) >= 8  # the very same bytes
        wait_until(lambda: found.metric(WATCHING) == 0)
        assert len(encodings) <= found.sources()[0]["frames"]
        after = len(encodings)
        frames = found.sources()[0]["frames"]
        wait_until(lambda: found.sources()[0]["frames"] > frames + 3)
        assert len(encodings) <= after + 1  # one may have been under way


def test_a_new_viewer_starts_at_a_key_frame_at_once() -> None:
    with served(STREET) as found, connect(url_of(found)) as one:
        take(one, 15)
        with connect(url_of(found)) as two:
            head, data = read_message(two)
        assert "mime" in head["video"]
        assert head["video"]["number"] < 15 + 12 * video_feed.KEY_SECONDS
        (first,) = decoded(data)
        assert first[0] == pytest.approx(head["video"]["seconds"], abs=1e-4)


def test_many_new_viewers_do_not_make_every_frame_a_key_frame() -> None:
    with (
        served("test-pattern:160x96@50?frames=1000000") as found,
        connect(url_of(found)) as one,
        ThreadPoolExecutor(1) as pool,
    ):
        take(one, 1)
        started = time.monotonic()
        others = pool.submit(lambda: [_first_of(found) for _ in range(15)])
        messages = []
        while not others.done():
            messages += take(one, 1)
        seconds = time.monotonic() - started
    keys = sum("mime" in head["video"] for head, _ in messages)
    assert keys <= 2 + seconds / video_feed.LEAST_KEY_SECONDS
    assert len(messages) > 2 * keys


def _first_of(found: Served) -> Message:
    with connect(url_of(found)) as viewer:
        return read_message(viewer)


def test_a_slow_viewer_starts_again_at_a_key_frame_and_slows_nobody() -> None:
    with served(STREET) as found, connect(url_of(found)) as slow, connect(url_of(found)) as quick:
        old = [read_message(slow) for _ in range(2)]  # not answered
        numbers = [head["video"]["number"] for head, _ in take(quick, 40)]
        assert np.diff(numbers).tolist() == [1] * 39
        old += [read_message(slow) for _ in range(6)]
        for _ in old:
            slow.send("k")
        head, data = read_message(slow)
        assert "mime" in head["video"]
        assert head["video"]["number"] > old[-1][0]["video"]["number"] + 8
        assert len(decoded(data)) == 1
        follow = take(slow, 5)
        assert follow[0][0]["video"]["number"] == head["video"]["number"] + 1


def test_nothing_is_encoded_for_a_viewer_that_takes_nothing(encodings: list[bool]) -> None:
    with served("test-pattern:160x96@50?frames=1000000") as found, connect(url_of(found)) as deaf:
        wait_until(lambda: len(encodings) > 10)
        frames = found.sources()[0]["frames"]
        wait_until(lambda: found.sources()[0]["frames"] > frames + 60)
        assert len(encodings) <= 8 + video_feed.MOST_WAITING + 2
        for _ in range(8):
            deaf.recv(20)
            deaf.send("k")
        head, _ = read_message(deaf)
        assert "mime" in head["video"]


def test_a_pause_leaves_no_gap_in_the_video() -> None:
    with served(STREET) as found, connect(url_of(found)) as viewer:
        before = take(viewer, 3)
        found.stream.pause()
        frames = found.sources()[0]["frames"]
        with pytest.raises(TimeoutError):
            while True:
                viewer.recv(1.5)
                viewer.send("k")
        assert found.sources()[0]["frames"] <= frames + 1
        found.stream.resume()
        after = take(viewer, 1)
    step = after[0][0]["video"]["seconds"] - before[-1][0]["video"]["seconds"]
    assert step < 1.5 + video_feed.LONGEST_STEP_SECONDS


def test_odd_sizes_lose_a_row_and_masks_do_not() -> None:
    with (
        served("test-pattern:161x97@25?frames=1000000") as found,
        connect(url_of(found)) as viewer,
    ):
        head, data = read_message(viewer)
    assert (head["result"]["width"], head["result"]["height"]) == (161, 97)
    assert decoded(data)[0][1].shape == (96, 160, 3)


def test_another_size_starts_another_video() -> None:
    with http_camera(25) as camera, served(camera.url) as found, connect(url_of(found)) as viewer:
        assert decoded(take(viewer, 1)[0][1])[0][1].shape == (96, 160, 3)
        camera.size = (320, 240)
        camera.kill()
        camera.start()
        messages = messages_of(viewer)
        head, data = next(found for found in messages if found[0]["result"]["width"] == 320)
        assert head["video"]["number"] == 0
        assert decoded(data)[0][1].shape == (240, 320, 3)


def test_viewers_of_a_removed_source_are_let_go() -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with (
        served(STREET, token=TOKEN, allow_sources=["test-pattern"]) as found,
        connect(url_of(found), additional_headers=bearer) as viewer,
    ):
        take(viewer, 2)
        assert found.ask("/sources/0", "DELETE", bearer)[0] == 204
        with pytest.raises(ConnectionClosedOK):
            take(viewer, 20)


def test_many_connections_leave_nothing_behind() -> None:
    with served(STREET) as found:
        wait_until(lambda: found.sources()[0]["frames"])
        threads = threading.active_count()
        for k in range(40):
            with connect(url_of(found)) as viewer:
                if k % 2:
                    viewer.recv(20)
        wait_until(lambda: found.metric(WATCHING) == 0)
        assert threading.active_count() <= threads + 2


def test_what_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(STREET) as found:
        wait_until(lambda: found.sources()[0]["frames"])
        with pytest.raises(InvalidStatus, match="400"):
            connect(f"{found.live_url}?video=vp9")
        monkeypatch.setattr("streamseg.serve.live.can_encode", lambda: False)
        with pytest.raises(InvalidStatus, match="501"):
            connect(url_of(found))
