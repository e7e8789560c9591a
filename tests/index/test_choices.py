"""What a preset may choose about annotations: each choice seen in the tables it gives."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.videos import distinct_frames, write_damaged_copy, write_video
from twinstroke.errors import UserError
from twinstroke.index.build import BrokenDataError, Index, build_index
from twinstroke.index.split import Placement
from twinstroke.settings.index import IndexSettings

FRAMES = 120
NTSC = Fraction(60_000, 1001)


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Five videos: 120 frames of 60000/1001 a second."""
    folder = tmp_path_factory.mktemp("videos")
    frames = distinct_frames(FRAMES)
    return {
        name: write_video(folder / f"{name}.mp4", frames + number, NTSC).read_bytes()
        for number, name in enumerate("abcde")
    }


@pytest.fixture
def raw(tmp_path: Path, videos: dict[str, bytes]) -> Path:
    """The raw folder with the videos and nothing else."""
    (tmp_path / "raw/videos").mkdir(parents=True)
    for name, content in videos.items():
        (tmp_path / f"raw/videos/{name}.mp4").write_bytes(content)
    return tmp_path / "raw"


def _build(
    raw: Path,
    rows: list[str],
    header: str = "",
    *,
    kept: Sequence[Placement] = (),
    context: int = 0,
    columns: str = "video,begin,end,label",
    **changes: Any,
) -> Index:
    text = "\n".join([f"{columns}{header}", *rows])
    (raw / "strokes.csv").write_text(text, encoding="utf-8")
    settings = {
        "format": "csv",
        "videos": "videos",
        "annotations": "strokes.csv",
        "classes": "found",
        "fps": 59.94,
        "negatives": {"rule": "none"},
        "split": {"rule": "names", "train": ["[ab]"], "validation": ["c"], "test": ["[de]"]},
        **changes,
    }
    return build_index(
        IndexSettings.model_validate(settings),
        raw=raw,
        root=raw.parent,
        seed=1,
        workers=1,
        window=4,
        context=context,
        kept=kept,
    )


EACH = [f"{video},0,50,push" for video in "abcde"]
"""A stroke of each video."""


def _frames(index: Index, video: str = "a") -> list[tuple[int, int]]:
    return [(s.begin, s.end) for s in index.samples if s.video == video]


# --- times ---


def test_seconds_are_looked_up_among_the_timestamps(raw: Path) -> None:
    rows = [f"{v},{float(30 / NTSC):.3f},{float(90 / NTSC):.3f},push" for v in "abcde"]
    assert _frames(_build(raw, rows, times="seconds")) == [(30, 90)]


def test_clock_times_and_frames_may_stand_together(raw: Path) -> None:
    assert _frames(_build(raw, ["a,60,0:02,push", *EACH[1:]])) == [(60, 120)]


def test_frames_of_another_rate(raw: Path) -> None:
    # 25 a second, as annotation tools count: frame 10 is at 0.4 s, which is frame 24 of the video.
    rows = ["a,10,25,push", *[f"{v},0,20,push" for v in "bcde"]]
    assert _frames(_build(raw, rows, annotation_fps=25.0)) == [(24, 60)]
    # At half the video's own rate, 30000/1001, every frame is exactly two.
    assert _frames(_build(raw, rows, annotation_fps=29.97)) == [(20, 50)]


def test_a_stroke_may_end_just_after_the_video(raw: Path) -> None:
    # Two seconds and 2 ms of video; sound and annotations may be 0.1 s longer.
    assert _frames(_build(raw, ["a,60,0:02.09,push", *EACH[1:]])) == [(60, 120)]
    with pytest.raises(UserError, match=r"ends at 2\.2 s, but 'a' has 120 frames \(2\.002 s\)"):
        _build(raw, ["a,60,0:02.2,push", *EACH[1:]])


def test_a_stroke_of_no_whole_frame(raw: Path) -> None:
    with pytest.raises(UserError, match=r"strokes\.csv:2: lasts from 1 s to 1\.003 s, which is no"):
        _build(raw, ["a,0:01,0:01.003,push", *EACH[1:]])


