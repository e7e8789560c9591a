"""Stages of the same name in one folder take turns.

Whoever kills `dvc` alone leaves behind the stage that it had started. That goes on, and the next
`dvc repro` starts the same stage once more, which would write the same files at the same time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn() -> Iterator[None]:
    """If DVC started this stage, wait until no other process carries it out in this folder.

    The system unlocks the file, ``work/<stage>.lock``, when the process ends, however it ends.

    Raises:
        OSError: The file cannot be written.
    """
    if "DVC_STAGE" not in os.environ:  # by hand, or several processes of one training by torchrun
        yield
        return
    from filelock import FileLock, Timeout  # no other program needs it

    script = Path(sys.argv[0])
    lock = FileLock(Path("work", f"{script.stem}.lock"))
    Path(lock.lock_file).parent.mkdir(exist_ok=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(
            f"{script.stem}: waiting for the end of a {script} that is still at work; the dvc that "
            "started it was killed",
            file=sys.stderr,
            flush=True,
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
