"""Checks before work: every planted defect is found, and a sound data set raises no alarm."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests import quick
from tests.clone import ROOT
from tests.videos import (
    Frames,
    write_copy,
    write_damaged_copy,
    write_interlaced_video,
    write_rotated_copy,
    write_sound,
    write_truncated_copy,
    write_vfr_video,
    write_video,
)

FPS, FRAMES = 50, 100
SOUND = ("a", "b", "c")
"""Videos of the sound data set, one a split."""


def pictures(number: int) -> Frames:
    """Frames of one video, like those of no other."""
    return np.random.default_rng(number).integers(0, 256, (FRAMES, 32, 32, 3), np.uint8)


class Set:
    """A data set on disk: videos and one CSV."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw = root / "data/raw/mine"
        (self.raw / "videos").mkdir(parents=True)
        self.rows: list[list[str]] = []
        self.sums: list[str] = []
        self.number = 0
        self.classes = ["forehand", "backhand"]
        for video, split in zip(SOUND, ("train", "validation", "test"), strict=True):
            self.video(video, split)

    def path(self, video: str) -> Path:
        return self.raw / "videos" / f"{video}.mp4"

    def video(self, video: str, split: str = "train", *, lossless: bool = True) -> Path:
        """A sound video with a stroke of each class."""
        self.number += 1
        write_video(self.path(video), pictures(self.number), FPS, lossless=lossless)
        self.row(video, 10, 40, "forehand", split)
        self.row(video, 50, 90, "backhand", split)
        return self.path(video)

    def row(self, video: str, begin: Any, end: Any, label: str, split: str, **more: str) -> None:
        cells = [video, begin, end, label, split, more.get("annotator", ""), more.get("player", "")]
        self.rows.append([str(cell) for cell in (cells if "cut" not in more else cells[:3])])

    def write(self) -> None:
        with (self.raw / "strokes.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["video", "begin", "end", "label", "split", "annotator", "player"])
            writer.writerows(self.rows)
        for video in SOUND:
            digest = hashlib.md5(self.path(video).read_bytes()).hexdigest()  # noqa: S324
            self.sums.append(f"{digest}  ./videos/{video}.mp4")
        (self.raw / "MD5SUMS").write_text("\n".join([*self.sums, ""]))

    def check(
        self, *program: str, index: Any = None, detect: Any = None, **environment: str
    ) -> tuple[int, str, list[dict[str, str]]]:
        """Run the command; give its status, what it prints, and the table that it writes.

        Args:
            program: Another to run, as Python is told.
            index: Keys of that section of the preset, beside those of all data sets.
            detect: All of that section, if other than the demo's.
            environment: Beside that of this process.
        """
        yaml = YAML()
        preset = yaml.load((ROOT / "presets/demo.yaml").read_text())
        for key in ("train_players", "validation_players", "test_players"):
            preset["synthesize"][key] = 0
        preset["window"]["frames"] = 8
        preset["decode"]["frame_step"] = 2
        preset["index"] = {
            "format": "csv",
            "videos": "videos",
            "annotations": "strokes.csv",
            "classes": self.classes,
            "fps": FPS,
            "negatives": {"rule": "none"},
            "split": {"rule": "given"},
            **(index or {}),
        }
        preset["detect"] = detect or preset["detect"]
        (self.root / "presets").mkdir(exist_ok=True)
        yaml.dump(preset, self.root / "presets/mine.yaml")
        params = (ROOT / "params.yaml").read_text().replace("preset: demo", "preset: mine")
        (self.root / "params.yaml").write_text(params)
        done = subprocess.run(
            [quick.python(), *(program or ("-m", "twinstroke", "check"))],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
        )
        table = self.root / "reports/mine/findings.csv"
        with table.open(newline="", encoding="utf-8") as stream:
            return done.returncode, done.stdout + done.stderr, list(csv.DictReader(stream))


class Defect(NamedTuple):
    """One planted defect, and what must be said about it."""

    plant: Callable[[Set], Any]
    severity: str
    check: str
    text: str
    """A part of the line."""


def _empty(data: Set) -> None:
    data.video("empty").write_bytes(b"")


def _garbage(data: Set) -> None:
    data.video("garbage").write_bytes(b"no video at all" * 100)


def _sound_only(data: Set) -> None:
    path = data.video("sound only")
    write_sound(path.with_suffix(".mov"))
    path.with_suffix(".mov").rename(path)


def _damaged(data: Set) -> None:
    source = data.video("damaged", lossless=False)
    write_damaged_copy(source.with_suffix(".mov"), source, 70)
    source.unlink()


def _truncated(data: Set) -> None:
    path = data.video("truncated")
    write_truncated_copy(path, path, share=0.97)


def _slow(data: Set) -> None:
    path = data.video("slow")
    write_video(path, pictures(200), 25)


def _rotated(data: Set) -> None:
    path = data.video("rotated")
    write_rotated_copy(path.with_suffix(".mov"), path, 90)
    path.unlink()


def _interlaced(data: Set) -> None:
    data.video("interlaced").unlink()
    write_interlaced_video(data.path("interlaced"), pictures(201), FPS)


def _variable(data: Set) -> None:
    path = data.video("variable")
    data.rows.pop()
    write_vfr_video(path, pictures(202)[:60], [(n + (n == 30) / 2) / FPS for n in range(60)])


def _copy(data: Set) -> None:
    path = data.video("first of two")
    data.path("second of two").write_bytes(path.read_bytes())
    data.row("second of two", 10, 40, "forehand", "train")


def _remuxed(data: Set) -> None:
    path = data.video("in mp4")
    write_copy(data.raw / "videos/in mkv.mkv", path)
    data.row("in mkv", 10, 40, "forehand", "test")


def _altered(data: Set) -> None:
    path = data.video("altered")
    data.sums.append(f"{hashlib.md5(b'before').hexdigest()}  ./videos/{path.name}")  # noqa: S324


def _absent(data: Set) -> None:
    data.sums.append(f"{'0' * 32}  ./videos/was never unpacked.mp4")


def _sums_outside(data: Set) -> None:
    data.sums.append(f"{'0' * 32}  ../../../../etc/passwd")


def _same_name(data: Set) -> None:
    path = data.video("twice")
    data.video("other")
    data.path("other").rename(path.with_suffix(".mov"))


def _outside(data: Set) -> None:
    path = data.video("leads outside")
    path.rename(data.root / "outside.mp4")
    path.symlink_to(data.root / "outside.mp4")


def _line_break(data: Set) -> None:
    data.video("line break").rename(data.raw / "videos/line\nbreak.mp4")
    data.rows = data.rows[:-2]


def _spare(data: Set) -> None:
    data.video("spare")
    data.rows = data.rows[:-2]


def _row(video: str, begin: Any, end: Any, label: str, **more: str) -> Callable[[Set], None]:
    """A row of its own in an otherwise sound video."""

    def plant(data: Set) -> None:
        data.video(video)
        data.row(video, begin, end, label, more.pop("split", "train"), **more)

    return plant


def _player(data: Set) -> None:
    for video, split in (("ada 1", "train"), ("ada 2", "test")):
        data.video(video, split)
        for row in data.rows[-2:]:
            row[6] = "Ada"


def _tie(data: Set) -> None:
    data.video("tie")
    data.rows = data.rows[:-2]
    data.row("tie", 10, 40, "forehand", "train", annotator="Ada")
    data.row("tie", 10, 41, "backhand", "train", annotator="Bob")


def _lone(data: Set) -> None:
    data.video("lone")
    data.rows = data.rows[:-2]
    for annotator in ("Ada", "Bob", "Eve"):
        data.row("lone", 10, 40, "forehand", "train", annotator=annotator)
    data.row("lone", 60, 90, "forehand", "train", annotator="Eve")


_no_label = _row("r2", 0, 8, "")

DEFECTS: dict[str, Defect] = {
    # Videos.
    "empty file": Defect(_empty, "error", "video", "empty.mp4: the video file is empty"),
    "no video": Defect(_garbage, "error", "video", "garbage.mp4: FFmpeg cannot read"),
    "only sound": Defect(_sound_only, "error", "video", "sound only.mp4: holds no video stream"),
    "damaged packet": Defect(_damaged, "error", "decode", "damaged.mov: "),
    "cut off": Defect(_truncated, "warning", "frames", "its header promises 100"),
    "frame rate": Defect(_slow, "error", "fps", "slow.mp4: has 25 frames a second"),
    "rotation flag": Defect(_rotated, "warning", "rotation", "rotated.mov: its rotation flag"),
    "interlacing": Defect(_interlaced, "warning", "interlaced", "interlaced.mp4: each frame is"),
    "variable rate": Defect(_variable, "warning", "vfr", "variable.mp4: variable frame rate"),
    "copy": Defect(_copy, "warning", "content", "first of two.mp4: has the same content as"),
    "copy in another container": Defect(_remuxed, "warning", "content", "in mp4.mp4"),
    "copy in another split": Defect(_remuxed, "warning", "leak", "in mkv = in mp4"),
    "checksum": Defect(_altered, "error", "md5", "altered.mp4"),
    "checksum without file": Defect(_absent, "warning", "md5", "was never unpacked.mp4"),
    "checksum of a file outside": Defect(_sums_outside, "error", "md5", "MD5SUMS:"),
    "two of one name": Defect(_same_name, "error", "name", "shares its name with"),
    "link outside": Defect(_outside, "error", "folder", "leads outside.mp4: links to"),
    "line break in a name": Defect(_line_break, "error", "name", "line\\nbreak.mp4: holds odd"),
    "video without strokes": Defect(_spare, "warning", "unused", "spare.mp4: has no stroke"),
    # Strokes.
    "misspelt label": Defect(_row("r1", 0, 8, "forhand"), "error", "label", "'forehand'?"),
    "no label": Defect(_no_label, "warning", "label", "has no label"),
    "no class": Defect(_no_label, "warning", "unlabelled", "without a class"),
    "time that is no number": Defect(_row("r3", "x", 8, "forehand"), "error", "time", "'x'"),
    "NaN": Defect(_row("r4", "NaN", 8, "forehand"), "error", "time", "'NaN'"),
    "negative time": Defect(_row("r5", -5, 8, "forehand"), "error", "time", "'-5'"),
    "fraction of a frame": Defect(_row("r6", 0, 8.5, "forehand"), "error", "time", "'8.5'"),
    "huge number": Defect(_row("r7", 0, "9" * 30, "forehand"), "error", "time", "'999999999"),
    "begin after end": Defect(_row("r8", 8, 2, "forehand"), "error", "time", "begin 8 is not"),
    "end after the video": Defect(_row("r9", 92, 101, "forehand"), "error", "range", "at 101"),
    "far after the video": Defect(_row("s1", "1:00", "1:01", "forehand"), "error", "range", "61 s"),
    "overlap": Defect(_row("s2", 30, 48, "forehand"), "error", "overlap", "shares 10 of 18"),
    "repetition": Defect(_row("s3", 10, 40, "forehand"), "error", "repetition", "repeats"),
    "too few cells": Defect(_row("s4", 0, 8, "", cut=""), "error", "table", "3 fields, but"),
    "unknown split": Defect(
        _row("s5", 0, 8, "forehand", split="dev"), "error", "split", "split 'dev'"
    ),
    "unknown video": Defect(
        lambda data: data.row("nowhere", 0, 8, "forehand", "train"), "error", "video", "'nowhere'"
    ),
    "no split": Defect(
        _row("s6", 0, 8, "forehand", split=""), "error", "split", "'s6' has samples of no split"
    ),
    "short stroke": Defect(_row("s7", 0, 9, "forehand"), "warning", "short", "lasts 9 frames"),
    "player in two splits": Defect(_player, "warning", "leak", "train and test share 1 player"),
    "equal votes": Defect(_tie, "warning", "consensus", "equal votes"),
    "lone voice": Defect(_lone, "warning", "consensus", "only 1 of 3 annotators (Eve)"),
}


def test_a_sound_data_set_raises_no_alarm(tmp_path: Path) -> None:
    data = Set(tmp_path)
    data.write()
    status, printed, found = data.check()
    assert found == []
    assert status == 0
    assert "0 errors, 0 warnings" in printed
    assert "forehand           1           1           1" in printed


def test_of_an_older_preset_it_says_what_dvc_will_want(tmp_path: Path) -> None:
    """DVC refuses to begin where a key is missing that a stage depends on."""
    data = Set(tmp_path)
    data.write()
    status, printed, _ = data.check(detect={"stride": 4})
    assert status == 0
    assert "presets/mine.yaml: detect.split is not said" in printed
    assert "write split: test" in printed
    # The advice leads to a preset of which nothing is said.
    assert "detect.split" not in data.check(detect={"stride": 4, "split": "test"})[1]


def test_a_single_label_is_no_task_until_negatives_are_mined_beside_it(tmp_path: Path) -> None:
    data = Set(tmp_path)
    data.rows = [[*row[:3], "forehand", *row[4:]] for row in data.rows]
    data.write()
    status, printed, (found,) = data.check(index={"classes": "found"})
    assert status == 1
    assert "Traceback" not in printed
    assert "data/raw/mine: 'forehand' is the only class" in found["found"]
    status, printed, _ = data.check(
        index={"classes": "found", "negatives": {"rule": "gaps", "frames": 16}}
    )
    assert status == 0
    assert "Negative" in printed


@pytest.fixture(scope="module")
def all_defects(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, str]]]:
    """What is said of a data set with all defects at once."""
    assert len(DEFECTS) >= 25
    data = Set(tmp_path_factory.mktemp("set"))
    for plant in dict.fromkeys(defect.plant for defect in DEFECTS.values()):
        plant(data)
    data.write()
    status, printed, found = data.check()
    assert status == 1
    assert "Traceback" not in printed
    return printed, found