# --- classes ---


def test_found_classes_are_written_down(raw: Path) -> None:
    index = _build(raw, [*EACH[1:], "a,0,9,block", "a,20,40,Serve Forehand Loop"])
    assert [(row.label, row.type_hand) for row in index.classes] == [
        ("Serve Forehand Loop", "Serve Forehand"),
        ("block", ""),
        ("push", ""),
    ]
    assert {s.label: s.class_index for s in index.samples} == {
        "Serve Forehand Loop": 0,
        "block": 1,
        "push": 2,
    }
    mined = _build(raw, EACH, negatives={"rule": "gaps"})
    assert [row.label for row in mined.classes] == ["Negative", "push"]


def test_found_classes_that_differ_little_are_told(raw: Path) -> None:
    index = _build(raw, [*EACH, "a,60,90,Push", "b,60,90,forehand loop", "c,60,90,forehand lop"])
    told = [item.found for item in index.findings if item.check == "names"]
    assert told == [
        "class 'forehand loop' and class 'forehand lop' differ little",
        "class 'Push' and class 'push' differ little",
    ]


def test_aliases_are_replaced(raw: Path) -> None:
    aliases = {"poussée": "push", "FH": "forehand"}
    index = _build(raw, [*EACH, "a,60,90,poussée", "b,60,90, FH "], aliases=aliases)
    assert sorted({s.label for s in index.samples}) == ["forehand", "push"]
    given: dict[str, Any] = {"classes": ["push", "forehand"], "aliases": aliases}
    assert len(_build(raw, [*EACH, "a,60,90,FH"], **given).samples) == 6
    with pytest.raises(UserError, match=r"label 'pousée' is no class.*did you mean 'poussée'\?"):
        _build(raw, [*EACH, "a,60,90,pousée"], **given)


# --- groups ---


def test_groups_of_the_table_of_strokes(raw: Path) -> None:
    rows = [f"{row},{player}" for row, player in zip(EACH, "XXYZZ", strict=True)]
    index = _build(raw, rows, ",Player", split={"rule": "group"})
    placed = {s.group: s.split for s in index.samples}
    assert sorted(placed) == ["X", "Y", "Z"]
    assert len(set(placed.values())) == 3
    leaks = index.facts["leaks"]
    assert all(pair["groups"] == pair["videos"] == 0 for pair in leaks.values())


def test_groups_of_a_table_of_videos(raw: Path) -> None:
    (raw / "clubs.csv").write_text("video;club\na;X\nb.mp4;X\nc;Y\nd;Z\ne;Z\n")
    split: Any = {"rule": "group", "group": "club"}
    index = _build(raw, EACH, groups="clubs.csv", split=split)
    assert [s.group for s in index.samples] == ["X", "X", "Y", "Z", "Z"]
    (raw / "clubs.csv").write_text("video;club\na;X\nb.mp4;X\nc;Y\nd;Z\n")
    with pytest.raises(UserError, match=r"strokes\.csv:6: video 'e' has samples without club"):
        _build(raw, EACH, groups="clubs.csv", split=split)


def test_a_video_has_one_group_in_a_table_of_videos(raw: Path) -> None:
    (raw / "clubs.csv").write_text("video,player\na,X\nb,X\nc,Y\nd,Z\na,Z\n")
    with pytest.raises(UserError, match=r"clubs\.csv:6: player 'Z', but 'X' in .*clubs\.csv:2"):
        _build(raw, EACH, groups="clubs.csv")
    (raw / "clubs.csv").write_text("video,player\na,X\nb,X\nc,Y\nd,Z\n")
    (told,) = _build(raw, EACH, groups="clubs.csv").findings
    assert told.found == "video 'e' has no player, here or in clubs.csv"


