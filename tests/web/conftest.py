"""The running demo and a real browser."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from web.month import Month

from api.page import STATIC

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The browser itself reports each connection that fails and each refusal: the banner tells of the
# one. There is no book on the first day, and what cannot be entered is refused.
NOT_OF_THE_PAGE = re.compile(r"net::ERR_|404 .*/(book|low-efficiency)|422 .*/entries$")


def skip(what: str) -> None:
    """Skip for want of a thing; a failure under CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and under CI=true nothing is skipped")
    pytest.skip(what)


class Demo:
    """`potline demo` in a process, with its page at `url`."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "potline",
                    "demo",
                    "--port=0",
                    f"--folder={folder / 'data'}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.url = self._flowing_at()
        self.plant = self._children()[0]

    def _flowing_at(self) -> str:
        """The address that it prints, once samples flow."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.popen.poll() is None:
            said = self.log.read_text(errors="replace")
            url = next((word for word in said.split() if word.startswith("http://")), "")
            if url and self._ready(url):
                return url
            time.sleep(0.3)
        self.stop()
        raise RuntimeError(f"no live demo: {self.log.read_text(errors='replace')[-2000:]}")

    @staticmethod
    def _ready(url: str) -> bool:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def _children(self) -> list[int]:
        pid = self.popen.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def freeze_plant(self) -> None:
        os.kill(self.plant, signal.SIGSTOP)

    def thaw_plant(self) -> None:
        os.kill(self.plant, signal.SIGCONT)

    def freeze(self) -> None:
        """It keeps its connections and says nothing more, as behind a cut cable."""
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.thaw()
            self.popen.terminate()
            try:
                self.popen.wait(30)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(10)
        with contextlib.suppress(AttributeError, ProcessLookupError):
            os.kill(self.plant, signal.SIGKILL)  # a killed demo leaves its plant behind


def built() -> None:
    if not (STATIC / "index.html").is_file():
        skip("the page is not built: npm ci && npm run build in web/")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    built()
    served = Month(tmp_path_factory.mktemp("month"))
    yield served
    served.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    built()
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def page_url(demo: Demo) -> str:
    return demo.url


@pytest.fixture(scope="module")  # not longer: its event loop is in the way of asynchronous tests
def browser() -> Iterator[Browser]:
    program = next((p for p in CHROMIUM if Path(p).exists()), None) or shutil.which("chromium")
    if program is None:
        skip("there is no Chromium")
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, page_url: str) -> Iterator[Callable[..., Page]]:
    """Open the page in a fresh browser profile; at the end nothing may stand in its console."""
    contexts, complaints = [], []

    def opened(query: str = "?lang=en", width: int = 1366, height: int = 768) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda m: (
                complaints.append(f"{m.text} {m.location['url']}")
                if m.type in ("error", "warning")
                else None
            ),
        )
        page.on(
            "request",
            lambda r: None if r.url.startswith(page_url) else complaints.append(f"asks {r.url}"),
        )
        page.goto(f"{page_url}/{query}")
        page.get_by_test_id("map").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [c for c in complaints if not NOT_OF_THE_PAGE.search(c)] == []
