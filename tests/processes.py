"""Processes that tests start: whom they have started themselves, and whether all are gone."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from pathlib import Path


def spawned(pid: int) -> list[int]:
    """Python processes that a process has started with multiprocessing, the first one first."""
    found = []
    for child in _children(pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"multiprocessing.forkserver" in command:
            found += _children(child)
        elif b"spawn_main" in command:
            found.append(child)
    return found


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in tasks for child in children.read_text().split()]


def all_ended(pids: Iterable[int], within_s: float = 60) -> bool:
    """Whether processes have ended, or do so soon, whoever their parent is."""
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([process], [], [], within_s)[0]:
                return False
        finally:
            os.close(process)
    return True