def _is_told(row: dict[str, str], defect: Defect) -> bool:
    where = f"{row['file']}:{row['row']}" if row["row"] else row["file"]
    line = f"{where}: {row['found']}; {row['advice']}"
    kind = (row["severity"], row["check"])
    return kind == (defect.severity, defect.check) and defect.text in line


@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defect_is_found(all_defects: tuple[str, list[dict[str, str]]], name: str) -> None:
    _, found = all_defects
    matching = [row for row in found if _is_told(row, DEFECTS[name])]
    assert matching, found
    assert all(row["file"] and row["found"] and row["advice"] for row in matching)


CONSEQUENCES = [
    # A video that is refused is missing to its strokes; and an unknown word is no split.
    Defect(_same_name, "error", "video", "no video 'other'"),
    Defect(_outside, "error", "video", "no video 'leads outside'"),
    Defect(_row("s5", 0, 8, "forehand", split="dev"), "error", "split", "'s5' has samples of no"),
    Defect(_truncated, "error", "decode", "truncated.mp4: frame"),
    # The others are progressive.
    Defect(_interlaced, "warning", "alike", "videos are interlaced, this one among them"),
]


def test_nothing_is_found_that_was_not_planted(
    all_defects: tuple[str, list[dict[str, str]]],
) -> None:
    _, found = all_defects
    known = [*DEFECTS.values(), *CONSEQUENCES]
    assert [row for row in found if not any(_is_told(row, defect) for defect in known)] == []
    # The sound part of the set is never blamed.
    assert [row for row in found if row["video"] in SOUND] == []


