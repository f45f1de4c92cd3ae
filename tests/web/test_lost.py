"""The operator sees within 5 s that what is shown is not of now."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

WITHIN_MS = 5_000

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def appears_in_time(page: Page, text: str) -> None:
    began = time.monotonic()
    expect(page.get_by_test_id("banner")).to_contain_text(text, timeout=WITHIN_MS)
    assert time.monotonic() - began < WITHIN_MS / 1000


def test_data_that_stand_still_are_not_a_lost_connection(
    demo: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    expect(page.get_by_test_id("link")).to_have_text("Live")
    demo.freeze_plant()  # its servers keep their connections and send nothing more
    appears_in_time(page, "Data are stale: nothing new since")
    expect(page.get_by_test_id("link")).to_have_text("Stale")
    banner = page.get_by_test_id("banner")
    expect(banner).to_contain_text("Source pots-L1: ", timeout=20_000)
    expect(banner).to_contain_text("Source meters: ", timeout=20_000)
    demo.thaw_plant()
    expect(page.get_by_test_id("link")).to_have_text("Live", timeout=30_000)
    expect(banner).to_have_count(0, timeout=30_000)


def test_a_server_that_says_nothing_and_one_that_is_gone(
    demo: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    expect(page.get_by_test_id("link")).to_have_text("Live")

    demo.freeze()  # connections stay open: only the page's own timer can tell
    appears_in_time(page, "Connection to potline lost at")
    expect(page.get_by_test_id("link")).to_have_text("Disconnected")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_test_id("banner")).to_contain_text("连接已于")
    page.get_by_role("button", name="EN", exact=True).click()

    demo.thaw()
    expect(page.get_by_test_id("link")).to_have_text("Live", timeout=30_000)
    current = page.get_by_test_id("L1-current").inner_text()
    expect(page.get_by_test_id("L1-current")).not_to_have_text(current, timeout=15_000)

    demo.popen.kill()
    appears_in_time(page, "Connection to potline lost at")
    expect(page.get_by_test_id("L1-current")).to_have_text(re.compile(r"\d"))  # dimmed, not gone
