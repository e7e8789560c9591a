"""Two players of one video, whom regions tell apart, and what may be wrong with regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.videos import distinct_frames, write_video
from twinstroke.errors import UserError
from twinstroke.index.build import Index, build_index
from twinstroke.regions import Box, PlayerRegion, Region, region_from
from twinstroke.settings.index import IndexSettings

HEADER = "video,begin,end,label,player,x,y,width,height"
LEFT, RIGHT = "0,0,16,18", "16,0,16,18"
"""Halves of pictures of 32×18."""


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("videos")
    frames = distinct_frames(120)
    return [write_video(folder / f"{n}.mp4", frames + n).read_bytes() for n in range(3)]


@pytest.fixture
def raw(tmp_path: Path, videos: list[bytes]) -> Path:
    (tmp_path / "raw").mkdir()
    for name, content in zip("abc", videos, strict=True):
        (tmp_path / f"raw/{name}.mp4").write_bytes(content)
    return tmp_path / "raw"


def _build(raw: Path, rows: list[str], header: str = HEADER, **changes: Any) -> Index:
    (raw / "strokes.csv").write_text("\n".join([header, *rows]))
    settings = {
        "format": "csv",
        "annotations": "strokes.csv",
        "classes": "found",
        "fps": 120,
        "negatives": {"rule": "gaps", "frames": 10},
        "split": {"rule": "names", "train": ["a"], "validation": ["b"], "test": ["c"]},
        **changes,
    }
    return build_index(
        IndexSettings.model_validate(settings),
        raw=raw,
        root=raw.parent,
        seed=1,
        workers=1,
        window=4,
        context=0,
    )


def _problems(raw: Path, rows: list[str], header: str = HEADER, **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        _build(raw, rows, header, **changes)
    return caught.value.problems


OTHERS = [f"{video},20,40,push,,,,," for video in "bc"]
"""Of videos that show one player."""
TWO = [
    f"a,20,40,push,Ann,{LEFT}",
    "a,60,80,push,Ann,,,,",
    f"a,25,45,drive,Bo,{RIGHT}",
    f"a,62,90,push,Bo,{RIGHT}",
]


def _rows(index: Index, player: str) -> list[tuple[int, int, str]]:
    return [(s.begin, s.end, s.label) for s in index.samples if s.group == player]


def test_strokes_may_overlap_and_negatives_are_each_players_own(raw: Path) -> None:
    index = _build(raw, TWO + OTHERS)
    negatives = [(0, 10), (10, 20), (40, 50), (50, 60)]
    assert _rows(index, "Ann") == sorted(
        [(20, 40, "push"), (60, 80, "push"), *((*own, "Negative") for own in negatives)]
    )
    assert _rows(index, "Bo") == [
        (0, 10, "Negative"),
        (10, 20, "Negative"),
        (25, 45, "drive"),
        (45, 55, "Negative"),
        (62, 90, "push"),
    ]
    names = [sample.sample for sample in index.samples]
    assert len({*names}) == len(names)
    assert [(r.video, r.group, str(r.region)) for r in index.regions] == [
        ("a", "Ann", LEFT),
        ("a", "Bo", RIGHT),
    ]
    assert {(r.picture_width, r.picture_height) for r in index.regions} == {(32, 18)}
    assert not {item.check for item in index.findings} & {"overlap", "region", "group"}


def test_the_order_of_rows_does_not_matter(raw: Path) -> None:
    first, second = _build(raw, TWO + OTHERS), _build(raw, OTHERS + TWO[::-1])
    assert first.samples == second.samples and first.regions == second.regions


def test_the_table_of_groups_may_say_it_and_elan_name_the_players(raw: Path) -> None:
    tiers = {"Ann": (200, 400), "Bo": (250, 450)}
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{player}{n}" TIME_VALUE="{time}"/>'
        for player, times in tiers.items()
        for n, time in enumerate(times)
    )
    marks = "".join(
        f'<TIER TIER_ID="{player}"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{player}" '
        f'TIME_SLOT_REF1="{player}0" TIME_SLOT_REF2="{player}1"><ANNOTATION_VALUE>push'
        "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
        for player in tiers
    )
    rows = ["video,player,x,y,width,height"]
    for video in "abc":
        (raw / f"{video}.eaf").write_text(
            f'<?xml version="1.0"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">'
            f'<MEDIA_DESCRIPTOR MEDIA_URL="{video}.mp4" MIME_TYPE="video/mp4"/></HEADER>'
            f"<TIME_ORDER>{slots}</TIME_ORDER>{marks}</ANNOTATION_DOCUMENT>"
        )
        rows += [f"{video},Ann,{LEFT}", f"{video},Bo,{RIGHT}"]
    elan: dict[str, Any] = {
        "format": "elan",
        "annotations": ".",
        "elan": {"tiers_are": "players"},
        "groups": "players.csv",
    }
    (raw / "players.csv").write_text("\n".join(rows))
    index = _build(raw, [], **elan)
    assert [(s.begin, s.end) for s in index.samples if s.group == "Bo" and s.video == "a"] == [
        (0, 10),
        (10, 20),
        (20, 30),
        (30, 54),
    ]
    assert len(index.regions) == 6
    # Without regions, as ever.
    (raw / "players.csv").write_text("video,player\na,Ann\n")
    problems = _problems(raw, [], **elan)
    assert all("as Ann and Bo play at once, say where each is" in text for text in problems)


def test_two_annotators_of_two_players_are_merged_for_each_player(raw: Path) -> None:
    rows = [
        f"a,{begin},{end},{label},{player},{region},{who}"
        for player, begin, end, label, region in (
            ("Ann", 20, 40, "push", LEFT),
            ("Bo", 21, 41, "drive", RIGHT),
        )
        for who in ("Eva", "Ida")
    ]
    rows += [f"{video},20,40,push,,,,,,Eva" for video in "bc"]
    index = _build(raw, rows, f"{HEADER},annotator")
    own = [(s.group, s.begin, s.label, s.agreement) for s in index.samples if s.votes]
    assert own == [("Ann", 20, "push", 1), ("Bo", 21, "drive", 1)]
    assert index.agreement is not None
    assert (index.agreement.videos, index.agreement.marked_by_all) == (1, 2)


WRONG = {
    "beyond the picture": (
        f"a,20,40,push,Ann,16,0,17,18|a,25,45,push,Bo,{RIGHT}",
        "strokes.csv:2: the region 16,0,17,18 reaches beyond the picture of 32×18",
    ),
    "negative": (
        f"a,20,40,push,Ann,-1,0,9,9|a,25,45,push,Bo,{RIGHT}",
        "strokes.csv:2: x of the region is '-1', no whole number of pixels",
    ),
    "no number": (
        "a,20,40,push,Ann,0,NaN,9,9",
        "strokes.csv:2: y of the region is 'NaN', no whole number of pixels",
    ),
    "empty": ("a,20,40,push,Ann,0,0,0,9", "strokes.csv:2: the region 0,0,0,9 is empty"),
    "incomplete": (
        "a,20,40,push,Ann,,,9,",
        "strokes.csv:2: the region lacks x, y, height",
    ),
    "of one only": (
        f"a,20,40,push,Ann,{LEFT}|a,25,45,push,Bo,,,,|a,60,70,push,Bo,,,,",
        "strokes.csv:3: player 'Bo' of 'a' has no region, but player 'Ann' has 0,0,16,18 at "
        "{table}:2",
    ),
    "two": (
        f"a,20,40,push,Ann,{LEFT}|a,50,60,push,Ann,{RIGHT}|a,70,80,push,Ann,{RIGHT}",
        "strokes.csv:3: player 'Ann' is in 16,0,16,18, but in 0,0,16,18 at {table}:2",
    ),
    "of nobody": (
        f"a,20,40,push,,{LEFT}|a,25,45,push,,{RIGHT}",
        "strokes.csv:3: a stroke without player is in 16,0,16,18, but in 0,0,16,18 at {table}:2",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_line_says_what_is_wrong_and_where(raw: Path, case: str) -> None:
    rows, message = WRONG[case]
    (problem,) = _problems(raw, rows.split("|") + OTHERS)
    assert message.format(table=raw / "strokes.csv") in problem and "; " in problem


def test_what_is_wrong_may_be_left_out_with_all_that_may_lie_there(raw: Path) -> None:
    rows, _ = WRONG["beyond the picture"]
    index = _build(raw, rows.split("|") + OTHERS, broken="leave_out")
    # Of the other player, but no negatives: strokes were lost there.
    own = [(s.begin, s.end, s.group) for s in index.samples if s.video == "a"]
    assert own == [(25, 45, "Bo")]


GROUPS = {
    "twice": (
        f"a,Ann,{LEFT}|a,Ann,{RIGHT}",
        "players.csv:3: player 'Ann' is in 16,0,16,18, but in 0,0,16,18 at {table}:2",
    ),
    "one of two": (f"a,Ann,{LEFT}|a,Bo,,,,", "players.csv:3: player 'Bo', but 'Ann' in {table}:2"),
    "odd": ("a,Ann,1,2,three,4", "players.csv:2: width of the region is 'three'"),
    "nobody's stroke": (
        f"a,Ann,{LEFT}|a,Bo,{RIGHT}",
        "strokes.csv:2: a stroke of 'a' without player, which has Ann, Bo",
    ),
}


@pytest.mark.parametrize("case", GROUPS)
def test_one_line_says_what_is_wrong_with_the_table_of_groups(raw: Path, case: str) -> None:
    rows, message = GROUPS[case]
    table = raw / "players.csv"
    table.write_text("\n".join(["video,player,x,y,width,height", *rows.split("|")]))
    strokes = ["a,20,40,push", "b,20,40,push", "c,20,40,push"]
    (problem,) = _problems(raw, strokes, "video,begin,end,label", groups="players.csv")
    assert message.format(table=table) in problem


def test_strokes_and_table_of_groups_must_agree(raw: Path) -> None:
    table = raw / "players.csv"
    table.write_text(f"video,player,x,y,width,height\na,Ann,{RIGHT}\n")
    (problem,) = _problems(raw, [f"a,20,40,push,Ann,{LEFT}", *OTHERS], groups="players.csv")
    assert f"player 'Ann' is in 0,0,16,18, but in 16,0,16,18 at {table}:2" in problem


def test_regions_become_pixels_of_kept_frames() -> None:
    def box(region: str) -> Box:
        own = region_from(region.split(","))
        assert isinstance(own, Region) and str(own) == region
        row = PlayerRegion(
            video="v", group="", **own._asdict(), picture_width=640, picture_height=360
        )
        return row.box((45, 80))

    assert box("0,0,640,360") == Box(0, 0, 45, 80)
    assert box("320,80,160,40") == Box(10, 40, 15, 60)
    # Neighbours share an edge, wherever it is; nothing is without any pixel.
    for edge in range(5, 636):
        assert box(f"0,0,{edge},360").right == box(f"{edge},0,{640 - edge},360").left
    assert box("639,359,1,1") == Box(44, 79, 45, 80)
    assert region_from(["20.0", "0", " 5", "7,00"]) == Region(20, 0, 5, 7)
