from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.videos import distinct_frames, write_truncated_copy, write_vfr_video, write_video
from twinstroke.annotations.classes import ClassList, ttstroke21
from twinstroke.annotations.folders import find_videos
from twinstroke.annotations.records import Reading
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.files import sha256_of
from twinstroke.findings import Findings, Place
from twinstroke.formats.reading import FORMATS
from twinstroke.index.build import Index, build_index
from twinstroke.index.checks import check_lengths, overlapping
from twinstroke.index.samples import sample_of
from twinstroke.settings.index import IndexSettings

FRAMES = 60
CLASSES = ["Negative", "Hit", "Push"]
BY_NAME = {"rule": "names", "train": ["a*"], "validation": ["b*"], "test": ["c*"]}


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three videos of different content: 60 frames, 120 fps, 32×18."""
    folder = tmp_path_factory.mktemp("videos")
    frames = distinct_frames(FRAMES)
    return {name: write_video(folder / f"{name}.mp4", frames + n) for n, name in enumerate("abc")}


def _settings(**changes: Any) -> IndexSettings:
    values = {
        "format": "mediaeval",
        "videos": "videos",
        "annotations": "xml",
        "classes": CLASSES,
        "fps": 120.0,
        "negatives": {"rule": "gaps", "frames": 10},
        "split": {"rule": "given"},
    }
    return IndexSettings.model_validate({**values, **changes})


def _build(root: Path, **changes: Any) -> Index:
    return build_index(
        _settings(**changes), raw=root / "raw", root=root, seed=1, workers=2, window=8, context=0
    )


def _problems(root: Path, **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        _build(root, **changes)
    return caught.value.problems


def _warnings(index: Index) -> list[tuple[str, str]]:
    assert all(item.severity == "warning" for item in index.findings)
    return [(item.check, item.found) for item in index.findings]


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _xml(*actions: tuple[int, int, str]) -> str:
    """An annotation file; the first action stands in line 3."""
    lines = [f'  <action begin="{b}" end="{e}" move="{move}" />' for b, e, move in actions]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<video>", *lines, "</video>\n"])


@pytest.fixture
def tree(tmp_path: Path, videos: dict[str, Path]) -> Path:
    """A sound data set: one video a split, with one Hit and one Push each."""
    for name, split in (("a", "train"), ("b", "validation"), ("c", "test")):
        _put(videos[name], tmp_path / f"raw/videos/{name}.mp4")
        _write(tmp_path / f"raw/xml/{split}/{name}.xml", _xml((12, 20, "Hit"), (30, 60, "Push")))
    return tmp_path


def _rows(index: Index) -> list[tuple[str, int, int, str, str, str]]:
    return [(s.video, s.begin, s.end, s.label, s.split, s.origin) for s in index.samples]


def _expected(video: str, split: str) -> list[tuple[str, int, int, str, str, str]]:
    """Samples of one video of the sound data set."""
    return [
        (video, 0, 10, "Negative", split, "mined"),
        (video, 12, 20, "Hit", split, "annotated"),
        (video, 20, 30, "Negative", split, "mined"),
        (video, 30, 60, "Push", split, "annotated"),
    ]


SOUND = _expected("a", "train") + _expected("b", "validation") + _expected("c", "test")


# --- what a sound data set gives ---


def test_tables(tree: Path, videos: dict[str, Path]) -> None:
    index = _build(tree)
    assert _rows(index) == SOUND
    assert index.findings == []
    assert [v.video for v in index.videos] == ["a", "b", "c"]
    for video in index.videos:
        assert video.path == f"raw/videos/{video.video}.mp4"
        assert video.sha256 == sha256_of(videos[video.video])
        assert (video.frames, video.width, video.height) == (FRAMES, 32, 18)
        assert video.fps == Fraction(120)
        assert not video.variable_frame_rate
    assert [s.sample for s in index.samples[:2]] == ["a:0-10", "a:12-20"]
    assert all(CLASSES[s.class_index] == s.label for s in index.samples)
    assert [row.label for row in index.classes] == CLASSES
    assert index.format == "mediaeval"
    assert index.facts == {
        "videos": 3,
        "strokes": {"train": 2, "validation": 2, "test": 2},
        "negatives": {"train": 2, "validation": 2, "test": 2},
        "classes": 3,
        "left_out": {"errors": 0, "strokes": "", "videos": ""},
        "leaks": {
            pair: {"videos": 0, "groups": 0, "contents": 0}
            for pair in ("train_validation", "train_test", "validation_test")
        },
    }


def test_same_tables_whatever_the_workers_and_order_of_files(
    tree: Path, videos: dict[str, Path]
) -> None:
    changes = {"split": {"rule": "stroke", "train_ratio": 0.4, "validation_ratio": 0.3}}
    first = _build(tree, **changes)
    for name in "cab":
        path = tree / f"raw/videos/{name}.mp4"
        path.unlink()
        _put(videos[name], path)
    settings = _settings(**changes)
    again = build_index(
        settings, raw=tree / "raw", root=tree, seed=1, workers=4, window=8, context=0
    )
    assert first == again


def test_order_of_actions_in_the_file_does_not_matter(tree: Path) -> None:
    _write(tree / "raw/xml/train/a.xml", _xml((30, 60, "Push"), (12, 20, "Hit")))
    assert _rows(_build(tree)) == SOUND


def test_no_negatives_on_demand(tree: Path) -> None:
    index = _build(tree, negatives={"rule": "none"})
    assert {s.origin for s in index.samples} == {"annotated"}


def test_ttstroke21_classes() -> None:
    assert [row.label for row in ttstroke21()] == [
        "Negative",
        "Serve Forehand Backspin",
        "Serve Forehand Loop",
        "Serve Forehand Sidespin",
        "Serve Forehand Topspin",
        "Serve Backhand Backspin",
        "Serve Backhand Loop",
        "Serve Backhand Sidespin",
        "Serve Backhand Topspin",
        "Offensive Forehand Hit",
        "Offensive Forehand Loop",
        "Offensive Forehand Flip",
        "Offensive Backhand Hit",
        "Offensive Backhand Loop",
        "Offensive Backhand Flip",
        "Defensive Forehand Push",
        "Defensive Forehand Block",
        "Defensive Forehand Backspin",
        "Defensive Backhand Push",
        "Defensive Backhand Block",
        "Defensive Backhand Backspin",
    ]


def test_superclasses_are_the_words_of_the_names() -> None:
    for row in ttstroke21()[1:]:
        kind, hand, _ = row.label.split(" ")
        assert (row.type, row.hand, row.type_hand) == (kind, hand, f"{kind} {hand}")
    assert set(ttstroke21()[0].model_dump().values()) == {"Negative"}
    # As MediaEval's scoring has them: 3, 4 and 7 of them, the rejection class included.
    for name, count in (("hand", 3), ("type", 4), ("type_hand", 7)):
        assert len({getattr(row, name) for row in ttstroke21()}) == count


# --- the shapes in which MediaEval came ---


def test_mediaeval_2020_flat_folders(tmp_path: Path, videos: dict[str, Path]) -> None:
    for name, suffix in (("a", "mp4"), ("b", "MP4"), ("c", "m4v")):
        _put(videos[name], tmp_path / f"raw/videos/player {name}/{name}.{suffix}")
        _write(tmp_path / f"raw/xml/{name}.xml", _xml((12, 20, "Hit"), (30, 60, "Push")))
    assert _rows(_build(tmp_path, split=BY_NAME)) == SOUND


def test_mediaeval_2021_one_video_in_two_splits(tmp_path: Path, videos: dict[str, Path]) -> None:
    root = tmp_path / "raw/classificationTask"
    _put(videos["a"], tmp_path / "raw/videos/a.mp4")
    _put(videos["c"], tmp_path / "raw/videos/c.mp4")
    _write(root / "train/a.xml", _xml((20, 25, "Hit"), (50, 55, "Hit")))
    _write(root / "valid/a.xml", _xml((36, 40, "Push")))
    _write(root / "test/c.xml", _xml((0, 5, "Push"), (10, 15, "Unknown"), (30, 40, "Hit")))
    index = _build(tmp_path, annotations="classificationTask")
    assert _rows(index) == [
        ("a", 0, 10, "Negative", "train", "mined"),
        ("a", 10, 20, "Negative", "train", "mined"),
        ("a", 20, 25, "Hit", "train", "annotated"),
        ("a", 25, 35, "Negative", "validation", "mined"),
        ("a", 36, 40, "Push", "validation", "annotated"),
        ("a", 40, 50, "Negative", "train", "mined"),
        ("a", 50, 55, "Hit", "train", "annotated"),
        ("c", 0, 5, "Push", "test", "annotated"),
        ("c", 15, 25, "Negative", "test", "mined"),
        ("c", 30, 40, "Hit", "test", "annotated"),
    ]
    assert _warnings(index) == [
        ("unlabelled", "1 stroke without a class"),
        ("classes", "no train sample of 1 of 3 classes: Push"),
        ("classes", "no validation sample of 1 of 3 classes: Hit"),
        ("short", "20–25 lasts 5 frames, less than the window of 8"),
        ("short", "36–40 lasts 4 frames, less than the window of 8"),
        ("short", "50–55 lasts 5 frames, less than the window of 8"),
        ("short", "0–5 lasts 5 frames, less than the window of 8"),
        ("leak", "train and validation share 1 video: a"),
    ]


def test_mediaeval_2022_side_by_side(tmp_path: Path, videos: dict[str, Path]) -> None:
    for name, split in (("a", "train"), ("b", "validation"), ("c", "test")):
        _put(videos[name], tmp_path / f"raw/detectionTask/{split}/{name}.mp4")
        text = '<video>\n<action begin="10" end="20"/>\n</video>'
        _write(tmp_path / f"raw/detectionTask/{split}/{name}.xml", text)
    changes = {"videos": "detectionTask", "annotations": "detectionTask"}
    index = _build(tmp_path, classes=["Negative", "Stroke"], **changes)
    assert Counter((s.label, s.split) for s in index.samples) == {
        (label, split): 1
        for label in ("Negative", "Stroke")
        for split in ("train", "validation", "test")
    }
    problems = _problems(tmp_path, **changes)
    assert sum("action without move" in problem for problem in problems) == 3
    assert "detectionTask/train/a.xml:2: action without move" in "\n".join(problems)


def test_nothing_is_mined_from_an_action_without_move_that_is_left_out(tree: Path) -> None:
    text = _xml((30, 60, "Push"), (12, 20, "Hit")).replace(' move="Hit"', "")
    _write(tree / "raw/xml/train/a.xml", text)
    index = _build(tree, broken="leave_out")
    assert [row for row in _rows(index) if row[0] == "a"] == [
        row for row in _expected("a", "train") if row[3] != "Hit"
    ]
    assert [(mark.begin, mark.end) for mark in index.unlabelled] == [(12, 20)]


# --- clips ---


def _clips(root: Path, videos: dict[str, Path], folder: str = "raw") -> None:
    for name, split in (("a", "train"), ("b", "Validation"), ("c", "test")):
        for label in ("Serve Forehand Loop", "Negative"):
            _put(videos[name], root / folder / split / label / "7.mp4")


CLIPS: dict[str, Any] = {
    "format": "clips",
    "videos": ".",
    "classes": "ttstroke21",
    "negatives": {"rule": "none"},
}


def test_clips(tmp_path: Path, videos: dict[str, Path]) -> None:
    _clips(tmp_path, videos)
    for number in range(3):
        _put(videos["c"], tmp_path / f"raw/test/{number}.mp4")
    index = _build(tmp_path, **CLIPS)
    assert _rows(index) == [
        (f"{folder}__{label}__7", 0, FRAMES, label, folder.lower(), "annotated")
        for folder in ("Validation", "test", "train")
        for label in ("Negative", "Serve Forehand Loop")
    ]
    assert index.videos[0].path == "raw/Validation/Negative/7.mp4"
    unused = [item for item in index.findings if item.check == "unused"]
    assert [item.video for item in unused] == ["0", "1", "2"]
    assert "all its strokes are unlabelled" in unused[0].found


def test_clips_without_splits(tmp_path: Path, videos: dict[str, Path]) -> None:
    for name, source in videos.items():
        _put(source, tmp_path / f"raw/Hit/{name}.mp4")
    index = _build(tmp_path, **{**CLIPS, "classes": ["Hit", "Push"], "split": {"rule": "video"}})
    assert [s.video for s in index.samples] == ["a", "b", "c"]
    assert {s.split for s in index.samples} == {"train", "validation", "test"}
    assert ("classes", "no train sample of 1 of 2 classes: Push") in _warnings(index)
    assert "samples of no split" in _problems(tmp_path, **{**CLIPS, "classes": ["Hit", "Push"]})[0]


def test_clips_of_an_unknown_class_are_named_once(tmp_path: Path, videos: dict[str, Path]) -> None:
    _clips(tmp_path, videos)
    for number in range(3):
        _put(videos["a"], tmp_path / f"raw/train/serve forehand lop/{number}.mp4")
    (problem,) = _problems(tmp_path, **CLIPS)
    assert "raw/train/serve forehand lop: label 'serve forehand lop' is no class" in problem
    assert "did you mean 'Serve Forehand Loop'?" in problem


# --- CSV ---

CSV: dict[str, Any] = {"format": "csv", "annotations": "strokes.csv"}


@pytest.fixture
def csv_tree(tmp_path: Path, videos: dict[str, Path]) -> Path:
    """Three videos without any table."""
    for name, source in videos.items():
        _put(source, tmp_path / f"raw/videos/day 1/{name}.mp4")
    return tmp_path


@pytest.mark.parametrize(
    ("delimiter", "mark", "newline"),
    [(",", "", "\n"), (";", "\ufeff", "\r\n"), ("\t", "", "\r\n"), (",", "\ufeff", "\n")],
)
def test_csv(csv_tree: Path, delimiter: str, mark: str, newline: str) -> None:
    rows = [
        ["Video", "begin", "end", "player", "label", "split"],
        ["a", "30", "60", '"x, y; z"', "Push", "train"],
        ["a.mp4", "12", "20", "", "Hit", "Train"],
        ["day 1/b.mp4", "12", "20", "", "Hit", "valid"],
        ["day 1/b", "30", "60", "", "Push", "validation"],
        ["c", "12", "20", "", "Hit", "test"],
        ["c", "30", "60", "", "Push", "test"],
    ]
    text = mark + newline.join(delimiter.join(row) for row in rows) + newline
    (csv_tree / "raw/strokes.csv").write_bytes(text.encode())
    assert _rows(_build(csv_tree, **CSV)) == SOUND


def test_csv_without_split_column(csv_tree: Path) -> None:
    text = "video,begin,end,label\n" + "".join(
        f"{name},12,20,Hit\n\n{name},30,60,Push\n" for name in "abc"
    )
    _write(csv_tree / "raw/strokes.csv", text)
    assert _rows(_build(csv_tree, **CSV, split=BY_NAME)) == SOUND


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "strokes.csv:1: the header is ''; it needs the columns video, begin, end, label"),
        ("video|begin\n", "strokes.csv:1: the header is 'video|begin'; it needs"),
        ("video,begin,end,label,end\n", "strokes.csv:1: a column stands there twice"),
        ("video,begin,end,label\na,1,2,Hit\nb,1,2\n", "strokes.csv:3: 3 fields, but the header"),
        ('video,begin,end,label\na,1,2,"Hit\n', "strokes.csv:2: malformed CSV"),
        ("video,begin,end,label\na,1,2,Hit\nB\xe4,1", "strokes.csv:3: not UTF-8"),
        ("video,begin,end,label\na,1,2,Hit\nx,1,2,Hit\n", "strokes.csv:3: no video 'x' below"),
        ("video,begin,end,label\n../z,1,2,Hit\n", "strokes.csv:2: no video '../z' below"),
        ("video,begin,end,label,split\na,1,2,Hit,dev\n", "strokes.csv:2: split 'dev'; write train"),
        ("video,begin,end,label\na,1,2,Hot\n", "Negative, Hit, Push; did you mean 'Hit'?"),
        ("video,begin,end,label\na,1.5,2,Hit\n", "strokes.csv:2: begin is '1.5', no whole frame"),
        ("video,begin,end,label\na,1,99,Hit\n", "strokes.csv:2: ends at 99, but 'a' has 60 frames"),
    ],
)
def test_csv_defects(csv_tree: Path, text: str, message: str) -> None:
    (csv_tree / "raw/strokes.csv").write_bytes(text.encode("latin-1"))
    problems = _problems(csv_tree, **CSV, split=BY_NAME)
    assert any(message in problem for problem in problems), problems


def test_csv_must_be_a_file(csv_tree: Path) -> None:
    problems = _problems(csv_tree, format="csv", annotations=".")
    assert "raw: no annotation file (.csv, .tsv, .txt, .xlsm, .xlsx) of format csv" in problems[0]


# --- defects, one by one ---


def _annotate(text: str) -> Callable[[Path], None]:
    return lambda root: _write(root / "raw/xml/train/a.xml", text)


def _actions(*actions: tuple[Any, Any, str]) -> Callable[[Path], None]:
    return _annotate(_xml((30, 60, "Hit"), *actions))


def _rename_video(root: Path) -> None:
    (root / "raw/videos/a.mp4").rename(root / "raw/videos/x.mp4")


def _second_video_of_one_stem(root: Path) -> None:
    _put(root / "raw/videos/a.mp4", root / "raw/videos/again/a.mov")


def _empty_video(root: Path) -> None:
    (root / "raw/videos/a.mp4").write_bytes(b"")


def _broken_video(root: Path) -> None:
    path = root / "raw/videos/a.mp4"
    write_truncated_copy(path, path, share=0.05)


def _slow_video(root: Path) -> None:
    write_video(root / "raw/videos/a.mp4", distinct_frames(FRAMES), 60)


def _link_to_video_outside(root: Path) -> None:
    (root / "raw/videos/a.mp4").rename(root / "outside.mp4")
    (root / "raw/videos/a.mp4").symlink_to(root / "outside.mp4")


def _link_to_folder_outside(root: Path) -> None:
    (root / "raw/xml/train").rename(root / "outside")
    (root / "raw/xml/train").symlink_to(root / "outside")


def _link_to_all_videos_outside(root: Path) -> None:
    (root / "raw/videos").rename(root / "outside")
    (root / "raw/videos").symlink_to(root / "outside")


def _odd_name(root: Path) -> None:
    (root / "raw/videos/a.mp4").rename(root / "raw/videos/a\n.mp4")


def _no_videos(root: Path) -> None:
    shutil.rmtree(root / "raw/videos")


def _no_annotations(root: Path) -> None:
    shutil.rmtree(root / "raw/xml")
    (root / "raw/xml").mkdir()


def _no_split_folder(root: Path) -> None:
    (root / "raw/xml/train").rename(root / "raw/xml/first")


def _nothing(root: Path) -> None:
    shutil.rmtree(root / "raw")


BOMB = '<!DOCTYPE video [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><video>&b;</video>'
DEFECTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "annotation without video": (_rename_video, "xml/train/a.xml: no video 'xml/train/a' below"),
    "two videos of one stem": (_second_video_of_one_stem, "'xml/train/a' may be any of"),
    "empty video": (_empty_video, "videos/a.mp4: the video file is empty"),
    "broken video": (_broken_video, "videos/a.mp4: FFmpeg cannot read the video"),
    "other frame rate": (_slow_video, "videos/a.mp4: has 60 frames a second, but index.fps is 120"),
    "video link": (_link_to_video_outside, "videos/a.mp4: links to"),
    "folder link": (_link_to_folder_outside, "xml/train: links to"),
    "link of all videos": (_link_to_all_videos_outside, "raw/videos: links to"),
    "odd name": (_odd_name, "holds odd characters, in its own name"),
    "no videos": (_no_videos, "raw/videos: no such file or folder"),
    "no annotations": (_no_annotations, "raw/xml: no annotation file (.xml) of format mediaeval"),
    "no raw folder": (_nothing, "raw: no such folder; put the videos and annotations there"),
    "no split folder": (_no_split_folder, "video 'a' has samples of no split"),
    "unknown label": (_actions((1, 9, "hitt")), "a.xml:4: label 'hitt' is no class"),
    "fraction": (_actions((1, "9.5", "Hit")), "a.xml:4: end is '9.5'; write a whole frame number"),
    "sign": (_actions((-1, 9, "Hit")), "a.xml:4: begin is '-1'; write a whole frame number"),
    "digit group": (_actions((1, "1_0", "Hit")), "a.xml:4: end is '1_0'; write a whole frame"),
    "empty stroke": (_actions((9, 9, "Hit")), "a.xml:4: begin 9 is not before end 9"),
    "backwards": (_actions((9, 7, "Hit")), "a.xml:4: begin 9 is not before end 7"),
    "past the end": (_actions((10, 61, "Hit")), "a.xml:4: ends at 61, but 'a' has 60 frames"),
    "far past the end": (
        _actions((10**11, 10**12 - 1, "Hit")),
        "ends at 999999999999, but 'a' has 60 frames",
    ),
    "overlap": (_actions((20, 36, "Push")), "a.xml:3: 30–60 shares 6 of 16 frames with 20–36"),
    "repetition": (_actions((30, 60, "Hit")), "a.xml:4: repeats"),
    "same frames, other class": (_actions((30, 60, "Push")), "shares 30 of 30 frames"),
    "malformed": (_annotate("<video>\n<action\n</video>"), "a.xml:3: not well-formed XML"),
    "no XML": (_annotate(""), "a.xml:1: not well-formed XML"),
    "unclosed": (_annotate("<video>\n<action/>\n"), "a.xml:3: not well-formed XML"),
    "other encoding": (
        _annotate('<?xml version="1.0" encoding="utf-7"?><video/>'),
        "a.xml: not readable",
    ),
    "entities": (_annotate(BOMB), "a.xml: declares a document type or entities"),
    "document type": (
        _annotate('<!DOCTYPE video SYSTEM "x.dtd"><video/>'),
        "a.xml: declares a document type or entities",
    ),
    "other root": (_annotate("<films/>"), "a.xml:1: element 'films' where 'video' was expected"),
    "other child": (_annotate("<video>\n<act/></video>"), "a.xml:2: element 'act' where 'action'"),
    "no begin": (_annotate('<video><action end="5" move="Hit"/></video>'), "a.xml:1: begin is ''"),
    "no move": (_annotate('<video><action begin="1" end="5"/></video>'), "a.xml:1: action without"),
}


@pytest.mark.parametrize(("damage", "message"), DEFECTS.values(), ids=DEFECTS)
def test_defects(tree: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(tree)
    problems = _problems(tree)
    assert any(message in problem for problem in problems), problems
    assert not any("\n" in problem for problem in problems)


def test_all_problems_at_once(tree: Path) -> None:
    for damage in (_slow_video, _actions((9, 7, "Hit"), (1, 5, "Hot"))):
        damage(tree)
    (tree / "raw/videos/b.mp4").write_bytes(b"")
    _write(tree / "raw/xml/test/c.xml", _xml((0, 61, "Hit")))
    problems = _problems(tree)
    assert len(problems) == 5
    for message in (
        "not before end",
        "is no class",
        "is empty",
        "60 frames a second",
        "ends at 61",
    ):
        assert sum(message in problem for problem in problems) == 1


def test_split_without_samples(tree: Path) -> None:
    # A negative is mined before the unlabelled stroke, but negatives alone test nothing.
    _write(tree / "raw/xml/validation/c.xml", _xml((0, 10, "Hit")))
    _write(tree / "raw/xml/test/c.xml", _xml((30, 40, "Unknown")))
    found = ("splits", "the test split has no labelled sample")
    assert found in _warnings(_build(tree))
    shutil.rmtree(tree / "raw/xml/validation")
    (problem,) = _problems(tree)
    assert "raw: the validation split has no labelled sample; annotate some" in problem


# --- what is allowed, and noted ---


def test_raw_folder_may_be_a_link(tree: Path) -> None:
    (tree / "raw").rename(tree / "elsewhere")
    (tree / "raw").symlink_to(tree / "elsewhere")
    index = _build(tree)
    assert _rows(index) == SOUND
    assert index.videos[0].path == "raw/videos/a.mp4"


def test_links_to_folders_within_are_not_followed(tree: Path) -> None:
    (tree / "raw/videos/again").symlink_to(tree / "raw")
    assert _rows(_build(tree)) == SOUND


def test_hidden_files_are_passed_over(tree: Path) -> None:
    _write(tree / "raw/videos/._a.mp4", "resource fork")
    _write(tree / "raw/xml/.cache/a.xml", "<broken")
    assert _rows(_build(tree)) == SOUND


def test_labels_forgive_white_space(tree: Path) -> None:
    _write(tree / "raw/xml/train/a.xml", _xml((12, 20, " Hit "), (30, 60, "Push")))
    assert _rows(_build(tree)) == SOUND


def test_overlap_up_to_the_limit(tree: Path) -> None:
    _write(tree / "raw/xml/train/a.xml", _xml((0, 20, "Hit"), (15, 60, "Push")))
    assert [s.begin for s in _build(tree).samples if s.video == "a"] == [0, 15]
    assert "shares 5 of 20 frames" in _problems(tree, max_overlap=0.24)[0]


def test_two_players_at_once_are_told_with_what_can_be_done(csv_tree: Path) -> None:
    rows = [
        f"{v},{row}" for v in "abc" for row in ("12,20,Hit,Ada", "15,23,Push,Ben", "30,60,Push,Ada")
    ]
    table, head = csv_tree / "raw/strokes.csv", "video,begin,end,label,player"
    _write(table, "\n".join([head, *rows]))
    problems = _problems(csv_tree, **CSV, split=BY_NAME)
    assert len(problems) == 3
    assert all("as Ada and Ben play at once" in problem for problem in problems)
    # The advice, followed.
    halves = {"Ada": "0,0,16,18", "Ben": "16,0,16,18"}
    placed = [f"{row},{halves[row.rpartition(',')[2]]}" for row in rows]
    _write(table, "\n".join([f"{head},x,y,width,height", *placed]))
    both = _build(csv_tree, **CSV, split=BY_NAME)
    assert sum(s.origin == "annotated" for s in both.samples) == 9
    _write(table, "\n".join([head, *(row for row in rows if "Ben" not in row)]))
    assert _rows(_build(csv_tree, **CSV, split=BY_NAME)) == SOUND


def test_every_stroke_within_a_long_one_is_named(tree: Path) -> None:
    _write(tree / "raw/xml/train/a.xml", _xml((0, 60, "Hit"), (10, 20, "Hit"), (30, 40, "Push")))
    problems = _problems(tree)
    assert len(problems) == 2
    for problem, text in zip(problems, ("a.xml:4: 10–20", "a.xml:5: 30–40"), strict=True):
        assert f"{text} shares 10 of 10 frames with 0–60" in problem


def test_same_frames_twice_get_different_names(tree: Path) -> None:
    _write(tree / "raw/xml/train/a.xml", _xml((0, 20, "Push"), (0, 20, "Hit")))
    index = _build(tree, max_overlap=1.0)
    assert [(s.sample, s.label) for s in index.samples if s.video == "a"] == [
        ("a:0-20", "Hit"),
        ("a:0-20#2", "Push"),
    ]


def test_notes(tree: Path, videos: dict[str, Path]) -> None:
    _put(videos["a"], tree / "raw/videos/copy.mp4")
    _write(tree / "raw/xml/train/copy.xml", _xml((10, 20, "Hit"), (20, 30, "")))
    _put(videos["a"], tree / "raw/videos/spare.mp4")
    _put(videos["a"], tree / "raw/videos/blank.mp4")
    _write(tree / "raw/xml/test/blank.xml", _xml((10, 20, "Unknown")))
    times = [(n + (n == 30) / 2) / 120 for n in range(FRAMES)]
    write_vfr_video(tree / "raw/videos/c.mp4", distinct_frames(FRAMES), times)
    index = _build(tree)
    assert [v.video for v in index.videos] == ["a", "b", "c", "copy"]
    assert [v.variable_frame_rate for v in index.videos] == [False, False, True, False]
    found = {(item.check, item.video): item.found for item in index.findings}
    assert set(found) == {
        ("unused", "blank"),
        ("unused", "spare"),
        ("unlabelled", ""),
        ("label", "copy"),
        ("vfr", "c"),
        ("content", "a"),
    }
    assert found["unused", "blank"] == "all its strokes are unlabelled"
    assert found["unused", "spare"] == "has no stroke"
    assert found["unlabelled", ""] == "2 strokes without a class"


XML_PIECES = [
    "<video>",
    "</video>",
    "<action",
    'begin="',
    "1",
    '"',
    ' end="9"',
    "/>",
    "<!--",
    "&x;",
]
CSV_PIECES = ["video,begin,end,label", "\n", "\r", "a", ",", "7", '"', "Hit", "\0", "\x85", ";"]


@pytest.mark.parametrize(("form", "pieces"), [("mediaeval", XML_PIECES), ("csv", CSV_PIECES)])
@given(data=st.data())
def test_readers_survive_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, form: str, pieces: list[str], data: st.DataObject
) -> None:
    texts = st.lists(st.sampled_from(pieces), max_size=20).map(
        lambda words: "".join(words).encode()
    )
    raw = tmp_path_factory.getbasetemp() / f"any-{form}"
    (raw / "videos").mkdir(parents=True, exist_ok=True)
    (raw / "videos/a.mp4").touch()
    content = data.draw(texts | st.binary(max_size=40))
    file = raw / f"a.{'xml' if form == 'mediaeval' else 'csv'}"
    file.write_bytes(content)
    settings = _settings(format=form, annotations="." if form == "mediaeval" else "a.csv")
    reading = Reading(ClassList(settings), Findings())
    find_videos(raw, "videos", reading)
    FORMATS[form].read([file], raw, settings, reading)
    assert not any("\n" in str(item) for item in reading.findings.all)
    assert all(_is_sound(a.begin, a.end) for a in reading.annotations)


def _is_sound(begin: object, end: object) -> bool:
    return isinstance(begin, int) and isinstance(end, int) and 0 <= begin < end


def test_a_mined_negative_may_be_short() -> None:
    strokes = {
        "long": Stroke("v", 0, 9, "Hit"),
        "short": Stroke("v", 20, 27, "Hit", place=Place("a.csv", "7")),
        "mined": Stroke("v", 10, 15, "Negative", mined=True),
    }
    samples = [sample_of(name, one, "train", ["Negative", "Hit"]) for name, one in strokes.items()]
    findings = Findings()
    check_lengths(samples, strokes, 8, findings)
    assert [(item.file, item.row) for item in findings.all] == [("a.csv", "7")]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), unique=True, max_size=7),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_overlap_is_found_wherever_any_two_strokes_overlap(
    strokes: list[tuple[int, int]], limit: float
) -> None:
    marked = [
        Stroke("v", begin, begin + length, "Hit", None, Place("x", str(n)))
        for n, (begin, length) in enumerate(strokes)
    ]
    spans = [set(range(begin, begin + length)) for begin, length in strokes]
    too_much = {
        marked[k]
        for i in range(len(spans))
        for j in range(i)
        if len(spans[i] & spans[j]) > limit * min(len(spans[i]), len(spans[j]))
        for k in (i, j)
    }
    findings = Findings()
    wrong = overlapping(marked, limit, findings)
    assert wrong <= too_much
    assert bool(wrong) == bool(too_much) == bool(findings.errors)
