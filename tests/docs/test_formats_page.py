"""Every example of docs/formats.md is read, and holds what the page says."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from ruamel.yaml import YAML

from tests.videos import write_video
from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading
from twinstroke.annotations.regions import with_boxes
from twinstroke.annotations.resolve import resolved
from twinstroke.findings import Findings
from twinstroke.formats.reading import read_annotations
from twinstroke.settings.index import IndexSettings
from twinstroke.video.probe import probe_video

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Example:
    preset: str
    files: dict[str, str] = field(default_factory=dict)
    clips: list[str] = field(default_factory=list)


def _examples() -> list[Example]:
    examples = []
    for language, file, content in BLOCK.findall(PAGE):
        if language == "yaml":
            examples.append(Example(content))
        elif file:
            examples[-1].files[file] = content
        else:
            examples[-1].clips = content.splitlines()
    return examples


EXAMPLES = _examples()


@pytest.fixture(scope="session")
def rally(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """720 frames at 120 a second."""
    frames = np.random.default_rng(0).integers(0, 256, (720, 16, 16, 3), np.uint8)
    return write_video(tmp_path_factory.mktemp("videos") / "rally.mp4", frames)


def test_every_format_has_an_example() -> None:
    formats = {YAML(typ="safe").load(example.preset)["format"] for example in EXAMPLES}
    known = IndexSettings.model_fields["format"].annotation.__args__  # type: ignore[union-attr]
    assert formats == set(known) - {"auto"}
    assert all(example.files or example.clips for example in EXAMPLES)


@pytest.mark.parametrize("chosen", ["as the page says", "recognised"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.preset.split()[1])
def test_example(example: Example, chosen: str, tmp_path: Path, rally: Path) -> None:
    raw = tmp_path / "raw"
    videos = [raw / clip for clip in example.clips] or [raw / "videos/rally.mp4"]
    for video in videos:
        video.parent.mkdir(parents=True, exist_ok=True)
        video.write_bytes(rally.read_bytes())
    for name, content in example.files.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".xlsx"):
            # The page shows the cells of a workbook as a table of text.
            book = openpyxl.Workbook()
            assert book.active is not None
            for row in csv.reader(content.splitlines()):
                book.active.append([float(c) if c[:1].isdigit() else c for c in row])
            book.save(raw / name)
        else:
            (raw / name).write_text(content, encoding="utf-8")
    preset = YAML(typ="safe", pure=True).load(example.preset)
    form = preset["format"]
    if chosen == "recognised":
        del preset["format"]
    settings = IndexSettings.model_validate(
        {
            "classes": ["forehand", "backhand"],
            "fps": 120.0,
            "split": {"rule": "stroke"},
            **preset,
        }
    )
    findings = Findings()
    reading = Reading(ClassList(settings), findings)
    named = read_annotations(raw, settings, reading)
    assert named == form if chosen != "recognised" else named.startswith(f"{form} (")
    clocks = {video: probe_video(path).clock for video, path in reading.videos.items()}
    strokes = resolved(reading.annotations, clocks, settings, findings)
    if settings.boxes == "regions":
        size = {"rally": (1920, 1080)}
        placed = with_boxes(reading.annotations, reading.boxes, size, findings, "player")
        assert [item.group for item in placed] == ["Ada", "Ben"]
        assert all(f"`{item.region}`" in PAGE for item in placed)
    assert findings.all == []
    found = sorted((s.begin, s.end, s.label) for s in strokes)
    if form == "clips":
        assert found == [(0, 720, "backhand"), (0, 720, "forehand")]
    else:
        assert found == [(120, 300, "forehand"), (420, 540, "backhand")]
