"""HDF5 files of the stages: compressed, whole or not at all, and made only once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin
import numpy as np

from twinstroke.errors import UNREADABLE, named
from twinstroke.files import replacing

if TYPE_CHECKING:
    from typing_extensions import Buffer

FINGERPRINT = "fingerprint"

# Ways of compressing, all lossless; reading needs ``import hdf5plugin``. Sizes are those of real
# footage of 320×180.
COMPRESSION = hdf5plugin.Blosc2(cname="zstd", clevel=3, filters=hdf5plugin.Blosc2.SHUFFLE)
"""For arrays of any kind."""
PLANES = {
    "compression": COMPRESSION["compression"],
    # Level 1; differences of neighbouring bytes, a filter without a name in hdf5plugin; zstd.
    "compression_opts": (0, 0, 0, 0, 1, 35, 5),
}
"""For frames of which each colour is a plane: 64 of 173 kB, if 16 frames are taken at once, among
which H.264 left still parts equal."""
FIELDS = hdf5plugin.Htj2k()
"""For smooth fields of int16, a plane at a time (JPEG 2000, part 15): 19 of 230 kB."""

# Blosc2 with several threads orders its blocks as they finish, which would change the bytes.
os.environ["BLOSC_NTHREADS"] = "1"


@contextmanager
def new_hdf5(path: Path, fingerprint: str) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears under its name only when complete.

    Equal contents written in the same order give equal bytes: HDF5 stores no time here.

    Raises:
        OSError: It cannot be written, for instance because the disk is full.
    """
    with replacing(path) as partial, _CalmFile(partial, "w+") as calm:
        try:
            with h5py.File(calm, "w", libver="v110") as file:
                # Of a fixed length: a damaged file may hang where HDF5 looks for the other kind.
                file.attrs[FINGERPRINT] = np.bytes_(fingerprint)
                yield file
        except Exception:
            # What was not written may be read again, and make no sense.
            calm.complain(path)
            raise
        calm.complain(path)
        # The name must not be there before the contents, whatever happens to the machine.
        os.fsync(calm.fileno())


class _CalmFile(FileIO):
    """What HDF5 writes to: after an error, such as a full disk, it only pretends to write.

    HDF5 cannot close a file that it cannot write, keeps it for ever, and crashes in the end. So it
    never learns of the error, which waits here until it has closed the file.
    """

    error: OSError | None = None

    def complain(self, path: Path) -> None:
        """Raise the error that was met, if any, about the file as the user knows it."""
        if self.error is not None:
            raise OSError(self.error.errno, self.error.strerror, str(path)) from None

    def write(self, data: Buffer, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while self.error is None and left:
            try:
                left = left[super().write(left) :]
            except OSError as error:
                self.error = error
        return size

    def readinto(self, target: Buffer, /) -> int:
        room = memoryview(target).cast("B")
        found = super().readinto(room)
        if self.error is None:
            return found
        # What was not written reads as zeros.
        room[found:] = bytes(len(room) - found)
        return len(room)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


def fingerprint_of(**parts: Any) -> str:
    """Digest of everything that an output depends on: content, parameters, versions.

    The versions of what writes files are among them.
    """
    written_by = {"h5py": h5py.__version__, "hdf5plugin": hdf5plugin.version}
    canonical = json.dumps({**parts, **written_by}, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def is_finished(path: Path, fingerprint: str) -> bool:
    """Tell whether `path` is a complete HDF5 file that was made from exactly these inputs."""
    try:
        with h5py.File(path) as file:
            found = file.attrs.get_id(FINGERPRINT)
            return found.dtype.kind == "S" and bool(file.attrs[FINGERPRINT] == fingerprint.encode())
    except UNREADABLE:
        return False


def opened(path: Path) -> h5py.File:
    """Open an HDF5 file that an earlier stage made, for reading.

    Raises:
        UserError: It is damaged or missing.
    """
    with named(path):
        return h5py.File(path)