@pytest.mark.parametrize(
    ("program", "environment"),
    [
        ((), {"PYTHONIOENCODING": "latin-1"}),
        (
            (str(ROOT / "stages/index.py"),),
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        ),
    ],
    ids=["check, terminal", "index, locale"],
)
def test_what_no_terminal_shows_is_written_all_the_same(
    tmp_path: Path, program: tuple[str, ...], environment: dict[str, str]
) -> None:
    data = Set(tmp_path)
    data.classes.append("Ru\u0308ckhand \u2013 \U0001f3d3")
    data.row("a", 10, 40, data.classes[-1], "train")
    data.write()
    status, printed, table = data.check(*program, **environment)
    # Two strokes at once; the line has a dash, too.
    assert status == 1
    assert "40 shares 30 of 30 frames" in printed
    assert "Traceback" not in printed
    assert any("10\u201340 shares" in row["found"] for row in table)
    data.rows[-1][1:3] = ["42", "48"]
    data.write()
    shutil.rmtree(tmp_path / "presets")
    status, printed, table = data.check(*program, **environment)
    assert (status, [row for row in table if row["severity"] == "error"]) == (0, [])
    assert "Traceback" not in printed
    if program:
        assert r"no validation sample of 1 of 3 classes: R\xfcckhand \u2013" in printed
        classes = tmp_path / "data/mine/classes.csv"
        assert "R\u00fcckhand \u2013 \U0001f3d3" in classes.read_text(encoding="utf-8")


def test_the_table_is_of_this_run_even_if_it_ends_early(tmp_path: Path) -> None:
    data = Set(tmp_path)
    data.row("a", 0, 5, "forhand", "train")
    data.write()
    status, _, found = data.check()
    assert (status, [row["check"] for row in found]) == (1, ["label", "unlabelled"])
    (data.raw / "strokes.csv").unlink()
    shutil.rmtree(tmp_path / "presets")
    status, printed, found = data.check()
    assert status == 1
    (row,) = found
    assert "no annotation file" in row["found"]
    assert "Traceback" not in printed