def test_names_are_equal_however_they_are_encoded(raw: Path) -> None:
    """A Mac writes é as two characters; nobody sees that."""
    one, two = "José", "Jose\u0301"
    rows = [
        f"{row},{name}" for row, name in zip(EACH, [one, two, " José", "Ada", "Eve"], strict=True)
    ]
    index = _build(raw, rows, ",player", split={"rule": "group"})
    assert {s.group for s in index.samples} == {"José", "Ada", "Eve"}
    assert len({s.split for s in index.samples if s.group == "José"}) == 1
    labels = [row.replace("push", name) for row, name in zip(EACH, [one, two] * 3, strict=False)]
    assert [row.label for row in _build(raw, labels).classes] == ["José"]
    assert len(_build(raw, labels, classes=[two, "push"]).samples) == 5
    people = [f"a,0,50,push,{one}", f"a,1,50,push,{two}", *[f"{row}," for row in EACH[1:]]]
    with pytest.raises(UserError, match="shares 49 of 49 frames"):
        _build(raw, people, ",annotator")


def test_names_that_differ_in_case_are_told(raw: Path) -> None:
    rows = [f"{row},{name}" for row, name in zip(EACH, ["Ada", "ada", "B", "C", "D"], strict=True)]
    (told,) = _build(raw, rows, ",player").findings
    assert told.found == "player 'Ada' and player 'ada' differ little"


def test_leaks_are_told_and_counted(raw: Path) -> None:
    rows = [f"{row},{player}" for row, player in zip(EACH, "XXYXZ", strict=True)]
    index = _build(raw, rows, ",player")
    assert index.facts["leaks"]["train_test"] == {"videos": 0, "groups": 1, "contents": 0}
    (leak,) = [item for item in index.findings if item.check == "leak"]
    assert leak.found == "train and test share 1 player: X"


def test_folds_take_turns(raw: Path) -> None:
    tested = []
    for fold in range(5):
        split = {"rule": "video", "folds": 5, "fold": fold}
        index = _build(raw, EACH, split=split)
        tested.append({s.video for s in index.samples if s.split == "test"})
    assert sorted(video for videos in tested for video in videos) == list("abcde")


def test_splits_stay_when_videos_are_added(raw: Path) -> None:
    split: Any = {"rule": "video"}
    first = _build(raw, EACH[:4], split=split)
    before = {s.video: s.split for s in first.samples}
    rows = [*EACH, "a,60,90,push", "e,60,90,push"]
    again = _build(raw, rows, split=split, kept=first.placements)
    after = {s.video: s.split for s in again.samples}
    assert {video: after[video] for video in before} == before
    assert set(after) == set("abcde")


# --- what is broken ---


def test_frames_are_checked_as_far_as_later_stages_need_them(raw: Path) -> None:
    path = raw / "videos/a.mp4"
    noise = np.random.default_rng(5).integers(0, 256, (FRAMES, 32, 32, 3), np.uint8)
    write_damaged_copy(path, write_video(path, noise, NTSC), 60)
    assert len(_build(raw, EACH, context=10).samples) == 5
    with pytest.raises(UserError, match=r"a\.mp4: frame \d+ of 120 does not decode"):
        _build(raw, EACH, context=11)
    with pytest.raises(UserError, match=r"a\.mp4: frame \d+ of 120 does not decode"):
        _build(raw, EACH, full_decode=True)


def test_broken_strokes_and_videos_may_be_left_out(raw: Path) -> None:
    (raw / "videos/b.mp4").write_bytes(b"broken")
    rows = [*EACH, "a,60,70,smatch", "c,60,900,push", "d,30,80,push", "nowhere,1,2,push"]
    changes: dict[str, Any] = {"classes": ["push", "smash"], "negatives": {"rule": "none"}}
    with pytest.raises(BrokenDataError) as caught:
        _build(raw, rows, **changes)
    errors = [item.check for item in caught.value.findings if item.severity == "error"]
    assert sorted(errors) == ["label", "overlap", "range", "video", "video"]
    index = _build(raw, rows, **changes, broken="leave_out")
    # Of d, two strokes overlap and nobody knows which is wrong.
    assert [s.sample for s in index.samples] == ["a:0-50", "c:0-50", "e:0-50"]
    strokes = index.facts["left_out"].pop("strokes").replace(f"{raw}/strokes.csv:", "")
    assert strokes == "10, 5, 7, 8, 9"
    assert index.facts["left_out"] == {"errors": 5, "videos": "b, d"}
    assert [v.video for v in index.videos] == ["a", "c", "e"]


