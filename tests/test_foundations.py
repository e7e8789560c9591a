"""Files that appear whole, tables that are checked, work that is spread."""

from __future__ import annotations

import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.disks import small_disk
from twinstroke.annotations.classes import ttstroke21
from twinstroke.errors import UserError, exits_cleanly
from twinstroke.files import prune, replacing
from twinstroke.hdf5 import fingerprint_of, is_finished, new_hdf5
from twinstroke.synthesize.motions import STROKES
from twinstroke.tables import Sample, Video, read_table, write_table

ROOT = Path(__file__).parent.parent


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with replacing(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert [p.read_text() for p in path.parent.iterdir()] == ["whole"]


def test_finished_files_are_known_by_their_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    assert not is_finished(path, "x")
    for _ in range(2):
        with new_hdf5(path, "x") as file:
            file["data"] = np.arange(5)
        content = path.read_bytes()
    assert path.read_bytes() == content
    assert is_finished(path, "x")
    assert not is_finished(path, "y")
    path.write_bytes(content[: len(content) // 2])
    assert not is_finished(path, "x")


def test_fingerprints_tell_any_part_apart() -> None:
    base: dict[str, object] = {"a": [1, 2], "b": {"c": 0.5}}
    assert fingerprint_of(**base) == fingerprint_of(b={"c": 0.5}, a=[1, 2])
    others: list[dict[str, object]] = [
        {**base, "a": [2, 1]},
        {**base, "b": {"c": 0.25}},
        {**base, "d": None},
    ]
    assert len({fingerprint_of(**parts) for parts in [base, *others]}) == 4


def test_prune_deletes_what_is_not_wanted(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5", ".c.h5.partial"):
        (tmp_path / name).touch()
    assert len(prune(tmp_path, [tmp_path / "a.h5"])) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


VIDEO = Video(
    video="a, b",
    path='data/raw/"x".mp4',
    sha256="0",
    frames=3,
    fps=Fraction(30000, 1001),
    width=4,
    height=2,
    variable_frame_rate=True,
)


def test_tables_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "videos.csv"
    write_table(path, [VIDEO], Video)
    assert read_table(path, Video) == [VIDEO]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\nb"])
def test_video_names_cannot_leave_their_folder(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Video.model_validate({**VIDEO.model_dump(), "video": name})


def test_a_damaged_table_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "videos.csv"
    write_table(path, [VIDEO], Video)
    path.write_text(path.read_text().replace(",3,", ",three,"))
    with pytest.raises(UserError, match=r"videos\.csv: row 2: frames: .*dvc repro"):
        read_table(path, Video)
    with pytest.raises(UserError, match=r"samples\.csv: not found"):
        read_table(tmp_path / "samples.csv", Sample)


def test_a_users_mistake_is_printed_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    @exits_cleanly
    def main() -> None:
        raise UserError(["first", "second"])

    with pytest.raises(SystemExit) as status:
        main()
    assert status.value.code == 1
    assert capsys.readouterr().err == "error: first\nerror: second\n"


def test_rendered_classes_are_those_of_the_data_set() -> None:
    assert ["Negative", *STROKES] == [row.label for row in ttstroke21()]


def test_a_damaged_file_is_not_finished_whatever_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with new_hdf5(path, "x" * 64) as file:
        file["data"] = np.arange(5)
        file.attrs["content"] = "y" * 64
    whole = path.read_bytes()
    assert is_finished(path, "x" * 64)
    # HDF5 may look for ever for a damaged attribute of variable length.
    signal.alarm(60)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        assert not is_finished(path, "z" * 64)
    signal.alarm(0)


def test_a_disk_that_fills_up_under_a_large_index_is_told_as_such(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1000) as disk:
        with (
            pytest.raises(OSError, match=r"No space left on device: .*/a\.h5"),
            new_hdf5(disk / "a.h5", "x") as file,
        ):
            # HDF5 reads back parts of the index that it could not write.
            rows = file.create_dataset("x", (100_000, 8), np.uint8, chunks=(1, 8))
            for row in range(len(rows)):
                rows.id.write_direct_chunk((row, 0), b"12345678")
        assert list(disk.iterdir()) == []
