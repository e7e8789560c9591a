"""Files that are made in parts: the same bytes however they are cut, and whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twinstroke.parallel.store as store_module
from tests.disks import read_only, small_disk
from tests.pieces import HERE, Piece, cut, made, output_file, truth
from tests.processes import all_ended, spawned
from tests.work import after_each_item
from twinstroke.hdf5 import new_hdf5
from twinstroke.parallel import parts
from twinstroke.parallel.parts import OutputFile, Rows, make_in_parts, take
from twinstroke.parallel.workers import Workers


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
    outputs = [output_file(bad, pieces), output_file(good, cut([4]), fingerprint="y")]
    # The last piece of the bad file would end this process: it is not even begun.
    assert make_in_parts("test", "rows", outputs, made, HERE) == ["rows 5 to 9 are bad"]
    assert good.exists()
    assert not bad.exists()


def test_of_equal_files_one_is_made(tmp_path: Path) -> None:
    """As of a video and its copy: another process would write the same parts."""
    pieces = cut([5, 20, 3])
    outputs = [output_file(tmp_path / f"{name}.h5", pieces) for name in "abc"]
    with Workers(count=2) as workers:
        assert make_in_parts("test", "rows", outputs, made, workers) == []
    (kept,) = (tmp_path / "store").iterdir()
    assert all(kept.samefile(output.target) for output in outputs)


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


def test_parts_of_a_file_that_is_finished_go(tmp_path: Path) -> None:
    """A run was killed between the last name and the end of its parts."""
    whole = output_file(tmp_path / "x.h5", [Piece(0, 5)])
    make_in_parts("test", "rows", [whole], made, HERE)
    whole.folder.mkdir()
    whole.part(0).write_bytes(b"a part")
    assert take(whole)
    assert not whole.folder.exists()


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


def _make_together(folder: Path, pieces: Sequence[Piece], store: Path) -> None:
    output = replace(output_file(folder / "x.h5", pieces), store=store)
    with Workers(count=2) as workers:
        assert make_in_parts("test", "rows", [output], made, workers) == []


def test_two_programs_that_fill_one_store_end_with_the_same_files(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    pieces = cut([7] * 12)
    programs = [
        context.Process(target=_make_together, args=(tmp_path / name, pieces, tmp_path / "store"))
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


def _make_until(folder: Path, pieces: Sequence[Piece], number: int) -> None:
    """Be killed while the file of this number is written; the last one is the whole."""
    written = 0

    @contextmanager
    def counted(path: Path, fingerprint: str) -> Iterator[h5py.File]:
        nonlocal written
        with new_hdf5(path, fingerprint) as file:
            yield file
            written += 1
            if written == number:
                os.kill(os.getpid(), signal.SIGKILL)

    setattr(parts, "new_hdf5", counted)  # noqa: B010 - to mypy it is not a member of parts
    make_in_parts("test", "rows", [output_file(folder / "x.h5", pieces)], made, HERE)


def _make_some(folder: Path, pieces: Sequence[Piece], number: int) -> None:
    """Be killed when so many parts are finished, and other processes are at the next ones."""

    def kill(done: int) -> None:
        if done == number:
            others = " ".join(map(str, spawned(os.getpid())))
            folder.with_suffix(".processes").write_text(others)
            os.kill(os.getpid(), signal.SIGKILL)

    after_each_item(kill)
    with Workers(count=2) as workers:
        make_in_parts("test", "rows", [output_file(folder / "x.h5", pieces)], made, workers)


def killed_while(make_pieces: Any, *arguments: object) -> None:
    """Run this in a process, which kills itself."""
    process = multiprocessing.get_context("spawn").Process(target=make_pieces, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it was over before it could be killed"


@pytest.mark.parametrize("number", [1, 4, 6, 7])
def test_killed_while_it_writes_it_goes_on_to_the_same_bytes(tmp_path: Path, number: int) -> None:
    """A part, the first and the last; and the whole, while parts are put together."""
    folder = tmp_path / "disturbed"
    pieces = cut([7] * 6)
    killed_while(_make_until, folder, pieces, number)
    finished = list(output_file(folder / "x.h5", pieces).folder.glob("[0-9]*.h5"))
    assert sum(path.stem.isdigit() for path in finished) == number - 1
    assert not (folder / "x.h5").exists()
    assert make(folder / "x.h5", pieces) == make(tmp_path / "plain" / "x.h5", cut([7 * 6]))


def test_killed_amid_other_processes_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "disturbed"
    pieces = cut([7] * 18)
    killed_while(_make_some, folder, pieces, 9)
    others = [int(pid) for pid in folder.with_suffix(".processes").read_text().split()]
    assert len(others) == 2
    assert all_ended(others)
    left = output_file(folder / "x.h5", pieces).folder.glob("[0-9]*.h5")
    # What was handed out before the kill may be finished: three for each process.
    assert 9 <= sum(path.stem.isdigit() for path in left) < 18
    assert not (folder / "x.h5").exists()
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