def test_nothing_is_mined_where_a_stroke_is_left_out(raw: Path) -> None:
    rows = [*EACH, "a,70,90,smatch", "a,110,119,push", "b,110,119,push"]
    changes: dict[str, Any] = {"classes": ["Negative", "push"], "broken": "leave_out"}
    index = _build(raw, rows, **changes, negatives={"rule": "gaps", "frames": 20})
    mined = [(s.video, s.begin, s.end) for s in index.samples if s.origin == "mined"]
    assert mined == [("a", 50, 70), ("a", 90, 110), ("b", 50, 70), ("b", 70, 90), ("b", 90, 110)]


@pytest.mark.parametrize(
    "lost",
    [
        "a,90,70,push",
        "a,70.5,90.5,push",
        "a,70,90",
        "a,70,900,push",
        "a,70,x,push",
        "a,0:9,0:10,push",
    ],
)
def test_no_negatives_where_a_stroke_was_lost_nobody_knows_where(raw: Path, lost: str) -> None:
    rows = [*EACH, "a,110,119,push", "b,110,119,push", lost]
    changes: dict[str, Any] = {"classes": ["Negative", "push"], "broken": "leave_out"}
    index = _build(raw, rows, **changes, negatives={"rule": "gaps", "frames": 20})
    mined = {s.video for s in index.samples if s.origin == "mined"}
    # A row that is a cell short tells no video: then it may be any of this file.
    assert mined == (set() if lost == "a,70,90" else {"b"})
    (told,) = [item for item in index.findings if item.check == "negatives"]
    assert "strokes were lost at times that are not known in a" in told.found


def test_the_whole_cannot_be_left_out(raw: Path) -> None:
    rows = [row for row in EACH if not row.startswith("c")]
    with pytest.raises(BrokenDataError, match="the validation split has no labelled sample"):
        _build(raw, rows, broken="leave_out")


def test_negatives_may_be_few(raw: Path) -> None:
    rows = [f"{video},110,119,push" for video in "abcde"]
    everything = _build(raw, rows, negatives={"rule": "gaps", "frames": 10})
    few = _build(raw, rows, negatives={"rule": "gaps", "frames": 10, "pool": 7})
    assert sum(s.origin == "mined" for s in everything.samples) == 55
    assert sum(s.origin == "mined" for s in few.samples) == 7
    assert {s.sample for s in few.samples} < {s.sample for s in everything.samples}


def test_videos_that_nobody_uses_are_looked_at_too(raw: Path) -> None:
    (raw / "videos/d.mp4").write_bytes(b"broken")
    (raw / "videos/copy.mp4").write_bytes((raw / "videos/e.mp4").read_bytes())
    rows = [*EACH[:3], "d,0,50,Unknown", "e,0,50,push", "copy,0,500,Unknown"]
    index = _build(raw, rows)
    told = {(item.check, item.video) for item in index.findings}
    assert {item.severity for item in index.findings} == {"warning"}
    assert {("video", "d"), ("unused", "d"), ("unused", "copy"), ("content", "copy")} <= told
    assert ("range", "copy") in told
    assert [v.video for v in index.videos] == ["a", "b", "c", "e"]


def test_an_annotation_file_with_another_checksum_is_not_read(raw: Path) -> None:
    (raw / "MD5SUMS").write_text(f"{'0' * 32}  strokes.csv\n")
    with pytest.raises(UserError, match="no annotation file"):
        _build(raw, EACH, broken="leave_out")


