"""H.264 in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from camera_servers import http_camera, wait_until
from live_page import (
    SECONDS,
    OpenPage,
    format_of,
    frame_of,
    pause,
    pixels_of,
    resume,
    wait_for_frames,
    wait_for_names,
)
from playwright.sync_api import Page, expect
from served_streams import STREET, Served, served

Street = tuple[Served, Page]

# [frame, number] of each image that comes on the screen; numbers are those of `numbered`
SAMPLE = """() => {
  const canvas = document.querySelector(".camera canvas");
  const copy = new OffscreenCanvas(canvas.width, 1);
  const context = copy.getContext("2d", { willReadFrequently: true });
  const samples = window.samples = [];
  new MutationObserver(() => {
    context.drawImage(canvas, 0, -canvas.height / 2);
    const { data } = context.getImageData(0, 0, copy.width, 1);
    let number = 0;
    for (let bit = 0; bit < 16; bit++) {
      if (data[4 * Math.floor((bit + 0.5) * copy.width / 16)] > 128) number += 2 ** bit;
    }
    samples.push([Number(canvas.dataset.frame), number]);
  }).observe(canvas, { attributes: true, attributeFilter: ["data-frame"] });
}"""


def choose_video(page: Page) -> None:
    button = page.get_by_role("button", name="H.264")
    if button.get_attribute("aria-pressed") == "false":
        button.click()
        button.blur()  # or space would press it again
    wait_until(lambda: format_of(page) == "h264", SECONDS)


def pause_and_settle(page: Page) -> None:
    """Pause, and wait until the frames that were under way are drawn."""
    pause(page)
    shown = -1
    while frame_of(page) != shown:
        shown = frame_of(page)
        page.wait_for_timeout(1000)


@pytest.fixture(scope="module")
def street(open_page: OpenPage) -> Iterator[Street]:
    """A page of one source that shows H.264; each test leaves it running so."""
    with served(STREET) as found, open_page(found) as page:
        choose_video(page)
        yield found, page


def test_the_video_moves_and_names_are_shown(street: Street) -> None:
    found, page = street
    before = pixels_of(page)
    wait_for_frames(page)
    assert pixels_of(page) != before
    wait_for_names(page)
    assert found.metric('streamseg_viewers{channel="h264"}') == 1
    assert found.metric('streamseg_viewers{channel="live"}') == 0


def test_masks_of_video_can_be_hidden_while_it_is_paused(street: Street) -> None:
    _, page = street
    wait_for_names(page)
    pause_and_settle(page)
    shown, drawn = frame_of(page), pixels_of(page)
    page.get_by_role("button", name="Masks").click()
    assert pixels_of(page) != drawn
    page.get_by_role("button", name="Masks").click()
    page.get_by_role("button", name="Masks").blur()
    assert (frame_of(page), pixels_of(page)) == (shown, drawn)
    resume(page)


def test_video_goes_on_after_a_long_pause(street: Street) -> None:
    _, page = street
    pause_and_settle(page)
    page.wait_for_timeout(1500)
    resume(page)
    assert format_of(page) == "h264"


def test_jpeg_and_back(street: Street) -> None:
    found, page = street
    page.get_by_role("button", name="H.264").click()
    wait_until(lambda: format_of(page) == "jpeg", SECONDS)
    wait_until(lambda: found.metric('streamseg_viewers{channel="h264"}') == 0, SECONDS)
    choose_video(page)


def test_each_result_is_drawn_over_its_own_frame(open_page: OpenPage) -> None:
    with http_camera(12) as camera, served(camera.url) as found, open_page(found) as page:
        choose_video(page)
        page.evaluate(SAMPLE)
        wait_until(lambda: page.evaluate("window.samples.length") > 30, SECONDS)
        samples = np.array(page.evaluate("window.samples"))
    assert len(np.unique(samples[:, 0])) > 30
    # the camera numbers its images from the first connection on, as the source counts frames
    assert len(np.unique(samples[:, 1] - samples[:, 0])) == 1, samples.tolist()


def test_a_camera_with_video_comes_back_with_another_size(open_page: OpenPage) -> None:
    with http_camera(12) as camera, served(camera.url) as found, open_page(found) as page:
        choose_video(page)
        camera.kill()
        expect(page.locator(".camera .curtain")).to_contain_text("Reconnecting for")
        camera.size = (320, 240)
        camera.start()
        expect(page.locator(".camera .curtain")).to_have_text("")
        wait_for_frames(page)
        shape = page.locator(".camera canvas").first.evaluate("c => c.width / c.height")
        assert shape == pytest.approx(320 / 240, abs=0.01)
        assert format_of(page) == "h264"


@pytest.mark.parametrize(
    "script",
    [
        "MediaSource.isTypeSupported = () => false",
        "MediaSource.prototype.addSourceBuffer = () => { throw new Error('no') }",
        "SourceBuffer.prototype.appendBuffer = () => { throw new Error('full') }",
    ],
)
def test_jpeg_is_shown_where_video_fails(open_page: OpenPage, script: str) -> None:
    with served(STREET) as found, open_page(found) as page:
        wait_for_frames(page)
        page.evaluate(script + "; null")
        page.get_by_role("button", name="H.264").click()
        wait_until(lambda: found.metric('streamseg_sent_frames_total{channel="h264"}') > 0, SECONDS)
        wait_for_frames(page)
        assert format_of(page) == "jpeg"
        wait_until(lambda: found.metric('streamseg_viewers{channel="h264"}') == 0, SECONDS)


def test_jpeg_is_shown_where_the_encoder_fails(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("streamseg.serve.video_feed.FragmentEncoder", fail)
    with served(STREET) as found, open_page(found) as page:
        wait_for_frames(page)
        page.get_by_role("button", name="H.264").click()
        wait_for_frames(page)
        assert format_of(page) == "jpeg"


def test_video_is_not_offered_without_an_encoder_or_mediasource(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamseg.serve.application.can_encode", lambda: False)
    with served(STREET) as found, open_page(found) as page:
        page.evaluate("localStorage.setItem('video', 'h264')")
        page.reload()
        wait_for_frames(page)
        assert format_of(page) == "jpeg"
        expect(page.get_by_role("button", name="H.264")).to_have_count(0)
    monkeypatch.undo()
    with served(STREET) as found, open_page(found) as page:
        page.add_init_script("delete window.MediaSource")
        page.evaluate("localStorage.setItem('video', 'h264')")
        page.reload()
        wait_for_frames(page)
        assert format_of(page) == "jpeg"
        expect(page.get_by_role("button", name="H.264")).to_have_count(0)


def test_the_video_stays_at_the_newest_frame(street: Street) -> None:
    found, page = street
    # the page stands still for a while, as while a tab is busy
    page.evaluate(
        "() => { const end = performance.now() + 1500; while (performance.now() < end); }"
    )
    wait_until(lambda: found.sources()[0]["frames"] - 1 - frame_of(page) < 6, SECONDS)
    assert format_of(page) == "h264"
