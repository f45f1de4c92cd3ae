"""Take docs/picture.png from a running demo: python docs/take_picture.py http://127.0.0.1:8600"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("picture.png")
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def take(url: str, cell: str | None) -> None:
    """The page with a cell's panel open: that of the first alarm about a cell unless named."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1600, "height": 900}, device_scale_factor=1.5)
        page.goto(f"{url}/?lang=en")
        page.locator("[data-test=map] canvas").wait_for()
        first = page.locator("button.entity", has_text=cell or "").first
        first.click(timeout=120_000)  # the demo's first alarm is a minute away
        page.locator("[data-test=cell-panel] canvas").wait_for()
        page.wait_for_timeout(3000)
        page.screenshot(path=PICTURE, animations="disabled")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: take_picture.py URL [CELL]")
    take(sys.argv[1].rstrip("/"), sys.argv[2] if len(sys.argv) == 3 else None)
    print(PICTURE)
