"""The page finds its way back: dead connections, images that are none, sources that go."""

from __future__ import annotations

import json
import re

import pytest
from camera_servers import http_camera, wait_until
from live_page import SECONDS, OpenPage, format_of, frame_of, wait_for_frames
from playwright.sync_api import Page, Route, expect
from served_streams import STREET, TOKEN, served
from stalling_proxy import stalling_proxy

from streamseg.serve import encoded


def shorten_silence(page: Page) -> None:
    """Let the page wait a second, where it waits 5 or 15 for a connection that may be dead."""

    def shortened(route: Route) -> None:
        response = route.fetch()
        script, places = re.subn(r"SILENT_MS = \d+;", "SILENT_MS = 1000;", response.text())
        assert places == 1
        route.fulfill(response=response, body=script)

    page.route(re.compile(r"/(live|server)\.js$"), shortened)


@pytest.mark.parametrize("image_format", ["jpeg", "h264"])
def test_a_laptop_that_has_slept_sees_the_stream_again(
    open_page: OpenPage, image_format: str
) -> None:
    with (
        served(STREET) as found,
        stalling_proxy(found.port) as proxy,
        open_page(found) as page,
    ):
        shorten_silence(page)
        page.goto(proxy.url)
        page.evaluate(f"localStorage.setItem('video', '{image_format}')")
        page.reload()
        wait_for_frames(page)
        proxy.stall()
        expect(page.get_by_role("alert")).to_have_text(re.compile("does not answer"))
        shown = frame_of(page)
        wait_until(lambda: frame_of(page) > shown, SECONDS)
        expect(page.get_by_role("alert")).to_have_count(0)
        wait_for_frames(page)
        assert format_of(page) == image_format


def test_an_image_that_is_none_is_passed_over(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_jpeg = encoded.to_jpeg
    with served(STREET) as found, open_page(found) as page:
        wait_for_frames(page)
        monkeypatch.setattr(encoded, "to_jpeg", lambda _: b"this is no image")
        page.wait_for_timeout(1000)
        monkeypatch.setattr(encoded, "to_jpeg", true_jpeg)
        wait_for_frames(page)


@pytest.mark.parametrize("image_format", ["jpeg", "h264"])
def test_a_source_that_is_removed_while_it_is_watched_goes_and_another_stays(
    open_page: OpenPage, image_format: str
) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    kinds = ["test-pattern"]
    with (
        served(
            STREET, "test-pattern:96x160@12?frames=1000000", token=TOKEN, allow_sources=kinds
        ) as found,
        open_page(found, f"login#token={TOKEN}") as page,
    ):
        page.evaluate(f"localStorage.setItem('video', '{image_format}')")
        page.reload()
        wait_for_frames(page)
        wait_until(lambda: page.locator(".camera canvas[data-frame]").count() == 2, SECONDS)
        shapes = [
            canvas.evaluate("c => c.width / c.height")
            for canvas in page.locator(".camera canvas").all()
        ]
        assert shapes == pytest.approx([160 / 96, 96 / 160], abs=0.02)
        assert found.ask("/sources/0", "DELETE", bearer)[0] == 204
        wait_until(lambda: page.locator(".camera").count() == 1, SECONDS)
        wait_for_frames(page)
        assert format_of(page) == image_format
        assert json.loads(found.ask("/sources", headers=bearer)[1])["viewers"] <= 2


def test_a_browser_that_keeps_nothing_shows_the_stream(open_page: OpenPage) -> None:
    with http_camera(12) as camera, served(camera.url) as found, open_page(found) as page:
        page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
        )
        page.reload()
        wait_for_frames(page)
        page.get_by_role("button", name="H.264").click()
        wait_until(lambda: format_of(page) == "h264", SECONDS)