# --- several annotators ---


def test_annotators_become_one(raw: Path) -> None:
    rows = [f"{row},Ada" for row in EACH]
    rows += ["a,2,52,push,Bob", "a,1,54,smash,Eve", "a,80,99,push,Eve", "b,1,49,smash,Bob"]
    index = _build(raw, rows, ",annotator", negatives={"rule": "gaps", "frames": 15})
    of_a = [s for s in index.samples if s.video == "a" and s.origin == "annotated"]
    assert [(s.begin, s.end, s.label, s.agreement) for s in of_a] == [(1, 52, "push", 0.6667)]
    assert json.loads(of_a[0].votes) == {"push": 2, "smash": 1}
    # One voice of three does not count, but nothing is mined there; equal votes have no class.
    assert {s.video for s in index.samples if s.label == "push"} == set("acde")
    assert [(s.begin, s.end) for s in index.samples if s.origin == "mined"] == [(52, 67)]
    agreement = index.facts["agreement"]
    assert (agreement["videos"], agreement["annotators"], agreement["strokes"]) == (2, 3, 3)
    assert index.agreement is not None
    assert [row.label for row in index.agreement.classes] == ["push", "smash"]
    assert str(index.agreement).startswith(
        "3 annotators, 2 videos of several: 2 of 3 strokes marked by all of a video; of the 2 that "
    )
    assert sum(item.check == "consensus" for item in index.findings) == 2


def test_people_who_disagree_when_a_stroke_was_do_not_stop_the_run(raw: Path) -> None:
    rows = [f"{row},Ada" for row in EACH] + ["a,30,90,push,Bob"]
    index = _build(raw, rows, ",annotator")
    assert {s.video for s in index.samples} == set("bcde")
    (told,) = [item for item in index.findings if item.check == "consensus"]
    assert told.found.startswith("30–90 shares 20 of 50 frames with 0–50")


def test_a_nameless_annotator_beside_others_is_told(raw: Path) -> None:
    rows = [*[f"{row},Ada" for row in EACH], "a,70,90,push,"]
    told = [item.found for item in _build(raw, rows, ",annotator").findings]
    assert "names no annotator, but other strokes of 'a' do" in told


def test_players_that_share_a_video_are_told(raw: Path) -> None:
    rows = [f"{row},{name}" for row, name in zip(EACH, "VWXYZ", strict=True)]
    index = _build(raw, [*rows, "a,60,90,push,W"], ",player", split={"rule": "group"})
    (told,) = [item.found for item in index.findings if item.check == "group"]
    assert told == "video 'a' has strokes of player V, W"
    assert len({s.split for s in index.samples if s.group in "VW"}) == 1


def test_gaps_that_hold_no_negative_are_told(raw: Path) -> None:
    index = _build(raw, EACH, negatives={"rule": "gaps", "frames": 200})
    told = [item.found for item in index.findings]
    assert "no gap between strokes holds a negative of 200 frames" in told


def test_a_missing_label_is_told_with_its_row(raw: Path) -> None:
    told = [(f.check, f.row) for f in _build(raw, [*EACH, "a,60,90,"]).findings]
    assert told == [("label", "7"), ("unlabelled", "")]


def test_a_table_with_other_columns_is_no_set_of_clips(raw: Path) -> None:
    with pytest.raises(UserError, match=r"s\.csv: of no format that is known.* needs the columns"):
        _build(raw, EACH, columns="Video,Anfang,Ende,Schlag", format="auto")


def test_rows_without_anything_are_passed_over(raw: Path) -> None:
    assert _build(raw, [*EACH, ",,,", " , ,,", ""]).findings == []


def test_a_video_that_may_be_meant_is_named(raw: Path) -> None:
    (raw / "videos/a.mp4").rename(raw / "videos/Match-1.mp4")
    with pytest.raises(UserError, match=r"no video 'match_1.mp4' .*did you mean 'Match-1.mp4'\?"):
        _build(raw, [*EACH[1:], "match_1.mp4,0,50,push"])


