"""A page as a real browser shows it: headless Chromium, driven by Selenium."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PHONE, DESK = 360, 1280
"""Widths in CSS pixels."""
HEIGHT = 900


@contextmanager
def opened(page: Path, width: int) -> Iterator[Browser]:
    """Open a local page; the test is skipped where there is no Chromium, but not in CI."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if "CI" in os.environ:
            pytest.fail("chromium and chromedriver are missing; .ci/run installs them")
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    session = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        # A window has a least width, a screen of a phone has not.
        session.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        session.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": width < 600})
        session.get(page.resolve().as_uri())
        yield Browser(session)
    finally:
        session.quit()


class Browser:
    """What one wants to know of an open page."""

    def __init__(self, session: webdriver.Chrome) -> None:
        self._session = session

    def run(self, script: str) -> Any:
        """Carry out JavaScript in the page."""
        return self._session.execute_script(script)

    def find(self, css: str) -> WebElement:
        """The first element that a selector fits."""
        return self._session.find_element(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        """What the elements that a selector fits say."""
        return [node.text for node in self._session.find_elements(By.CSS_SELECTOR, css)]

    def click(self, css: str, at: tuple[float, float] | None = None) -> None:
        """Click an element in its middle, or at pixels from its left and top."""
        node = self.find(css)
        actions = ActionChains(self._session)
        if at is None:
            actions.move_to_element(node)
        else:
            # Selenium counts from the middle.
            actions.move_to_element_with_offset(
                node,
                round(at[0] - node.size["width"] / 2),
                round(at[1] - node.size["height"] / 2),
            )
        actions.click().perform()

    def drag(self, css: str, right: int) -> None:
        """Press on an element, move in steps to the right (or left), and let go."""
        actions = ActionChains(self._session).click_and_hold(self.find(css))
        actions.move_by_offset(right - right // 2, 0).move_by_offset(right // 2, 0)
        actions.release().perform()

    def wheel(self, css: str, down: int) -> None:
        """Turn the wheel over an element."""
        origin = ScrollOrigin.from_element(self.find(css))
        ActionChains(self._session).scroll_from_origin(origin, 0, down).perform()

    def touch(self, *moments: Sequence[tuple[float, float]]) -> None:
        """Put fingers on the page, move them from moment to moment, and lift them.

        Args:
            moments: Where the fingers are, in pixels from the left and top of what is seen.
        """
        for number, fingers in enumerate(moments):
            points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(fingers)]
            kind = "touchMove" if number else "touchStart"
            self._touch(kind, points)
        self._touch("touchEnd", [])

    def _touch(self, kind: str, points: list[dict[str, float]]) -> None:
        self._session.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    def press(self, *keys: str) -> None:
        """Type keys, one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self._session).send_keys(key).perform()

    def press_with(self, held: str, key: str) -> None:
        """Type a key while another one is held."""
        ActionChains(self._session).key_down(held).send_keys(key).key_up(held).perform()

    def wait(self, script: str, seconds: float = 15) -> None:
        """Wait until an expression in JavaScript is true.

        Raises:
            TimeoutException: It never was.
        """
        WebDriverWait(self._session, seconds, 0.03).until(
            lambda _: self.run(f"return Boolean({script})"), script
        )

    def reload(self) -> None:
        """Load the page again."""
        self._session.refresh()

    def downloads_to(self, folder: Path) -> None:
        """Save what the page gives into a folder from now on, without asking."""
        folder.mkdir(parents=True, exist_ok=True)
        self._session.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )

    def before_loading(self, script: str) -> None:
        """Run JavaScript in every page that is loaded from now on, before its own."""
        self._session.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def requests(self) -> list[str]:
        """Addresses that the page asked for, without itself and what it holds."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        assert asked, "the log holds at least the page"
        own = self._session.current_url.partition("#")[0]
        return [url for url in asked if url != own and not url.startswith(("data:", "blob:"))]

    def complaints(self) -> list[str]:
        """What the browser's console says."""
        return [entry["message"] for entry in self._log("browser")]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._session.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def overflow(self) -> list[str]:
        """Elements that reach beyond the page's width and lie in nothing that scrolls."""
        found: list[str] = self.run(
            """
            const wide = document.documentElement.clientWidth;
            const scrolls = node => node && node !== document.documentElement &&
                (['auto', 'scroll'].includes(getComputedStyle(node).overflowX) ||
                 scrolls(node.parentElement));
            const out = [...document.querySelectorAll('body *')].filter(node =>
                node.getBoundingClientRect().right > wide + 1 && !scrolls(node.parentElement));
            const names = out.map(node => node.tagName + ': ' + node.textContent.slice(0, 60));
            if (document.documentElement.scrollWidth > wide) names.push('the page itself');
            return names;
            """
        )
        return found

    def broken_pictures(self) -> list[str]:
        """Alternative texts of pictures that did not load."""
        found: list[str] = self.run(
            "return [...document.images].filter(i => !i.complete || !i.naturalWidth)"
            ".map(i => i.alt)"
        )
        return found

    def films(self) -> list[float]:
        """Seconds of each film, once the browser knows them."""
        self._session.set_script_timeout(20)
        found: list[float] = self._session.execute_async_script(
            """
            const done = arguments[arguments.length - 1];
            Promise.all([...document.querySelectorAll('video')].map(film => new Promise(known => {
                if (film.readyState >= 1) return known(film.duration);
                film.onloadedmetadata = () => known(film.duration);
                film.onerror = () => known(0);
                film.load();
            }))).then(done);
            """
        )
        return found

    def screenshot(self, path: Path) -> None:
        """Save the whole page as PNG."""
        size = self._session.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        picture = self._session.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}},
        )
        path.write_bytes(base64.b64decode(picture["data"]))
