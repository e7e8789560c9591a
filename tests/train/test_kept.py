"""Trainings that are through are trained once; unfinished ones go on where they may, or stop."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.clone import ROOT
from tests.killed import saved_epochs
from tests.trainings import SETTINGS, description, run
from twinstroke.errors import UserError
from twinstroke.parallel.gpu_locks import alone_now
from twinstroke.train import finished, unfinished
from twinstroke.train.finished import keeping, note, take
from twinstroke.train.fit import Outputs
from twinstroke.train.history import TrainingSummary
from twinstroke.train.launch import train
from twinstroke.train.saving import Saving
from twinstroke.train.unfinished import Identity, begin, forget_older

FILES = ("model.safetensors", "history.csv", "training.json")
FLOW: dict[str, Any] = {"modality": "flow"}


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the size of each batch that is trained on in this process."""
    from twinstroke.train import fit

    made: list[int] = []
    step = fit.train_step

    def counted(network: Any, optimiser: Any, streams: Any, target: Any, **settings: Any) -> Any:
        made.append(len(target))
        return step(network, optimiser, streams, target, **settings)

    monkeypatch.setattr(fit, "train_step", counted)
    return made


# --- trainings that are through -------------------------------------------------------------------


def test_the_very_same_is_trained_once(
    strokes: Path, tmp_path: Path, steps: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    run(strokes, tmp_path, **FLOW)
    made, before = len(steps), written(tmp_path)
    assert made == SETTINGS.epochs * 2
    for name in FILES:
        (tmp_path / name).unlink()
    capsys.readouterr()
    run(strokes, tmp_path, **FLOW)
    assert len(steps) == made, "trained again"
    assert written(tmp_path) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train: the very same was trained before, and is taken as it is out of ")
    run(strokes, tmp_path, seed=4, **FLOW)
    assert len(steps) == 2 * made


def test_the_summary_is_that_of_the_training(strokes: Path, tmp_path: Path) -> None:
    def ask() -> TrainingSummary | None:
        return train(
            strokes,
            {"train": [f"s{i}" for i in range(9)], "validation": ["s9", "s10", "s11"]},
            description(**FLOW),
            Outputs(tmp_path / "work", *(tmp_path / name for name in FILES)),
        )

    assert ask() == ask() is not None


def test_the_model_is_one_file_that_cannot_be_changed_and_tables_are_copies(
    strokes: Path, tmp_path: Path
) -> None:
    run(strokes, tmp_path, **FLOW)
    (kept,) = tmp_path.glob("work/finished/*")
    assert (kept / "model.safetensors").samefile(tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o222 == 0
    before = written(tmp_path)
    for name in FILES[1:]:
        (tmp_path / name).write_text("edited")
    run(strokes, tmp_path, **FLOW)
    assert written(tmp_path) == before


def test_where_a_disk_has_no_links_the_model_is_copied(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    run(strokes, tmp_path, **FLOW)
    (kept,) = tmp_path.glob("work/finished/*")
    model = tmp_path / "model.safetensors"
    assert not model.samefile(kept / model.name)
    assert model.read_bytes() == (kept / model.name).read_bytes()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit of the model": lambda kept: flip(kept / "model.safetensors"),
    "a table is gone": lambda kept: (kept / "history.csv").unlink(),
    "half a note": lambda kept: (kept / "kept.json").write_text("{"),
    "no note": lambda kept: (kept / "kept.json").unlink(),
}


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_training_is_trained_again(
    strokes: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(strokes, tmp_path, **FLOW)
    (kept,) = tmp_path.glob("work/finished/*")
    DAMAGES[damage](kept)
    capsys.readouterr()
    assert run(strokes, tmp_path, **FLOW) == first
    assert f"{kept}: what an earlier training left is damaged" in capsys.readouterr().err


PROGRAM = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.trainings import run
from twinstroke.train import fit
from twinstroke.train.state import State
strokes, folder = map(Path, sys.argv[1:3])
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
hand_over, save = fit.hand_over, State.save
def hand_over_and_die(*arguments):
    hand_over(*arguments)
    die()
def save_and_wait(self, path):
    save(self, path)
    while not (folder / "go on").exists():
        time.sleep(0.002)
if sys.argv[4] == "before":
    fit.hand_over = die
elif sys.argv[4] == "after":
    fit.hand_over = hand_over_and_die
elif sys.argv[4] == "waits":
    State.save = save_and_wait
run(strokes, folder, modality="flow")
"""


def program(strokes: Path, folder: Path, how: str, **environment: str) -> subprocess.Popen[str]:
    """The training of FLOW in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, (strokes, folder, ROOT, how))],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_its_end_it_is_not_trained_again(
    strokes: Path, tmp_path: Path, steps: list[int], moment: str
) -> None:
    expected = run(strokes, tmp_path / "undisturbed", **FLOW)
    steps.clear()
    killed = program(strokes, tmp_path / "disturbed", moment)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert run(strokes, tmp_path / "disturbed", **FLOW) == expected, "and no state is left"
    assert steps == []


def test_whoever_waits_for_the_same_takes_it(strokes: Path, tmp_path: Path) -> None:
    """As a second `dvc repro` does after the first one was killed, whose `train` goes on."""
    first = program(strokes, tmp_path, "waits")
    until(lambda: saved_epochs(tmp_path) == 1, first)
    second = program(strokes, tmp_path, "trains")
    assert second.stderr is not None
    lines = iter(second.stderr.readline, "")
    assert "another program trains the very same now" in next(lines)
    (tmp_path / "go on").touch()
    assert first.wait() == 0
    said = [*lines]
    assert second.wait() == 0
    assert len(said) == 1 and "is taken as it is" in said[0], said
    first.communicate()
    second.communicate()


def until(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


SUMMARY = TrainingSummary(1, 0, {}, 0.0)


def kept(folder: Path, number: int) -> Path:
    """A made-up training that is through, and is as old as its number is low."""
    own = folder / str(number)
    with keeping(own) as partial:
        (partial / "model").write_text(str(number))
        note(partial, SUMMARY)
    os.utime(own, (number, number))
    return own


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "finished"
    first, *others = [kept(folder, number) for number in range(1, finished.MOST + 1)]
    assert take(first, tmp_path / "model", []) == SUMMARY
    assert (tmp_path / "model").read_text() == "1"
    newest = kept(folder, int(time.time()) + 60)
    assert {*folder.iterdir()} == {first, *others[1:], newest}, "the one taken last is young"


def test_what_was_not_noted_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), keeping(tmp_path / "a") as partial:
        (partial / "model").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


# --- unfinished ones ------------------------------------------------------------------------------


class StoppedError(Exception):
    """Stands for an interruption."""


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Interrupt the next training after its first saved state."""
    from twinstroke.train.state import State

    save = State.save

    def once(self: State, path: Path) -> None:
        save(self, path)
        monkeypatch.setattr(State, "save", save)
        raise StoppedError

    yield lambda: monkeypatch.setattr(State, "save", once)


def on(monkeypatch: pytest.MonkeyPatch, **machine: str) -> None:
    """Let trainings take this machine for one that is made up."""
    monkeypatch.setattr("twinstroke.train.launch.this_machine", lambda *_: machine)
    monkeypatch.setattr("twinstroke.train.launch.kinds_of_machine", lambda _: [machine])


def test_begun_on_two_threads_it_does_not_go_on_with_one(
    strokes: Path, tmp_path: Path, stopping: Callable[[], None]
) -> None:
    torch.set_num_threads(2)
    try:
        expected = run(strokes, tmp_path / "undisturbed", **FLOW)
        stopping()
        with pytest.raises(StoppedError):
            run(strokes, tmp_path, **FLOW)
        (state,) = tmp_path.glob("work/*/state.pt")
        before = state.read_bytes()
        torch.set_num_threads(1)
        with pytest.raises(UserError) as refused:
            run(strokes, tmp_path, **FLOW)
        (line,) = refused.value.problems
        assert "interrupted after epoch 1" in line
        assert "(threads: 2 then, 1 now)" in line
        assert "set OMP_NUM_THREADS=2; or, to begin anew, delete " + str(state.parent) in line
        assert state.read_bytes() == before
        torch.set_num_threads(2)
        assert run(strokes, tmp_path, **FLOW) == expected
    finally:
        torch.set_num_threads(1)


def test_the_number_of_threads_is_that_of_the_environment(strokes: Path, tmp_path: Path) -> None:
    """What the advice says does help."""
    # Dask, in a test before, sets the second for its processes, and MKL heeds it more.
    two = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    process = program(strokes, tmp_path, "waits", **two)
    until(lambda: saved_epochs(tmp_path) == 1, process)
    process.kill()
    process.communicate()
    with pytest.raises(UserError, match=r"threads: 2 then, 1 now.* set OMP_NUM_THREADS=2;"):
        run(strokes, tmp_path, **FLOW)
    again = program(strokes, tmp_path, "trains", **two)
    assert again.communicate() and again.returncode == 0


def test_begun_on_another_gpu_it_does_not_go_on(
    strokes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stopping: Callable[[], None],
    steps: list[int],
) -> None:
    on(monkeypatch, GPU="Abacus 3000", torch="2.13", CUDA="13.0", cuDNN="91900")
    stopping()
    with pytest.raises(StoppedError):
        run(strokes, tmp_path, **FLOW)
    on(monkeypatch, GPU="Abacus 4000", torch="2.13", CUDA="13.0", cuDNN="91901")
    with pytest.raises(UserError) as refused:
        run(strokes, tmp_path, **FLOW)
    (line,) = refused.value.problems
    assert "(GPU: Abacus 3000 then, Abacus 4000 now; cuDNN: 91900 then, 91901 now)" in line
    assert "; go on with it where it began; or, to begin anew, delete" in line
    # Where it began it goes on; what it became is of that GPU alone.
    on(monkeypatch, GPU="Abacus 3000", torch="2.13", CUDA="13.0", cuDNN="91900")
    steps.clear()
    run(strokes, tmp_path, **FLOW)
    assert len(steps) == 2 * (SETTINGS.epochs - 1)
    on(monkeypatch, GPU="Abacus 4000", torch="2.13", CUDA="13.0", cuDNN="91901")
    run(strokes, tmp_path, **FLOW)
    assert len(steps) == 2 * (2 * SETTINGS.epochs - 1)


def test_a_folder_that_is_deleted_as_told_lets_it_begin_anew(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopping: Callable[[], None]
) -> None:
    expected = run(strokes, tmp_path / "undisturbed", **FLOW)
    with monkeypatch.context() as elsewhere:
        on(elsewhere, GPU="Abacus 3000")
        stopping()
        with pytest.raises(StoppedError):
            run(strokes, tmp_path, **FLOW)
    with pytest.raises(UserError) as refused:
        run(strokes, tmp_path, **FLOW)
    folder = Path(str(refused.value).rpartition("delete ")[2])
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert run(strokes, tmp_path, **FLOW) == expected


def test_the_states_written_last_are_kept_and_those_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / f"{number:02}" for number in range(unfinished.MOST + 4)]
    for age, folder in enumerate(reversed(folders)):
        folder.mkdir()
        (folder / "machine.json").write_text("{}")
        os.utime(folder, (1e9 - age, 1e9 - age))
    with alone_now(folders[0]) as ours:
        assert ours
        # Locks are of open files, so one more in this process is another's.
        forget_older(tmp_path, own=[folders[1]])
    left = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert left == {folder.name for folder in (*folders[:2], *folders[4:])}
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("the state of an interrupted training is deleted" in line for line in said)


# --- when a state is written ----------------------------------------------------------------------


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def writes(epochs: int, epoch_s: float, write_s: float, minutes: float) -> int:
    clock = Clock()
    saving = Saving(minutes, clock)
    number = 0
    for _ in range(epochs):
        clock.passes(epoch_s)
        if saving.due:
            saving.write(lambda: clock.passes(write_s))
            number += 1
    return number


def test_states_are_written_every_so_many_minutes() -> None:
    assert writes(epochs=100, epoch_s=60, write_s=0, minutes=10) == 10
    assert writes(epochs=100, epoch_s=60, write_s=3, minutes=0) == 100
    assert writes(epochs=9, epoch_s=60, write_s=3, minutes=10) == 0
    assert writes(epochs=9, epoch_s=3600, write_s=3, minutes=10) == 9


def test_writing_takes_less_than_two_percent_of_the_time() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        epoch_s, write_s, minutes = (float(10**x) for x in random.uniform((-1, -2, -2), (4, 3, 2)))
        number = writes(300, epoch_s, write_s, minutes)
        # The first one is not known beforehand, the others are measured against the one before.
        wrote, trained = max(0, number - 1) * write_s, 300 * epoch_s
        assert wrote <= 0.02 * (trained + wrote), (epoch_s, write_s, minutes)


def test_a_network_that_is_through_is_saved_whatever_the_time(
    strokes: Path, tmp_path: Path, stopping: Callable[[], None], steps: list[int]
) -> None:
    """Two networks, of which the second is interrupted before a minute is over."""
    settings = SETTINGS.model_copy(update={"epochs": 2})
    samples = {"train": [f"s{i}" for i in range(9)], "validation": ["s9", "s10", "s11"]}
    made = description(architecture="i3d", optimisation=settings)

    def ask(folder: Path) -> bytes:
        outputs = Outputs(folder / "work", *(folder / name for name in FILES))
        train(strokes, samples, made, outputs, state_minutes=100)
        return outputs.model.read_bytes()

    expected = ask(tmp_path / "undisturbed")
    stopping()
    with pytest.raises(StoppedError):
        ask(tmp_path / "disturbed")
    assert saved_epochs(tmp_path / "disturbed") == 2
    steps.clear()
    assert ask(tmp_path / "disturbed") == expected
    assert len(steps) == 2 * 2, "the second network alone"


def test_what_decides_bits_is_noted_with_the_state(
    strokes: Path, tmp_path: Path, stopping: Callable[[], None]
) -> None:
    stopping()
    with pytest.raises(StoppedError):
        run(strokes, tmp_path, **FLOW)
    (noted,) = tmp_path.glob("work/*/machine.json")
    assert json.loads(noted.read_text()) == {
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "threads": "1",
        "torch": torch.__version__,
    }


def test_another_torch_is_another_machine(strokes: Path, tmp_path: Path) -> None:
    """The same training: what differs is told, rather than forgotten."""
    own, other = (
        Identity.of(strokes, {}, description(torch_version=version), tmp_path)
        for version in ("2.13.0", "2.14.0")
    )
    assert own.states() == other.states()
    assert own.places({"torch": "2.13.0"}).finished != other.places({"torch": "2.14.0"}).finished
    (folder,) = own.states()
    begin(own.places({"torch": "2.13.0"}), {"torch": "2.13.0"})
    (folder / "state.pt").touch()
    with pytest.raises(UserError, match=r"torch: 2\.13\.0 then, 2\.14\.0 now"):
        begin(other.places({"torch": "2.14.0"}), {"torch": "2.14.0"})
