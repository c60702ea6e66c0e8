"""The page in a real browser."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import numpy as np
import pytest
from camera_servers import http_camera, wait_until
from live_page import (
    SECONDS,
    OpenPage,
    frame_of,
    names_in,
    pause,
    pixels_of,
    resume,
    wait_for_frames,
    wait_for_names,
)
from playwright.sync_api import Page, expect
from served_streams import STREET, TOKEN, Served, served

from streamseg import rle
from streamseg.drawing.overlay import name_colour

Street = tuple[Served, Page, list[set[str]]]


@pytest.fixture(scope="module")
def street(open_page: OpenPage) -> Iterator[Street]:
    """A page of one source; each test leaves it running, all names shown."""
    confirmed: list[set[str]] = []
    with (
        served(
            STREET, on_result=lambda result: confirmed.append({i.name for i in result.confirmed})
        ) as found,
        open_page(found) as page,
    ):
        wait_for_names(page)
        yield found, page, confirmed


def test_the_image_runs_and_the_names_are_those_of_the_json(street: Street) -> None:
    _, page, confirmed = street
    before = pixels_of(page)
    wait_for_frames(page)
    assert pixels_of(page) != before
    pause(page)
    # also those that were in view a moment ago
    assert confirmed[-1] <= set(names_in(page)) <= set().union(*confirmed[-60:])
    for row in page.locator("#in-view li").all():
        colour = row.evaluate("row => row.style.getPropertyValue('--colour')")
        name = row.locator(".name").text_content() or ""
        assert colour == "#{:02x}{:02x}{:02x}".format(*name_colour(name))
        expect(row.locator(".score")).to_have_text(re.compile(r"^\d+%$"))
    resume(page)
    expect(page.locator(".latency output")).to_have_text(re.compile(r"[\d.]+ ms"))


def test_masks_are_drawn_by_the_page_and_can_be_hidden(street: Street) -> None:
    _, page, _ = street
    wait_for_names(page)
    pause(page)
    drawn = [pixels_of(page)]
    for name in ("Masks", "Outlines", "Names"):
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        drawn.append(pixels_of(page))
    assert len(set(drawn)) == 4
    for name in ("Masks", "Outlines", "Names"):
        page.get_by_role("button", name=name, exact=True).click()
    assert pixels_of(page) == drawn[0]
    resume(page)


def test_the_page_reads_the_run_lengths_of_coco(street: Street) -> None:
    _, page, _ = street
    generator = np.random.default_rng(0)
    label_map = np.zeros((50, 70), np.uint16)
    for label in (1, 2, 3):
        top, left = generator.integers(0, (30, 40))
        label_map[top : top + 20, left : left + 30] = label
    label_map[generator.random(label_map.shape) < 0.1] = 3
    for label, mask in zip(range(1, 5), rle.encode(label_map, range(1, 5)), strict=True):
        decode = """async (counts) => {
          const { decodeCounts } = await import("./static/runs.js");
          return decodeCounts(counts);
        }"""
        runs = page.evaluate(decode, mask["counts"])
        values = np.arange(len(runs)) % 2
        decoded = np.repeat(values, runs).reshape(70, 50).T
        assert np.array_equal(decoded, label_map == label)


def test_pause_stops_and_resume_goes_on(street: Street) -> None:
    found, page, _ = street
    pause(page)
    shown, frames = frame_of(page), found.sources()[0]["frames"]
    expect(page.locator(".camera .curtain")).to_have_text("Paused")
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert (frame_of(page), found.sources()[0]["frames"]) == (shown, frames)
    resume(page)


def test_one_name_is_chosen_and_the_others_dim(street: Street) -> None:
    _, page, _ = street
    wait_for_names(page)
    pause(page)
    all_names = pixels_of(page)
    rows = page.locator("#in-view li")
    rows.first.get_by_role("button").click()
    assert page.locator("#in-view li.dim").count() == rows.count() - 1
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1).get_by_role("button")).to_have_attribute("aria-pressed", "true")
    assert pixels_of(page) != all_names
    page.keyboard.press("Escape")
    assert page.locator("#in-view li.dim").count() == 0
    assert pixels_of(page) == all_names
    resume(page)


def test_a_killed_camera_shows_its_state_and_comes_back(open_page: OpenPage) -> None:
    with http_camera(12) as camera, served(camera.url) as found, open_page(found) as page:
        wait_for_frames(page)
        camera.kill()
        curtain = page.locator(".camera .curtain")
        expect(curtain).to_contain_text(re.compile(r"Reconnecting for \d+ s"))
        expect(curtain).to_contain_text(re.compile(r"try \d+"))
        expect(page.locator("#summary")).to_have_text("0 of 1 source live")
        camera.start()
        expect(curtain).to_have_text("")
        wait_for_frames(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page: OpenPage, scheme: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme, "has_touch": True}
    with served(STREET, "rtsp://127.0.0.1:9/live") as found, open_page(found, **phone) as page:
        wait_for_names(page)
        width = page.evaluate("document.scrollingElement.scrollWidth")
        assert width == 390
        box = page.locator(".camera canvas").first.bounding_box()
        assert box is not None
        assert box["width"] == 390
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 3 * 128) == (scheme == "dark")


def test_a_wrong_token_is_told_and_the_right_one_opens(open_page: OpenPage) -> None:
    with served(STREET, token=TOKEN) as found, open_page(found) as page:
        field = page.get_by_label("Token")
        expect(field).to_be_focused()  # Chromium complains of a field that is filled before
        field.fill("not-the-right-token")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("This token is wrong.")
        expect(field).to_be_focused()
        field.fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        wait_for_frames(page)
        page.context.clear_cookies()
        page.goto(f"{found.url}login#token={TOKEN}")
        wait_for_frames(page)
        assert TOKEN not in page.url


def test_sources_are_added_and_removed(open_page: OpenPage) -> None:
    with (
        served(token=TOKEN, allow_sources=["test-pattern"]) as found,
        open_page(found, f"login#token={TOKEN}") as page,
    ):
        expect(page.get_by_role("heading", name="No source")).to_be_visible()
        page.get_by_role("button", name="Add source").click()
        page.get_by_label("Address").fill("file:///etc/passwd")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("may not be added")
        page.get_by_label("Address").fill(STREET)
        page.keyboard.press("Enter")
        wait_until(lambda: page.locator(".camera").count() == 1, SECONDS)
        wait_for_frames(page)
        page.get_by_role("button", name="Remove this source").click()
        page.get_by_role("button", name="Remove", exact=True).click()
        expect(page.get_by_role("heading", name="No source")).to_be_visible()


def test_keys_choose_a_source_and_show_it_on_the_whole_screen(open_page: OpenPage) -> None:
    with served(STREET, STREET) as found, open_page(found) as page:
        wait_for_frames(page)
        wait_until(lambda: page.locator(".camera").count() == 2, SECONDS)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(page.locator(".camera.selected")).to_have_attribute("data-index", "1")
        page.keyboard.press("f")
        page.wait_for_function("document.fullscreenElement?.dataset.index === '1'")
        page.keyboard.press("f")
        page.wait_for_function("document.fullscreenElement === null")


def test_twenty_viewers_of_which_ten_never_read(open_page: OpenPage) -> None:
    with served(STREET) as found, open_page(found) as page, ExitStack() as stack:
        for number in range(19):
            viewer = stack.enter_context(socket.create_connection(("127.0.0.1", found.port)))
            if number < 10:
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            else:
                stack.enter_context(_reading(viewer))
            viewer.sendall(b"GET /streams/0.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: found.metric('streamseg_viewers{channel="mjpeg"}') == 19, SECONDS)
        frames = found.sources()[0]["frames"]
        wait_for_frames(page)
        wait_until(lambda: found.sources()[0]["frames"] > frames + 10, SECONDS)
        wait_for_frames(page)


@contextmanager
def _reading(viewer: socket.socket) -> Iterator[None]:
    """Reads all that a connection gives, in a thread."""

    def read() -> None:
        with suppress(OSError):
            while viewer.recv(65536):
                pass

    thread = threading.Thread(target=read)
    thread.start()
    yield
    viewer.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_server_that_is_gone_is_told(open_page: OpenPage) -> None:
    with served(STREET) as found, open_page(found) as page:
        wait_for_frames(page)
        found.server.should_exit = True
        found.thread.join()
        notice = page.get_by_role("alert")
        expect(notice).to_have_text("The server does not answer. Trying again.")
