"""What a user can put right is a :class:`UserError`; everything else is a defect of ours."""

from __future__ import annotations

import errno
import functools
import io
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twinstroke.turns import turn


class UserError(Exception):
    """Bad input, in words for the person who can mend it.

    The message holds one line a problem; each line names the file (and row, frame or key), what
    was found, what was expected, and what to do.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        """Keep one or several problems, in the order in which they were found."""
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[UserError], tuple[list[str]]]:
        """Let the error travel from a worker process to its parent unchanged."""
        return type(self), (self.problems,)


_ROOM = "make room on that disk, and run {again} again: it goes on with what is finished"
_RIGHTS = "see that you may write there, and run {again} again"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
}
_OTHER_ADVICE = (
    "see that the file is there and whole; what the program made itself may be deleted and comes "
    "back with {made_by}"
)
PIPELINE = "dvc repro"
"""What makes everything again, for the stages."""
SAME = "the same command"
"""What goes on where it stopped, for the verbs of the command line."""


def exits_cleanly(main: Callable[[], None], again: str = PIPELINE) -> Callable[[], None]:
    r"""Make a script's ``main`` print a :class:`UserError` line by line and exit with status 1.

    A stage that DVC starts waits for its turn before (`turns`).

    So do files that are missing, damaged or cannot be written, but in one line; and an interruption
    by the user, with status 130. Whoever reads the output may stop early, as ``head`` does: nothing
    is said of that, and the status is 1. What a terminal has no signs for is written as ``\xe9``.

    Args:
        main: The script.
        again: What to run to go on, for the advice.
    """

    @functools.wraps(main)
    def run() -> None:
        # As Python does it for errors: videos may have any name, and terminals know ASCII only.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            with turn():
                main()
        except UserError as error:
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print(f"interrupted; what is finished is kept, and {again} goes on", file=sys.stderr)
            sys.exit(130)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                sys.exit(1)
            print(f"error: {advised(error, again)}", file=sys.stderr)
            sys.exit(1)

    return run


def advised(error: OSError, again: str = PIPELINE) -> str:
    """What the system says of a file, and what to do."""
    made_by = again if again == PIPELINE else f"{again} or {PIPELINE}"
    advice = _ADVICE.get(error.errno or 0, _OTHER_ADVICE)
    return f"{error}; {advice.format(again=again, made_by=made_by)}"


def _nobody_reads() -> bool:
    """Tell whether it is our output that has no reader any more, rather than another program's."""
    output = 1
    state = select.poll()
    state.register(output, 0)  # asks for errors only
    if not state.poll(0):
        return False
    # Python flushes once more at its end, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


UNREADABLE = (OSError, KeyError, RuntimeError, ValueError)
"""What h5py raises for files that are missing or damaged."""


@contextmanager
def named(path: Path | str) -> Iterator[None]:
    """Let errors of reading an HDF5 file that a stage made say which file it is: HDF5 does not.

    Raises:
        UserError: It is damaged or missing.
    """
    try:
        yield
    except UNREADABLE as error:
        raise UserError(
            f"{path}: cannot be read ({error}); delete it and run {PIPELINE}, which makes it anew"
        ) from None


# The words about tables stand here, for what depends on `tables` must not run again for a word.


def missing_table(path: Path) -> UserError:
    """A table that a stage should have written."""
    return UserError(f"{path}: not found; run the stage that writes it: {PIPELINE}")


def no_table(source: Path | str, error: Exception) -> UserError:
    """A file that cannot be read as a table."""
    return UserError(
        f"{source}: no table as the pipeline writes it ({error}); delete it and run {PIPELINE}"
    )


def odd_row(source: str, number: int, key: str, problem: str) -> UserError:
    """A row of a table that no stage writes like this."""
    return UserError(
        f"{source}: row {number}: {key}: {problem}; this file is written by the pipeline, so "
        f"delete it and run {PIPELINE}"
    )
