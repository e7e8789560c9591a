"""SubRip: ``.srt`` files, as editors of subtitles write them, one for each video and of its name.

A subtitle is a stroke: its text is the label, its times are those of the player's clock. Numbers of
subtitles do not matter. The name of the file names the video, so no annotator is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from twinstroke.annotations.folders import is_too_large
from twinstroke.annotations.records import Reading, Seconds, seconds, split_of
from twinstroke.annotations.rows import encoding_of
from twinstroke.findings import Findings, Place
from twinstroke.settings.index import IndexSettings

SUFFIXES = (".srt",)
ARROW = "-->"
LONGEST_LINE = 2**12
"""Characters of a line; more is no subtitle."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so holds subtitles."""
    return re.match(rf"\s*[0-9]+[ \t]*[\r\n]+[ \t]*[0-9:,.]+[ \t]*{ARROW}", start) is not None


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the subtitles of all files."""
    for file in files:
        if is_too_large(file, reading.findings):
            continue
        relative = file.relative_to(raw)
        video = reading.video_named(relative.with_suffix("").as_posix(), Place(str(file)))
        if video is None:
            continue
        for place, begin, end, label in _subtitles(file, video, reading.findings):
            reading.add(
                place,
                video=video,
                begin=begin,
                end=end,
                label=label,
                split=split_of(relative.parts[:-1]),
            )


def _subtitles(
    file: Path, video: str, findings: Findings
) -> Iterator[tuple[Place, Seconds, Seconds, str]]:
    """Place, begin, end and text of each; an error for what is none."""
    for block in _blocks(file, findings):
        # The number above the times may be missing.
        lines = block[1:] if len(block) > 1 and ARROW not in block[0][1] else block
        place = Place(str(file), str(lines[0][0]))
        times = re.fullmatch(rf"([0-9:,.]+)\s*{ARROW}\s*([0-9:,.]+)(?:\s.*)?", lines[0][1])
        begin, end = (seconds(text) for text in times.groups()) if times else (None, None)
        if begin is None or end is None:
            findings.error(
                "time",
                place,
                f"{lines[0][1][:40]!r} where the times of a subtitle were expected",
                f"write them as 00:00:01,500 {ARROW} 00:00:02,250, below its number",
                video=video,
            )
        else:
            yield place, begin, end, " ".join(text for _, text in lines[1:])


def _blocks(file: Path, findings: Findings) -> Iterator[list[tuple[int, str]]]:
    """Lines that belong together, with their numbers from 1."""
    block: list[tuple[int, str]] = []
    number = 0
    try:
        with file.open(encoding=encoding_of(file)) as text:
            while line := text.readline(LONGEST_LINE):
                number += 1
                if line.strip():
                    block.append((number, line.strip()))
                elif block:
                    yield block
                    block = []
    except UnicodeError:
        place = Place(str(file), str(number + 1))
        findings.error("srt", place, "not UTF-8", "save the file as UTF-8")
        return
    if block:
        yield block
