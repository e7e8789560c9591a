"""What the store is said to hold, and what is freed of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import twinstroke.parallel.store as store_module
from tests.pieces import HERE, Piece, cut, made, output_file
from twinstroke.cli.store import command
from twinstroke.hdf5 import FINGERPRINT
from twinstroke.parallel.inventory import DAMAGED, UNFINISHED, Holding, freed, holdings, taken_in
from twinstroke.parallel.parts import CONTENT, PARAMETERS, OutputFile, make_in_parts, take

STORE = Path("data", "store")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of a preset, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def flow(video: str, estimator: str, pieces: Sequence[Piece] = ()) -> OutputFile[Piece]:
    """A file of flow, made."""
    output = replace(
        output_file(
            Path("data/own/flow", f"{video}.h5"), pieces or cut([5]), f"{video} {estimator}"
        ),
        store=STORE / "flow",
        parameters={"estimator": estimator, "mask": {"history": 5, "threshold": None}},
    )
    make_in_parts("flow", "rows", [output], made, HERE)
    return output


def brief(held: Sequence[Holding]) -> list[tuple[str, int, bool]]:
    return [(own.parameters, len(own.paths), own.used) for own in held]


def test_files_are_told_by_parameters_and_use() -> None:
    assert holdings(STORE) == []
    files = [flow("a", "dis"), flow("b", "dis")]
    (held,) = holdings(STORE)
    assert (held.stage, held.parameters) == ("flow", "estimator dis, mask (history 5)")
    assert held.size == sum(own.kept.stat().st_size for own in files)
    assert (held.paths, held.used) == (sorted(own.kept for own in files), True)
    # The next experiment puts other files in their place.
    flow("a", "tvl1")
    flow("b", "tvl1", [Piece(0, 5), Piece(5, 9, bad=True)])
    assert brief(holdings(STORE)) == [
        ("estimator dis, mask (history 5)", 1, False),
        ("estimator dis, mask (history 5)", 1, True),
        ("estimator tvl1, mask (history 5)", 1, True),
        (UNFINISHED, 1, False),
    ]


def test_only_what_nothing_refers_to_is_freed() -> None:
    used, cached, copied, unused = (flow(video, "dis") for video in "abcd")
    cached.target.rename("cache")
    shutil.copy(copied.kept, "copy")
    copied.target.unlink()
    Path("copy").rename(copied.target)
    unused.target.unlink()
    half = flow("e", "dis", [Piece(0, 5), Piece(5, 9, bad=True)])
    damaged = STORE / "flow" / "0.h5"
    damaged.write_bytes(b"nothing of the kind")
    assert brief(list(freed(STORE))) == [
        (DAMAGED, 1, False),
        ("estimator dis, mask (history 5)", 1, False),
        (UNFINISHED, 1, False),
    ]
    left = set((STORE / "flow").iterdir())
    assert left == {used.kept, cached.kept, copied.kept}
    assert not half.folder.exists()
    assert list(freed(STORE)) == []


def pulled(name: str, fingerprint: str) -> OutputFile[Piece]:
    """A file of flow that is in an output folder alone."""
    output = replace(flow(name, fingerprint), fingerprint=fingerprint)
    make_in_parts("flow", "rows", [output], made, HERE)
    shutil.rmtree(STORE)
    return output


def test_what_was_pulled_is_taken_in() -> None:
    one = pulled("a", "1" * 64)
    strokes = Path("data/other/strokes.h5")
    strokes.parent.mkdir()
    pulled("b", "2" * 64).target.rename(strokes)
    motion = Path("data/own/motion/untrimmed/c.h5")
    motion.parent.mkdir(parents=True)
    pulled("c", "3" * 64).target.rename(motion)
    expected = {one.kept: one.target, STORE / "segment" / f"{'2' * 64}.h5": strokes}
    expected[STORE / "normalize" / f"{'3' * 64}.h5"] = motion
    assert {*taken_in(STORE)} == expected.keys()
    assert all(kept.samefile(target) for kept, target in expected.items())
    assert taken_in(STORE) == []
    # As good as one that was made here.
    one.target.unlink()
    assert take(one)
    assert one.target.samefile(one.kept)


def test_what_is_no_sound_file_of_a_stage_is_not_taken_in() -> None:
    content = pulled("whole", "4" * 64).target.read_bytes()
    for path in Path("data/own/flow").iterdir():
        path.unlink()
    Path("data/own/flow/cut.h5").write_bytes(content[: len(content) // 2])
    Path("data/own/flow/empty.h5").touch()
    with h5py.File("data/own/flow/foreign.h5", "w") as file:
        file["flow"] = [1]
    with h5py.File("data/own/flow/outside.h5", "w") as file:
        file.attrs.update({FINGERPRINT: np.bytes_("../../x"), CONTENT: "", PARAMETERS: "{}"})
    assert taken_in(STORE) == []
    assert not STORE.exists()
    # Bytes that changed are found when it is taken out, and it is made again.
    output = pulled("whole", "4" * 64)
    with h5py.File(output.target, "r+") as file:
        file["frame"][0] = 99
    assert taken_in(STORE) == [output.kept]
    assert not take(output)
    assert not output.kept.exists()


def test_nothing_is_freed_under_the_hands_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    output = flow("a", "dis")
    output.target.rename("away")
    Path("away").unlink()
    at_work = store_module.alone(output.store)
    at_work.__enter__()

    def ends(stage: str, text: str) -> None:
        # The other run links what it found before it ends.
        output.target.hardlink_to(output.kept)
        at_work.__exit__(None, None, None)

    monkeypatch.setattr(store_module, "summarise", ends)
    assert list(freed(STORE)) == []
    assert output.kept.exists()


def test_the_command_shows_and_frees() -> None:
    Path("params.yaml").touch()
    flow("a", "dis")
    flow("a", "tvl1")
    first = CliRunner().invoke(command)
    assert first.exit_code == 0
    title, *rows, total = first.output.splitlines()
    assert title.split() == ["stage", "files", "GB", "used", "parameters"]
    assert [row.split()[:5:3] + row.split()[5:6] for row in rows] == [
        ["flow", "no", "dis,"],
        ["flow", "yes", "tvl1,"],
    ]
    assert total.endswith("GB of them not used")
    second = CliRunner().invoke(command, ["--free"])
    assert [line.split()[0] for line in second.output.splitlines()] == ["stage", "flow", "0.000"]
    assert "freed" in second.output
    assert len(list((STORE / "flow").iterdir())) == 1
    assert "0.000 GB of them not used" in CliRunner().invoke(command).output


def test_the_command_says_what_it_took_in() -> None:
    Path("params.yaml").touch()
    output = pulled("a", "5" * 64)
    first, *_ = CliRunner().invoke(command, ["--free"]).output.splitlines()
    assert first == "1 files taken in from output folders, 0.000 GB"
    assert output.kept.exists()
    assert "taken in" not in CliRunner().invoke(command).output
