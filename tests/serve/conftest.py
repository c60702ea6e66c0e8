"""Chromium, shared by the tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from chromium import chromium
from live_page import SECONDS, OpenPage, live_page
from playwright.sync_api import Browser, expect


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=1000 * SECONDS)
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def open_page(browser: Browser) -> OpenPage:
    return partial(live_page, browser)
