"""The page to correct strokes in, as a browser has it open, and what is saved from it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser import DESK, Browser, opened
from twinstroke.index.build import build_index
from twinstroke.settings.index import IndexSettings


@contextmanager
def viewer(page: Path, width: int = DESK) -> Iterator[Browser]:
    with opened(page, width) as browser:
        browser.wait("document.getElementById('summary').textContent")
        yield browser


def loaded(browser: Browser) -> None:
    browser.wait("document.getElementById('video').readyState >= 2")


def kept(browser: Browser) -> list[tuple[int, int, str]]:
    """Strokes as the browser keeps them for this page."""
    stored = browser.run(
        "const {digest} = JSON.parse(document.getElementById('data').textContent);"
        "const own = Object.keys(localStorage).filter(key => key.endsWith(digest));"
        "return own.map(key => localStorage[key])"
    )
    assert len(stored) == 1
    return [(begin, end, label) for begin, end, label, *_ in json.loads(stored[0])["strokes"]]


def file_in(folder: Path, suffix: str) -> Path:
    """The file that was saved, once it is whole."""
    for _ in range(200):
        found = list(folder.glob(f"*{suffix}"))
        if found and not list(folder.glob("*.crdownload")):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {suffix} in {list(folder.iterdir())}")


def indexed(raw: Path, form: str, classes: list[str], fps: float) -> list[tuple[int, int, str]]:
    """What `index` finds, with every check that it makes."""
    settings = IndexSettings.model_validate(
        {
            "format": form,
            "videos": "videos",
            "annotations": form,
            "classes": classes,
            "fps": fps,
            "negatives": {"rule": "none"},
            "split": {"rule": "stroke"},
            "max_overlap": 1.0,
        }
    )
    index = build_index(settings, raw=raw, root=raw.parent, seed=1, workers=1, window=4, context=0)
    assert [f for f in index.findings if f.severity == "error"] == []
    named = [(sample.begin, sample.end, sample.label) for sample in index.samples]
    return sorted(named + [(mark.begin, mark.end, "Unknown") for mark in index.unlabelled])
