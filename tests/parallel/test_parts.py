"""Files that are made in parts: the same bytes however they are cut, and whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import twinstroke.parallel.store as store_module
from tests.disks import read_only, small_disk
from twinstroke.errors import UserError
from twinstroke.hdf5 import COMPRESSION, FIELDS, PLANES
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, make_in_parts, take
from twinstroke.parallel.workers import Workers

H, W = 6, 10
HERE = Workers(count=0)


@dataclass(frozen=True)
class Piece:
    """Rows `begin` to `end` of a file in which row n is made of n alone."""

    begin: int
    end: int
    blocks: int = 1
    pause_s: float = 0
    kill: Path | None = None
    """The process dies as long as this file is missing."""
    bad: bool = False
    noise: bool = False

    def __str__(self) -> str:
        return f"rows {self.begin} to {self.end}"


def truth(rows: NDArray[np.int64], *, noise: bool = False) -> dict[str, NDArray[np.generic]]:
    pictures = (rows[:, None, None, None] * 7 + np.arange(3 * H * W).reshape(3, H, W)) % 251
    if noise:
        pictures = np.random.default_rng(1).integers(0, 256, (len(rows), 3, H, W))
    fields = (rows[:, None, None, None] - 50) * 300 + np.arange(2 * H * W).reshape(2, H, W)
    return {
        "rgb": pictures.astype(np.uint8),
        "flow": fields.astype(np.int16),
        "mask": (rows[:, None, None] + np.arange(H * 2).reshape(H, 2)).astype(np.uint8),
        "frame": rows,
        "roi": np.stack([rows / 3, rows / 7], axis=1).astype(np.float32),
    }


DATASETS = {
    "rgb": Dataset((3, H, W), np.uint8, (16, 3, H, W), PLANES),
    "flow": Dataset((2, H, W), np.int16, (1, 1, H, W), FIELDS),
    "mask": Dataset((H, 2), np.uint8, (8, H, 2), COMPRESSION),
    "frame": Dataset((), np.int64),
    "roi": Dataset((2,), np.float32),
}


def made(piece: Piece) -> Iterator[Rows]:
    if piece.kill and not piece.kill.exists():
        piece.kill.with_suffix(f".{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(piece.pause_s)
    for own in np.array_split(np.arange(piece.begin, piece.end), piece.blocks):
        yield truth(own, noise=piece.noise)
    if piece.bad:
        raise UserError(f"{piece} are bad")


def output_file(target: Path, pieces: Sequence[Piece], fingerprint: str = "x") -> OutputFile[Piece]:
    return OutputFile(
        target,
        target.parent / "store",
        fingerprint,
        {"estimator": "dis"},
        DATASETS,
        {"step": 4},
        pieces,
        [piece.end - piece.begin for piece in pieces],
        {"samples/label": ["ä", "b"], "samples/length": [1, 2]},
    )


def cut(lengths: Sequence[int], **changes: object) -> list[Piece]:
    ends = np.cumsum(lengths).tolist()
    return [Piece(e - n, e, **changes) for n, e in zip(lengths, ends, strict=True)]  # type: ignore[arg-type]


def make(target: Path, pieces: Sequence[Piece], workers: Workers = HERE) -> bytes:
    assert make_in_parts("test", "rows", [output_file(target, pieces)], made, workers) == []
    assert {path.name for path in target.parent.iterdir()} == {target.name, "store"}
    (kept,) = (target.parent / "store").iterdir()
    assert kept.samefile(target)
    return target.read_bytes()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 3))
def test_however_it_is_cut_the_bytes_are_the_same(lengths: list[int], blocks: int) -> None:
    total = sum(lengths)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "a", "x.h5")
        in_parts = make(target, cut(lengths, blocks=blocks))
        with h5py.File(target) as file:
            for name, expected in truth(np.arange(total)).items():
                assert file[name].dtype == expected.dtype
                np.testing.assert_array_equal(file[name][:], expected)
            assert file["samples/label"].asstr()[:].tolist() == ["ä", "b"]
            assert file.attrs["step"] == 4
        assert make(Path(folder, "b", "x.h5"), cut([total])) == in_parts


def test_processes_make_the_same_bytes(tmp_path: Path) -> None:
    pieces = cut([5, 20, 3, 17, 64, 1])
    expected = make(tmp_path / "a" / "x.h5", pieces)
    with Workers(count=2) as workers:
        assert make(tmp_path / "b" / "x.h5", pieces, workers) == expected


def test_content_tells_any_row_apart(tmp_path: Path) -> None:
    def content(pieces: Sequence[Piece]) -> str:
        target = tmp_path / "x.h5"
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        make(target, pieces)
        with h5py.File(target) as file:
            return str(file.attrs["content"])

    assert content([Piece(0, 20)]) == content([Piece(0, 7), Piece(7, 20)])
    assert content([Piece(0, 20)]) != content([Piece(0, 20, noise=True)])
    assert content([Piece(0, 20)]) != content([Piece(0, 7), Piece(8, 9), Piece(8, 20)])


def test_rows_that_are_missing_are_noticed(tmp_path: Path) -> None:
    wrong = output_file(tmp_path / "x.h5", [Piece(0, 9)])
    with pytest.raises(RuntimeError, match="9 rows came, 10 were expected"):
        make_in_parts("test", "rows", [OutputFile(**{**vars(wrong), "rows": [10]})], made, HERE)


def test_bad_input_costs_its_file_alone(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.h5", tmp_path / "bad.h5"
    pieces = [Piece(0, 5), Piece(5, 9, bad=True), Piece(9, 12, kill=tmp_path / "never")]
    outputs = [output_file(bad, pieces), output_file(good, cut([4]))]
    # The last piece of the bad file would end this process: it is not even begun.
    assert make_in_parts("test", "rows", outputs, made, HERE) == ["rows 5 to 9 are bad"]
    assert good.exists()
    assert not bad.exists()


def test_finished_parts_are_not_made_again(tmp_path: Path) -> None:
    target = tmp_path / "x.h5"
    pieces = [Piece(0, 5), Piece(5, 9, bad=True), Piece(9, 12)]
    assert make_in_parts("test", "rows", [output_file(target, pieces)], made, HERE)
    never = Piece(0, 5, bad=True)
    again = [never, Piece(5, 9), Piece(9, 12)]
    assert make_in_parts("test", "rows", [output_file(target, again)], made, HERE) == []
    # With another fingerprint they are.
    other = [output_file(target, again, fingerprint="y")]
    assert make_in_parts("test", "rows", other, made, HERE) == ["rows 0 to 5 are bad"]


def test_leftovers_of_killed_processes_go(tmp_path: Path) -> None:
    target = tmp_path / "x.h5"
    bad = [output_file(target, [Piece(0, 5), Piece(5, 9, bad=True)])]
    make_in_parts("test", "rows", bad, made, HERE)
    (bad[0].folder / ".0123.h5.partial").write_bytes(b"half")
    (bad[0].folder / "0123456789abcdef.h5").write_bytes(b"whole, but not renamed")
    make_in_parts("test", "rows", bad, made, HERE)
    assert [path.name for path in bad[0].folder.iterdir()] == ["0.h5"]


def test_parts_of_another_run_are_never_joined(tmp_path: Path) -> None:
    """A worker of a run that was killed may go on for a while, on a cluster."""
    ours = output_file(tmp_path / "x.h5", [Piece(0, 5), Piece(5, 9)])
    theirs = output_file(
        tmp_path / "x.h5", [Piece(40, 45), Piece(45, 49, bad=True)], fingerprint="y"
    )
    make_in_parts("test", "rows", [theirs], made, HERE)
    late = theirs.part(0).read_bytes()

    def and_meanwhile(piece: Piece) -> Iterator[Rows]:
        theirs.folder.mkdir(exist_ok=True)
        theirs.part(0).write_bytes(late)
        return made(piece)

    assert make_in_parts("test", "rows", [ours], and_meanwhile, HERE) == []
    with h5py.File(ours.target) as file:
        assert file["frame"][:].tolist() == list(range(9))


def test_a_part_that_goes_away_is_told(tmp_path: Path) -> None:
    pieces = output_file(tmp_path / "x.h5", [Piece(0, 5), Piece(5, 9)])

    def and_meanwhile(piece: Piece) -> Iterator[Rows]:
        pieces.part(0).unlink(missing_ok=True)
        return made(piece)

    (problem,) = make_in_parts("test", "rows", [pieces], and_meanwhile, HERE)
    assert "0.h5 went away; another program changes the store" in problem
    assert not pieces.target.exists()


def test_what_is_in_the_store_is_linked_and_not_made_again(tmp_path: Path) -> None:
    first = output_file(tmp_path / "one" / "x.h5", cut([5, 4]))
    make_in_parts("test", "rows", [first], made, HERE)
    again = replace(first, target=tmp_path / "two" / "y.h5")
    assert take(again)
    assert again.target.samefile(first.target)
    assert first.kept.stat().st_nlink == 3
    assert take(again), "it lies there already"
    assert not take(replace(first, fingerprint="y"))
    # A file that lies in its place is replaced, not written to.
    other = tmp_path / "three" / "z.h5"
    other.parent.mkdir()
    other.write_bytes(b"another")
    name = tmp_path / "name"
    name.hardlink_to(other)
    assert take(replace(first, target=other))
    assert other.samefile(first.kept)
    assert name.read_bytes() == b"another"


@pytest.mark.parametrize("how", ["cut off", "a bit", "no HDF5", "in a column"])
def test_a_damaged_file_of_the_store_is_made_again(tmp_path: Path, how: str) -> None:
    output = output_file(tmp_path / "x.h5", cut([40, 20]))
    make_in_parts("test", "rows", [output], made, HERE)
    right = output.kept.read_bytes()
    cached = tmp_path / "cached"
    cached.hardlink_to(output.kept)
    output.kept.chmod(0o444)  # as DVC does
    with h5py.File(output.kept) as file:
        place, size = file["rgb"].id.get_chunk_info(1)[2:]
        column = file["frame"].id.get_offset()
    at, put = {
        "cut off": (len(right) - 100, b""),
        "a bit": (place + size // 2, bytes([right[place + size // 2] ^ 1])),
        "no HDF5": (0, b"nothing of the kind"),
        "in a column": (column, b"\x07"),
    }[how]
    rest = b"" if how == "cut off" else right[at + len(put) :]
    output.kept.chmod(0o644)
    output.kept.write_bytes(right[:at] + put + rest)
    output.kept.chmod(0o444)
    assert not take(output)
    if how in ("a bit", "in a column"):
        # What DVC then looks at, rather than trust it.
        assert cached.stat().st_mode & 0o200
    assert make_in_parts("test", "rows", [output], made, HERE) == []
    assert take(output)
    assert output.target.read_bytes() == output.kept.read_bytes() == right


def test_without_hard_links_files_are_copied_and_that_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", 900) as disk:
        targets = [disk / "x.h5", disk / "y.h5"]
        outputs = [
            replace(output_file(target, cut([5]), target.stem), store=tmp_path / "store")
            for target in targets
        ]
        assert make_in_parts("test", "rows", outputs, made, HERE) == []
        (line,) = capsys.readouterr().out.splitlines()
        assert "no hard link leads from" in line and "files are copied" in line
        for output in outputs:
            assert output.target.read_bytes() == output.kept.read_bytes()
            assert output.target.stat().st_nlink == output.kept.stat().st_nlink == 1


def test_from_a_store_that_cannot_be_written_files_are_taken_all_the_same(tmp_path: Path) -> None:
    output = output_file(tmp_path / "x.h5", cut([5]))
    make_in_parts("test", "rows", [output], made, HERE)
    ready = output.kept.read_bytes()
    with small_disk(tmp_path / "store", 900) as disk:
        output.kept.write_bytes(ready)
        remounted = subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False)
        if remounted.returncode:
            pytest.skip("this machine does not remount")
        assert take(output)
        assert output.target.read_bytes() == ready
        lacking = replace(output, fingerprint="y")
        assert not take(lacking)
        with pytest.raises(OSError, match=r"Read-only.*store"):
            make_in_parts("test", "rows", [lacking], made, HERE)


def test_who_comes_second_waits_and_takes_what_the_first_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = output_file(tmp_path / "x.h5", [Piece(0, 5), Piece(5, 9)])
    first = replace(output, target=tmp_path / "first" / "x.h5")
    never = replace(output, items=[Piece(0, 5, bad=True), Piece(5, 9, bad=True)])
    said: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(store_module.alone(output.store))

        def ends(stage: str, text: str) -> None:
            said.append(text)
            stack.close()
            monkeypatch.undo()
            assert make_in_parts("test", "rows", [first], made, HERE) == []

        monkeypatch.setattr(store_module, "summarise", ends)
        assert make_in_parts("test", "rows", [never], made, HERE) == []
    assert len(said) == 1
    assert "another run is at work on" in said[0]
    assert output.target.samefile(first.target)
    assert [path.name for path in output.store.iterdir()] == [output.kept.name]


def test_two_programs_that_fill_one_store_end_with_the_same_files(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    pieces = cut([7] * 12)
    programs = [
        context.Process(target=_make_slowly, args=(tmp_path / name, pieces, tmp_path / "store"))
        for name in ("one", "two")
    ]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
        assert program.exitcode == 0
    (kept,) = (tmp_path / "store").iterdir()
    for name in ("one", "two"):
        assert (tmp_path / name / "x.h5").samefile(kept)
    assert kept.read_bytes() == make(tmp_path / "plain" / "x.h5", pieces)


def test_a_process_that_dies_costs_its_part_alone(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    pieces = [*cut([5, 20]), Piece(25, 30, kill=mark), Piece(30, 40)]
    target = tmp_path / "out" / "x.h5"
    with Workers(count=2) as workers:
        (problem,) = make_in_parts("test", "rows", [output_file(target, pieces)], made, workers)
    assert problem.startswith("rows 25 to 30: the process that worked on it died")
    assert len(list(tmp_path.glob("mark.*"))) == 2, "tried twice"
    assert not target.exists()
    mark.touch()
    resumed = make(target, pieces)
    assert resumed == make(tmp_path / "plain" / "x.h5", cut([40]))


def _make_slowly(folder: Path, pieces: Sequence[Piece], store: Path) -> None:
    output = replace(output_file(folder / "x.h5", pieces), store=store)
    with Workers(count=2) as workers:
        assert make_in_parts("test", "rows", [output], made, workers) == []


@pytest.mark.parametrize("after", [1, 9, 17])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(tmp_path: Path, after: int) -> None:
    """After some parts, and while they are put together."""
    folder = tmp_path / "disturbed"
    pieces = cut([7] * 18, pause_s=0.02)
    process = multiprocessing.get_context("spawn").Process(
        target=_make_slowly, args=(folder, pieces, folder / "store")
    )
    process.start()
    parts = output_file(folder / "x.h5", pieces).folder
    deadline = time.monotonic() + 60
    while len(list(parts.glob("[0-9].h5")) + list(parts.glob("[0-9][0-9]*.h5"))) < after:
        assert time.monotonic() < deadline
        assert process.is_alive(), "it was over before it could be killed"
        time.sleep(0.001)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert not (folder / "x.h5").exists() or after == 17
    time.sleep(0.5)  # Its workers end a moment later.
    assert make(folder / "x.h5", pieces) == make(tmp_path / "plain" / "x.h5", cut([7 * 18]))


@pytest.mark.parametrize("count", [0, 2])
def test_on_a_full_disk_it_stops_with_one_line_and_goes_on_when_there_is_room(
    tmp_path: Path, count: int
) -> None:
    pieces = cut([100] * 6, noise=True)
    with small_disk(tmp_path / "disk", 600) as disk:
        target = disk / "x.h5"
        with Workers(count=count) as workers, pytest.raises(OSError, match=r"No space left.*\.h5"):
            make_in_parts("test", "rows", [output_file(target, pieces)], made, workers)
        finished = list(disk.glob("store/*.parts/*00.h5"))
        assert finished
        assert not target.exists()
        shutil.copytree(disk, tmp_path / "larger")
    with h5py.File(tmp_path / "larger" / finished[0].relative_to(disk)) as file:
        assert len(file["frame"]) == 100
    resumed = make(tmp_path / "larger" / "x.h5", pieces)
    assert resumed == make(tmp_path / "plain" / "x.h5", pieces)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with read_only(tmp_path / "out") as folder, pytest.raises(OSError, match=r"Read-only|denied"):
        make_in_parts("test", "rows", [output_file(folder / "x.h5", cut([4]))], made, HERE)
