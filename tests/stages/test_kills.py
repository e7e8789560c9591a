"""`dvc repro` killed at thirty moments, from its first stage to the last line of the lock file."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json
from ruamel.yaml import YAML

from tests import quick
from tests.clone import ROOT, STAGES, Clone
from tests.moments import LOG, MOMENT, RUN, Event, Moment, Whom, events
from tests.processes import all_ended

pytestmark = pytest.mark.pipeline

SEED = "KILLS_SEED"
"""Variable that draws other moments: `for n in $(seq 100); do KILLS_SEED=$n pytest …; done`."""
KILLS = 30
EPOCHS = 3
TIMED = ("training.json", "pace.json", "index.html", "kept.json")
"""What holds times."""
NOTHING = re.compile(r"\.[\w-]{22}\.tmp|.*\.lock")
"""Names of files that hold nothing: DVC's, to try whether a disk has links, and those of locks."""

SAVED = "os.rename work/train/.* work/train/[^/]*/state.pt"
THROUGH = r"os.rename work/train/finished/\S* work/train/finished/[^/]*"
HANDED_OVER = "os.rename .* data/tiny/model.safetensors"
LOCKED = "open dvc.lock"
"""What happens in `train` and after it, in this order."""

STORED = r"os.rename \S* data/store/\w*/[^/]*\.h\*"
RUN_CACHED = r"(os.mkdir|open|os.rename) .dvc/cache/runs/\*/\*/?.*"
"""What DVC does to remember a run; a folder without one stops it, again and again."""
REMEDIES = {
    r"unable to read: 'dvc\.lock'|dvc\.lock' validation failed": "rm dvc.lock",
    r"Unable to read RWLock-file": "rm .dvc/tmp/rwlock",
    r"join\(\) argument must be str": "find .dvc/cache/runs -empty -delete",
}
"""What DVC says if it was killed while it made a note for itself, and what helps."""


