"""A real Chromium for page tests (marker `chromium`).

Playwright's synchronous interface keeps an event loop running in its thread, in which Django
refuses both the ORM and `async_to_sync`. So it lives in a thread of its own, and a test holds
proxies that pass each call there: `page.goto(url)`, `page.get_by_role("button").click()`,
`with page.expect_response("**/api/**"): …` and `expect(locator).to_be_visible()` are written as
always. `expect` is imported from here. Objects passed to an event handler (`page.on`) arrive bare,
in that thread.

| fixture    | gives                                                                      |
|------------|----------------------------------------------------------------------------|
| `browser`  | the browser, one per pytest process                                        |
| `page`     | a page in a context of its own: no cookies of other tests                  |
"""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect as _expect
from playwright.sync_api import sync_playwright

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLAIN = (str, bytes, bool, int, float, type(None))


class Remote:
    """Stands for an object of the browser's thread: whatever is done to it is done there."""

    def __init__(self, executor: ThreadPoolExecutor, target: Any) -> None:
        self.__dict__["_executor"] = executor
        self.__dict__["_target"] = target

    def _there(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        bare = [_bare(arg) for arg in args]
        named = {name: _bare(arg) for name, arg in kwargs.items()}
        return _wrap(self._executor, self._executor.submit(fn, *bare, **named).result())

    def __getattr__(self, name: str) -> Any:
        return self._there(getattr, self._target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._there(setattr, self._target, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._there(self._target, *args, **kwargs)

    def __enter__(self) -> Any:
        return self._there(self._target.__enter__)

    def __exit__(self, *exception: Any) -> Any:
        return self._there(self._target.__exit__, *exception)

    def __repr__(self) -> str:
        return f"<Remote {self._target!r}>"


def _bare(value: Any) -> Any:
    return value.__dict__["_target"] if isinstance(value, Remote) else value


def _wrap(executor: ThreadPoolExecutor, value: Any) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list):
        return [_wrap(executor, item) for item in value]
    if isinstance(value, dict):
        return {key: _wrap(executor, item) for key, item in value.items()}
    return Remote(executor, value)


def expect(target: Any, *args: Any) -> Any:
    """Playwright's assertions, for a page, a locator or a response of the browser's thread."""
    return target._there(_expect, target, *args)


def chromium_path() -> str | None:
    """The system's Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or ("/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium. Without one the test is skipped, but fails with CI=true."""
    path = chromium_path()
    if path is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("no Chromium, and CI=true requires the browser tests to run")
        pytest.skip("no Chromium on this machine (apt install chromium)")
    with ThreadPoolExecutor(1, "browser") as executor:
        manager = sync_playwright()
        playwright = executor.submit(manager.start).result()
        try:
            chromium = executor.submit(
                playwright.chromium.launch, executable_path=path, args=FLAGS
            ).result()
            yield Remote(executor, chromium)
            executor.submit(chromium.close).result()
        finally:
            executor.submit(playwright.stop).result()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page in a fresh context, 1280 by 800 pixels."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()
