"""Tables of strokes in frames, as people correct them and pages show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.formats.csv import read_strokes


def test_strokes_are_read_by_the_names_of_their_videos(tmp_path: Path) -> None:
    table = tmp_path / "strokes.csv"
    table.write_text(
        "annotator;label;end;begin;video;probability\n"
        "Zoë; Push ;30;10;day 1/a.mp4;0.9\n"
        ";;50;40;b;\n"
        ";Unknown;20;0;day 2/a.mkv;\n",
        encoding="utf-8-sig",
    )
    assert read_strokes(table) == {
        "a": [Stroke("a", 10, 30, "Push", annotator="Zoë"), Stroke("a", 0, 20, "Unknown")],
        "b": [Stroke("b", 40, 50)],
    }


def test_rows_that_are_no_frames_are_all_named(tmp_path: Path) -> None:
    table = tmp_path / "strokes.csv"
    table.write_text("video,begin,end,label\na,5,5,Hit\na,1,2,Hit\na,0:01,3,Hit\n")
    with pytest.raises(UserError) as caught:
        read_strokes(table)
    first, second = caught.value.problems
    assert first.startswith(f"{table}:2: '5' to '5' are no frames")
    assert second.startswith(f"{table}:4: '0:01' to '3' are no frames")
    with pytest.raises(UserError, match=r"gone\.csv: no such table"):
        read_strokes(tmp_path / "gone.csv")