class Watched:
    """A clone in which `dvc repro` is watched, and may be killed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._clone = Clone(folder / "clone")
        self.folder = self._clone.folder
        self._log, self._printed, self._programs = (
            folder / name for name in ("log", "printed", "programs")
        )
        self._runs = 0
        for file, before, after in (
            ("params.yaml", "state_minutes: 10", "state_minutes: 0"),
            # A network that no other test takes through all stages.
            ("params.yaml", "modality: twin", "modality: rgb"),
            ("params.yaml", "targets: classes", "targets: strokes"),
            ("presets/tiny.yaml", "epochs: 2", f"epochs: {EPOCHS}"),
            ("presets/tiny.yaml", "strokes_per_player: 3", "strokes_per_player: 1"),
        ):
            text = (self.folder / file).read_text()
            assert before in text
            (self.folder / file).write_text(text.replace(before, after))
        (self.folder / "dvc.lock").unlink()
        self._programs.mkdir()
        python = self._programs / "python"
        python.write_text(f'#!/bin/sh\nexec {quick.python()} -m tests.moments "$@"\n')
        python.chmod(0o755)

    def repro(self, moment: Moment | None = None) -> tuple[int, str]:
        """Type `dvc repro`, as a user does who reads what DVC says; give its status and words.

        Args:
            moment: When to kill it.
        """
        status, printed = self._repro(moment)
        tried: set[str] = set()
        while status > 0 and (helps := _remedies(printed) - tried):
            tried |= helps
            self._clone.run("sh", "-c", "; ".join(helps))
            status, printed = self._repro(moment)
        return status, printed

    def _repro(self, moment: Moment | None) -> tuple[int, str]:
        self._runs += 1
        environment = {
            **self._clone.environment,
            "PATH": f"{self._programs}{os.pathsep}{quick.path()}",
            LOG: str(self._log),
            RUN: str(self._runs),
        }
        if moment:
            environment[MOMENT] = to_json(asdict(moment)).decode()
        # No pipe: a stage that goes on without its DVC would hold it open.
        with self._printed.open("w") as printed:
            done = subprocess.run(
                [quick.python(), "-m", "tests.moments", "dvc", "repro"],
                cwd=self.folder,
                env=environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        return done.returncode, self._printed.read_text()

    def events(self) -> list[Event]:
        """All that was done, once all is done."""
        assert all_ended({event.process for event in events(self._log)})
        return events(self._log)

    def lock(self) -> dict[str, Any]:
        """What DVC noted of each stage, but for files that hold times."""
        content: dict[str, Any] = YAML(typ="safe").load(self.folder / "dvc.lock")
        for stage in content["stages"].values():
            for side in {"deps", "outs"} & stage.keys():
                stage[side] = [own for own in stage[side] if not own["path"].endswith(TIMED)]
        return content

    def made(self) -> dict[str, bytes]:
        """All files that the stages made; those that hold times are empty."""
        return {
            str(path.relative_to(self.folder)): (
                b"" if path.name.endswith(TIMED) else path.read_bytes()
            )
            for folder in ("data", "reports", "work")
            for path in (self.folder / folder).rglob("*")
            if path.is_file() and not NOTHING.fullmatch(path.name)
        }


def _remedies(printed: str) -> set[str]:
    return {helps for said, helps in REMEDIES.items() if re.search(said, printed)}


class Plan:
    """Moments that are drawn from what an undisturbed run did."""

    def __init__(self, undisturbed: list[Event], seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311
        self._events = undisturbed
        self._moments: list[tuple[int, Moment]] = []
        self._numbers: list[int] = []
        numbers: Counter[tuple[str, bool, str]] = Counter()
        for event in undisturbed:
            numbers[event.stage, event.by_dvc, event.label] += 1
            self._numbers.append(numbers[event.stage, event.by_dvc, event.label])

    def moments(self) -> list[Moment]:
        """Thirty, in the order in which they come, in every stage and after every stage."""
        either: list[Whom] = ["all", "dvc"]
        others = [stage for stage in STAGES if stage != "train"]
        for stage, whom in zip(others, self._draw.sample(either * 6, 11), strict=True):
            self._add(whom, stage)
            self._add("all", stage, by_dvc=True)
        self._add("all", "train", after=SAVED, until=SAVED)
        self._add("all", "train", after=THROUGH, until=HANDED_OVER)
        self._add("dvc", "train", after=HANDED_OVER)
        self._add("all", "train", by_dvc=True, until=LOCKED)
        self._add(self._draw.choice(either), self._draw.choice(others))
        remembered = {own.stage for own in self._events if re.fullmatch(RUN_CACHED, own.label)}
        stage = self._draw.choice(sorted(remembered))
        self._add("all", stage, by_dvc=True, after=RUN_CACHED, until=RUN_CACHED)
        self._tear("dvc.lock")
        self._tear(".dvc/tmp/rwlock")
        assert len(self._moments) == KILLS
        return [moment for _, moment in sorted(self._moments, key=lambda pair: pair[0])]

    def _add(
        self, whom: Whom, stage: str, *, by_dvc: bool = False, after: str = "", until: str = ""
    ) -> None:
        """One more, of the events after the first one of a kind up to the last one of a kind."""
        places = self._places(stage, by_dvc)
        first = min(self._like(after, places)) + 1 if after else places[0]
        last = max(self._like(until, places)) if until else places[-1]
        place = self._draw.choice([place for place in places if first <= place <= last])
        moment = Moment(whom, stage, by_dvc, self._events[place].label, self._numbers[place])
        self._moments.append((place, moment))

    def _tear(self, file: str) -> None:
        """One more, while DVC writes a file in place; most often nothing is written yet."""
        stage = self._draw.choice(STAGES)
        place = min(self._like(f"open {file}", self._places(stage, by_dvc=True)))
        share = self._draw.choice([0.0, self._draw.random()])
        self._moments.append((place, Moment("torn", stage, True, file, share=share)))

    def _places(self, stage: str, by_dvc: bool) -> list[int]:
        return [
            place
            for place, event in enumerate(self._events)
            if (event.stage, event.by_dvc) == (stage, by_dvc) and not event.before_its_turn
        ]

    def _like(self, kind: str, places: list[int]) -> list[int]:
        return [place for place in places if re.fullmatch(kind, self._events[place].label)]


def moments_in_train(seen: list[Event]) -> set[str]:
    """How far the training was when it was killed, or DVC after it."""
    found, phase = set(), "begins"
    for event in seen:
        if event.killed and event.stage == "train":
            found.add(phase)
        if event.happened:
            for kind, name in (
                (SAVED, "in its epochs"),
                (THROUGH, "is kept"),
                (HANDED_OVER, "is handed over"),
            ):
                phase = name if re.fullmatch(kind, event.label) else phase
    return found


def beside_another(seen: list[Event]) -> list[Event]:
    """What processes did after the next one of the same stage had begun, but for waiting."""
    at_work: dict[str, list[int]] = {stage: [] for stage in STAGES}
    found = []
    for event in seen:
        if event.by_dvc or event.before_its_turn:
            continue
        processes = at_work[event.stage]
        if event.process not in processes:
            processes.append(event.process)
        elif event.process != processes[-1]:
            found.append(event)
    return found


def renamed(seen: list[Event], kind: str) -> Counter[str]:
    """Files and folders that got their names, and how often."""
    return Counter(
        event.files[-1] for event in seen if event.happened and re.fullmatch(kind, event.label)
    )


def test_killed_at_thirty_moments_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    seed = int(os.environ.get(SEED, "502"))
    undisturbed, killed = (Watched(tmp_path / name) for name in ("undisturbed", "killed"))
    status, printed = undisturbed.repro()
    assert status == 0, printed
    for moment in Plan(undisturbed.events(), seed).moments():
        status, printed = killed.repro(moment)
        assert status == -signal.SIGKILL, (moment, printed)
    status, printed = killed.repro()
    assert status == 0, printed
    seen = killed.events()
    kills = [event for event in seen if event.killed]
    for event in kills:
        print(event.stage, "afterwards" if event.by_dvc else "itself", event.killed, event.label)
    assert len(kills) == KILLS
    assert beside_another(seen) == []
    assert moments_in_train(seen) >= {"in its epochs", "is kept", "is handed over"}
    assert killed.lock() == undisturbed.lock()
    assert killed.made() == undisturbed.made(), "or something was left behind"
    # Nothing was done twice: each finished file has got its name once, and so has each epoch.
    stored = renamed(seen, STORED)
    assert stored == dict.fromkeys(renamed(undisturbed.events(), STORED), 1)
    assert [*renamed(seen, SAVED).values()] == [EPOCHS - 1]
    assert [*renamed(seen, THROUGH).values()] == [1]


def test_the_readme_says_what_helps() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [helps for helps in REMEDIES.values() if f"`{helps}`" not in readme] == []
