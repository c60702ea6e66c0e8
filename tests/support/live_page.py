"""The page of ``streamseg serve`` in Chromium: open it, and ask what it shows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from camera_servers import wait_until
from playwright.sync_api import Browser, Page, expect
from served_streams import Served

OpenPage = Callable[..., AbstractContextManager[Page]]

SECONDS = 30
"""Longest wait: the machine may be busy."""
HARMLESS = re.compile("status of (401|400|503)|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED")
"""What a browser itself writes to the console when a test provokes it."""


@contextmanager
def live_page(browser: Browser, served: Served, path: str = "", **options: Any) -> Iterator[Page]:
    """The page in a tab of its own; what it writes to the console fails the test."""
    complaints: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 900, "height": 600}, **options})
    page = context.new_page()
    page.set_default_timeout(1000 * SECONDS)
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(served.url + path)
    try:
        yield page
    finally:
        if folder := os.environ.get("STREAMSEG_SCREENSHOTS"):
            test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
            page.screenshot(path=Path(folder) / f"{test}.png")
        context.close()
    harmful = [text for text in complaints if not HARMLESS.search(text)]
    assert not harmful, harmful


def frame_of(page: Page) -> int:
    """Index of the frame that the first canvas shows; -1 if none yet."""
    return int(page.locator(".camera canvas").first.get_attribute("data-frame") or -1)


def format_of(page: Page) -> str | None:
    """The format in which that frame came: ``jpeg`` or ``h264``."""
    return page.locator(".camera canvas").first.get_attribute("data-format")


def wait_for_frames(page: Page) -> None:
    """Until the image has changed twice."""
    for _ in range(2):
        shown = frame_of(page)
        wait_until(lambda shown=shown: frame_of(page) > shown, SECONDS)  # type: ignore[misc]


def pixels_of(page: Page) -> str:
    found: str = page.locator(".camera canvas").first.evaluate("canvas => canvas.toDataURL()")
    return found


def names_in(page: Page) -> list[str]:
    return page.locator("#in-view .name").all_text_contents()


def wait_for_names(page: Page) -> None:
    wait_until(lambda: len(names_in(page)) > 1, SECONDS)


def pause(page: Page) -> None:
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    # a frame that was under way is still drawn
    page.evaluate("new Promise((done) => setTimeout(done, 300))")


def resume(page: Page) -> None:
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    wait_for_frames(page)
