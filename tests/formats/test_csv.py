"""Tables of strokes in frames, as people correct them and pages show them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.rows import header_of, read_rows
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.findings import Findings, Place
from twinstroke.formats.csv import COLUMNS, read_strokes, recognises
from twinstroke.regions import Region


def test_strokes_are_read_by_the_names_of_their_videos(tmp_path: Path) -> None:
    table = tmp_path / "strokes.csv"
    table.write_text(
        "annotator;label;end;begin;video;probability\n"
        "Zoë; Push ;30;10;day 1/a.mp4;0.9\n"
        ";;50;40;b;\n"
        ";Unknown;20;0;day 2/a.mkv;\n",
        encoding="utf-8-sig",
    )
    first, second, third = (Place(str(table), row) for row in "234")
    assert read_strokes(table) == {
        "a": [
            Stroke("a", 10, 30, "Push", place=first, annotator="Zoë"),
            Stroke("a", 0, 20, "Unknown", place=third),
        ],
        "b": [Stroke("b", 40, 50, place=second)],
    }


def test_strokes_may_be_of_players_with_regions(tmp_path: Path) -> None:
    table = tmp_path / "strokes.csv"
    table.write_text(
        "video,begin,end,label,player,x,y,width,height\na,1,2,Hit,Ann,8,0,40.0,30\na,1,2,Hit,Bo,,,,\n"
    )
    found = [(s.group, s.region) for s in read_strokes(table)["a"]]
    assert found == [("Ann", Region(8, 0, 40, 30)), ("Bo", None)]


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


def _rows(table: Path, content: str) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """Row and cells of the four columns, and what was told."""
    table.write_bytes(content.encode())
    findings = Findings()
    read = [(p.row, [row[c] for c in COLUMNS]) for p, row in read_rows(table, COLUMNS, findings)]
    return read, [str(item).removeprefix(f"{table}:") for item in findings.all]


CELLS = st.sampled_from(["a.mp4", "20", "1,5", "Ruck; hand", "x"])


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=4),
    st.sampled_from([",", ";", "\t"]),
    st.integers(0, 3),
    st.data(),
)
def test_what_spreadsheets_leave_around_a_table_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, ...]],
    delimiter: str,
    blank: int,
    data: st.DataObject,
) -> None:
    said = data.draw(st.booleans())
    lines = [f"sep={delimiter}"] if said else []
    lines.append(delimiter.join([*COLUMNS, *[""] * blank]))
    for row in rows:
        cells = [f'"{cell}"' for cell in row]
        lines.append(delimiter.join([*cells, *[""] * data.draw(st.integers(0, 5))]))
    content = data.draw(st.sampled_from(["", "\ufeff"])) + "\r\n".join(lines) + "\r\n"
    assert recognises(content)
    read, told = _rows(tmp_path_factory.getbasetemp() / "table.csv", content)
    assert told == []
    assert read == [(str(2 + said + n), list(row)) for n, row in enumerate(rows)]


def test_cells_at_the_end_may_be_left_out_unless_they_are_needed(tmp_path: Path) -> None:
    text = "video,begin,end,label,player,split\na,1,2,Hit\na,1,2,Hit,Ada\nb,1,2\nc,1,2,,,test\n"
    read, told = _rows(tmp_path / "s.csv", text)
    assert [row for row, _ in read] == ["2", "3", "5"]
    assert [line.partition(";")[0] for line in told] == ["4: 3 fields, but the header has 6"]


def test_a_cell_without_a_column_name_is_told_with_its_row(tmp_path: Path) -> None:
    text = "video,begin,end,label,,\na,1,2,Hit,,\na,3,4,Hit,,late\na,1,5,2,5,Hit,\n"
    read, told = _rows(tmp_path / "s.csv", text)
    assert [row for row, _ in read] == ["2"]
    assert told[0].startswith(
        "3: 'late' stands in a column without name; name the column in line 1"
    )
    assert told[1].startswith("4: '5' stands in a column without name")
    # The advice, followed.
    text = text.replace("label,,", "label,,remark").replace("a,1,5,2,5,Hit,\n", "")
    read, told = _rows(tmp_path / "s.csv", text)
    assert ([row for row, _ in read], told) == (["2", "3"], [])


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("file,start,stop,class", ["file", "start", "stop", "class"]),
        ("Video,Begin,Stop,Move", ["stop", "move"]),
        ("video,begin,end,label", []),
        # The own name counts before another one.
        ("video,begin,end,label,class,start", []),
    ],
)
def test_other_names_of_columns_are_read_and_told(
    tmp_path: Path, header: str, told: list[str]
) -> None:
    read, lines = _rows(
        tmp_path / "s.csv",
        f"{header}\na,1,2,Hit,9,9\n".replace(",9,9", ",9,9" if header.count(",") > 3 else ""),
    )
    assert read == [("2", ["a", "1", "2", "Hit"])]
    assert len(lines) == bool(told)
    assert all(f"{name!r} is read as" in line for line in lines for name in told)


def test_two_other_names_of_one_column_are_none(tmp_path: Path) -> None:
    assert header_of("video,begin,end,class,move", COLUMNS) is None
    assert _rows(tmp_path / "s.csv", "video,begin,end,class,move\n")[1][0].startswith(
        "1: the header is 'video,begin,end,class,move'; it needs the columns"
    )


@pytest.mark.parametrize(
    ("text", "frame"),
    [("20.0", 20), ("20,00", 20), ("0.0", 0), ("020", 20), ("1.000", None), ("1,000", None)],
)
def test_whole_numbers_of_spreadsheets_are_frames(
    tmp_path: Path, text: str, frame: int | None
) -> None:
    table = tmp_path / "s.csv"
    table.write_text(f"video;begin;end;label\na;{text};900000;Hit\n")
    if frame is None:
        with pytest.raises(UserError, match="are no frames"):
            read_strokes(table)
    else:
        (stroke,) = read_strokes(table)["a"]
        assert (stroke.begin, stroke.end) == (frame, 900000)
