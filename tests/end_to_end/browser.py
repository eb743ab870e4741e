"""A real browser, where there is one: Chromium without a window, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

ARTEFACTS = Path(__file__).parents[2] / "test-artefacts"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass
class Opened:
    """A page in a browser, and what it said, asked for, and put before the reader since."""

    page: "Page"
    said: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def dismiss(self, dialog: "Dialog") -> None:
        """Close a *dialog*, and remember it."""
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextmanager
def chromium() -> "Iterator[Browser]":
    """The Chromium on the PATH; without one, or without Playwright, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no Chromium on the PATH: none of {', '.join(NAMES)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])  # the tests may run as root
        yield browser
        browser.close()


@contextmanager
def opened(browser: "Browser", file: Path, window: dict[str, int], scheme: str) -> Iterator[Opened]:
    """*file* in a *window* of that size, *scheme* being light or dark."""
    context = browser.new_context(viewport=window, color_scheme=scheme)  # type: ignore[arg-type]
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda request: found.requested.append(request.url))
    found.page.on("dialog", found.dismiss)
    found.page.goto(file.as_uri())
    yield found
    context.close()
