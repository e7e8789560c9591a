"""The store: every finished file of the stages, once, by the fingerprint of what it was made from.

``data/store/<stage>/<fingerprint>.h5`` is made once and never changed. Stages link it into their
output folders, and DVC links these into its cache: one file on the disk, with several names. So
experiments of other parameters lie side by side, and going back to earlier ones computes nothing.
Unfinished files lie beside as folders ``<fingerprint>.parts``.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from twinstroke.files import project_folder, replacing
from twinstroke.progress import summarise

STORE = Path("data", "store")
PARTS = ".parts"
"""Ends the name of a folder with the parts of an unfinished file."""
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
"""What systems say where a hard link is not possible, but a copy may be."""


def project_store() -> Path:
    """The store of the project, also for an experiment that DVC runs in a copy of the folder."""
    return project_folder() / STORE


def link(kept: Path, target: Path) -> None:
    """Give a file of the store another name; where links are not possible, copy it.

    Parts of it that are still there go: a run was killed when it had put them together.

    Args:
        kept: The file, which is finished.
        target: Its other name; a file that is there is replaced, never written to.

    Raises:
        OSError: The file is gone, or the target cannot be written.
    """
    shutil.rmtree(kept.with_suffix(PARTS), ignore_errors=True)
    if target.exists() and target.samefile(kept):
        return
    with replacing(target) as partial:
        partial.unlink(missing_ok=True)
        try:
            partial.hardlink_to(kept)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _say_that_copies_are_made(kept.parent, target.parent)
            shutil.copyfile(kept, partial)


@cache
def _say_that_copies_are_made(store: Path, folder: Path) -> None:
    summarise(
        store.name,
        f"no hard link leads from {store} to {folder}, so files are copied and take their room "
        "twice; put both on one disk if that is too much",
    )


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Wait until no other program does the same work.

    Args:
        work: Folder or file that only one program fills at a time; its folder need not be there.

    Raises:
        OSError: Its folder cannot be written.
    """
    work.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work.with_name(f".{work.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        summarise(work.parent.name, f"another run is at work on {work}; waiting for its end")
        lock.acquire()
    try:
        yield
        Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()