# --- hostile names and sizes ---


def test_names_with_spaces_dashes_and_other_letters(raw: Path) -> None:
    names = {"a": "-i evil", "b": "Rückhand 1", "c": "コート;2", "d": "$(reboot)", "e": "x'y\"z"}
    for old, new in names.items():
        (raw / f"videos/{old}.mp4").rename(raw / f"videos/{new}.mp4")
    rows = [f'"{new.replace(chr(34), chr(34) * 2)}.mp4",0,50,push' for new in names.values()]
    # Macs write umlauts as two characters.
    rows[1] = rows[1].replace("ü", "u\u0308")
    split: Any = {"rule": "video"}
    assert {s.video for s in _build(raw, rows, split=split).samples} == set(names.values())


def test_odd_things_in_folders_are_told_and_passed_over(raw: Path) -> None:
    os.mkfifo(raw / "pipe.csv")
    os.mkfifo(raw / "videos/pipe.mp4")
    (raw / "gone.csv").symlink_to(raw / "nowhere.csv")
    (raw / "folder.csv").mkdir()
    (raw / "notes.txt").write_bytes(b"my notes\rsecond line\r")
    (raw / "videos/a folder\nof two lines").mkdir()
    (raw / "videos/a.mp4").rename(raw / "videos/a folder\nof two lines/a.mp4")
    with pytest.raises(BrokenDataError) as caught:
        _build(raw, EACH, format="auto", annotations=".")
    told = {
        Path(f.file).name: f.found for f in caught.value.findings if f.check in ("file", "name")
    }
    assert told == {
        "pipe.csv": "is no ordinary file",
        "pipe.mp4": "is no ordinary file",
        "gone.csv": "is no ordinary file",
        "a.mp4": "holds odd characters, in its own name or that of a folder",
    }
    with pytest.raises(UserError, match=r"pipe\.csv: is no ordinary file|no annotation file"):
        _build(raw, EACH, annotations="pipe.csv")


def test_only_files_like_those_recognised_are_read(raw: Path) -> None:
    (raw / "notes.txt").write_text("video, begin: what I have to do\n")
    (raw / "md5sums.txt").write_text("")
    (raw / "package.json").write_text("{}")
    (raw / "more.csv").write_text("video,begin,end,label\na,60,110,push\n")
    changes: dict[str, Any] = {"format": "auto", "annotations": "."}
    index = _build(raw, EACH, **changes)
    assert index.format.startswith("csv (recognised by 2 of its files, such as ")
    assert len(index.samples) == 6
    (raw / "damaged.csv").write_text("oops")
    with pytest.raises(UserError, match=r"damaged\.csv:1: the header is 'oops'"):
        _build(raw, EACH, **changes)
    (raw / "damaged.csv").write_text("")
    (raw / "a.xml").write_text("<video/>")
    with pytest.raises(UserError, match=r"several formats \(csv: .*; mediaeval: .*a\.xml"):
        _build(raw, EACH, **changes)


def test_labels_that_are_no_classes_do_not_take_minutes(raw: Path) -> None:
    words = [
        f"comment number {n} about the stroke that was played here and there" for n in range(900)
    ]
    rows = [f"a,{n // 8},{n // 8 + 1},{word}" for n, word in enumerate(words)]
    with pytest.raises(UserError, match="one of more than 200 different ones"):
        _build(raw, [*EACH, *rows], max_overlap=1.0)


def test_200_000_rows_of_nonsense(raw: Path) -> None:
    rows = [f"v{number},x,{number},push" for number in range(200_000)]
    with pytest.raises(BrokenDataError) as caught:
        _build(raw, [*EACH, *rows])
    assert len([f for f in caught.value.findings if f.severity == "error"]) == 2 * (1000 + 1)
    # What is printed fits on a screen.
    assert len(caught.value.problems) < 25
    assert "199,000 more of the same kind" in str(caught.value.findings)
