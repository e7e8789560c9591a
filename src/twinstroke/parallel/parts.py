"""Files that are computed in parts: several processes share one, and a kill costs a part each.

A part is an HDF5 file of its own, in the store (see `store`), where the whole will be kept. It has
the same datasets on the same grid of chunks, so it begins with as many empty rows as its first
chunk has rows of the part before. When the parts are joined, compressed chunks are copied as they
are; only a chunk that two parts share is made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, pairwise, product
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from twinstroke.errors import UNREADABLE, UserError
from twinstroke.files import prune
from twinstroke.hdf5 import fingerprint_of, is_finished, new_hdf5
from twinstroke.parallel.store import PARTS, alone, link
from twinstroke.parallel.workers import Workers
from twinstroke.progress import progress_bar

Item = TypeVar("Item")
_BATCH_BYTES = 1 << 22
PARAMETERS = "parameters"
"""Attribute of every file: what a person knows it by, as JSON."""
CONTENT = "content"
"""Attribute of every file: SHA-256 of what is stored, but for the columns."""
Rows = Mapping[str, NDArray[Any]]
"""Next rows of some datasets; each has rows (n, *shape)."""


@dataclass(frozen=True)
class Dataset:
    """How one dataset of a file is stored."""

    shape: tuple[int, ...]
    """Of one row."""
    dtype: DTypeLike
    chunk: tuple[int, ...] = ()
    """Rows and extent of a chunk; empty for small columns, which are stored as they are."""
    compression: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputFile(Generic[Item]):
    """A file to be made."""

    target: Path
    """Where the stage is asked to put it."""
    store: Path
    """Folder of the store in which it is made and kept."""
    fingerprint: str
    """Of everything that the contents depend on."""
    parameters: Mapping[str, Any]
    """Of these what a person knows it by."""
    datasets: Mapping[str, Dataset]
    attributes: Mapping[str, Any]
    items: Sequence[Item] = ()
    """What the function needs for each part; says as ``str`` what it is."""
    rows: Sequence[int] = ()
    """Rows of each part."""
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """More datasets, which are known beforehand."""

    @property
    def kept(self) -> Path:
        """Its own name; the target is another one."""
        return self.store / f"{self.fingerprint}.h5"

    @property
    def folder(self) -> Path:
        """Where the parts wait for each other."""
        return self.kept.with_suffix(PARTS)

    @property
    def bounds(self) -> list[int]:
        """First row of each part, and the number of all rows."""
        return [0, *accumulate(self.rows)]

    def part(self, begin: int) -> Path:
        """File of the part that begins at a row."""
        return self.folder / f"{begin}.h5"

    def places(self) -> Iterator[tuple[int, int, Path, str]]:
        """First row, number of rows, file and fingerprint of each part."""
        for begin, end in pairwise(self.bounds):
            fingerprint = fingerprint_of(whole=self.fingerprint, begin=begin, end=end)
            yield begin, end - begin, self.part(begin), fingerprint


@dataclass(frozen=True)
class _Part(Generic[Item]):
    output: int
    """Place of its file in the list."""
    path: Path
    fingerprint: str
    datasets: Mapping[str, Dataset]
    item: Item
    begin: int
    """Row of the whole at which it begins."""
    rows: int

    def __str__(self) -> str:
        return str(self.item)


@dataclass(frozen=True)
class _Join:
    output: int
    made: OutputFile[Any]

    def __str__(self) -> str:
        return str(self.made.target)


def take(output: OutputFile[Any]) -> bool:
    """Put a file in its place if the store has it, finished and undamaged.

    Returns:
        Whether it has.

    Raises:
        OSError: The target cannot be written.
    """
    if not is_finished(output.kept, output.fingerprint):
        return False
    if not _is_sound(output):
        # Other names of the same file are as bad: DVC trusts what nobody may write to, no other.
        output.kept.chmod(0o644)
        output.kept.unlink()
        return False
    link(output.kept, output.target)
    return True


def make_in_parts(
    stage: str,
    unit: str,
    outputs: Sequence[OutputFile[Item]],
    function: Callable[[Item], Iterator[Rows]],
    workers: Workers,
) -> list[str]:
    """Make files that the store lacks, in parts that are spread over processes.

    Parts that an interrupted run left are taken up. What bad input prevents is left out, and its
    finished parts are kept; the other files are made. If another run is at the same, this one waits
    and takes what that made.

    Args:
        stage: Name for the progress bar.
        unit: What a row is, for the progress bar.
        outputs: The files, which go to one folder of the store.
        function: Of module level; yields the rows of one item from first to last, in blocks.
        workers: Processes that do it.

    Returns:
        What is wrong with the input, a line each.

    Raises:
        UserError: The cluster cannot be used.
        OSError: A disk is full, a folder cannot be written ….
    """
    if not outputs:
        return []
    # Two videos may show the same: what is made of them is one file, with two names.
    made = {output.fingerprint: output for output in reversed(outputs)}
    with alone(outputs[0].store):
        problems = _made_alone(stage, unit, [*reversed(made.values())], function, workers)
        for output in outputs:
            if made[output.fingerprint] is not output and output.kept.exists():
                link(output.kept, output.target)
    return problems


def _made_alone(
    stage: str,
    unit: str,
    outputs: Sequence[OutputFile[Item]],
    function: Callable[[Item], Iterator[Rows]],
    workers: Workers,
) -> list[str]:
    problems: dict[int, list[str]] = {}
    missing: list[set[Path]] = []
    left: deque[_Part[Item]] = deque()
    joins: deque[_Join] = deque()

    def is_there(number: int) -> None:
        if not missing[number]:
            joins.append(_Join(number, replace(outputs[number], items=())))

    for number, output in enumerate(outputs):
        if is_finished(output.kept, output.fingerprint):  # by the run that this one waited for
            parts = []
        else:
            output.folder.mkdir(parents=True, exist_ok=True)
            parts = list(_parts(number, output))
            # What killed processes left half-written.
            prune(output.folder, [part.path for part in parts])
        own = [part for part in parts if not is_finished(part.path, part.fingerprint)]
        left += own
        missing.append({part.path for part in own})
        is_there(number)

    def next_work() -> _Part[Item] | _Join | None:
        if joins:
            return joins.popleft()
        while left:
            part = left.popleft()
            if part.output not in problems:
                return part
        return None

    with progress_bar(stage, sum(part.rows for part in left), unit) as bar:
        for done, outcome in workers.outcomes(partial(_made, function), next_work):
            if isinstance(outcome, UserError):
                problems.setdefault(done.output, []).extend(outcome.problems)
            elif isinstance(done, _Part):
                missing[done.output].discard(done.path)
                is_there(done.output)
                bar.update(done.rows)
            elif is_finished(done.made.kept, done.made.fingerprint):
                link(done.made.kept, done.made.target)
            else:
                problems[done.output] = [f"{done.made.kept}: {_OTHER_RUN}"]
    return [problem for number in sorted(problems) for problem in dict.fromkeys(problems[number])]


_OTHER_RUN = "another program changes the store; end it, and run dvc repro again"


def grouped(
    items: Iterable[Item], size: Callable[[Item], int], least: int
) -> Iterator[tuple[Item, ...]]:
    """Neighbouring items in groups of at least some size; the last one may be smaller."""
    group: list[Item] = []
    total = 0
    for item in items:
        group.append(item)
        total += size(item)
        if total >= least:
            yield tuple(group)
            group, total = [], 0
    if group:
        yield tuple(group)


def _parts(number: int, output: OutputFile[Item]) -> Iterator[_Part[Item]]:
    places = output.places()
    for item, (begin, rows, path, fingerprint) in zip(output.items, places, strict=True):
        yield _Part(number, path, fingerprint, output.datasets, item, begin, rows)


def _made(function: Callable[[Item], Iterator[Rows]], work: _Part[Item] | _Join) -> None:
    if isinstance(work, _Part):
        _write(function, work)
    else:
        _put_together(work.made)


def _write(function: Callable[[Item], Iterator[Rows]], part: _Part[Item]) -> None:
    if not part.path.parent.is_dir():
        return  # The whole was made meanwhile, because this process was thought dead.
    own = _own(part.path.parent)
    with new_hdf5(own, part.fingerprint) as file:
        writers = {
            name: _Writer(file, name, dataset, part) for name, dataset in part.datasets.items()
        }
        for block in function(part.item):
            for name, rows in block.items():
                writers[name].append(rows)
        for writer in writers.values():
            writer.finish()
    own.replace(part.path)


def _own(folder: Path) -> Path:
    """A file that no other process writes to: one that was given up may still be at it."""
    return folder / f"{uuid4().hex}.h5"


class _Writer:
    """Appends rows to a dataset of a part, and writes whole chunks."""

    def __init__(self, file: h5py.File, name: str, dataset: Dataset, part: _Part[Any]) -> None:
        chunk = dataset.chunk[0] if dataset.chunk else 1
        row = np.zeros((1, *dataset.shape), dataset.dtype)
        # Small chunks are written several at once.
        self._buffer = row.repeat(max(1, _BATCH_BYTES // (chunk * row.nbytes)) * chunk, axis=0)
        self._at = part.begin % chunk
        self._out = _created(file, name, dataset, self._at + part.rows)
        self._written = 0

    def append(self, rows: NDArray[Any]) -> None:
        while len(rows):
            count = min(len(rows), len(self._buffer) - self._at)
            self._buffer[self._at : self._at + count] = rows[:count]
            self._at += count
            rows = rows[count:]
            if self._at == len(self._buffer):
                self._flush()

    def finish(self) -> None:
        if self._at:
            self._flush()
        if self._written != len(self._out):
            raise RuntimeError(
                f"{self._out.name}: {self._written} rows came, {len(self._out)} were expected"
            )

    def _flush(self) -> None:
        self._out[self._written : self._written + self._at] = self._buffer[: self._at]
        self._written += self._at
        self._at = 0


def _created(file: h5py.File, name: str, dataset: Dataset, rows: int) -> h5py.Dataset:
    shape = (rows, *dataset.shape)
    if not dataset.chunk:
        return file.create_dataset(name, shape, dataset.dtype)
    return file.create_dataset(
        name,
        shape,
        dataset.dtype,
        chunks=dataset.chunk,
        # Otherwise a chunk could not be longer than the dataset.
        maxshape=(None, *dataset.shape),
        **dataset.compression,
    )


def _put_together(output: OutputFile[Any]) -> None:
    broken = [path for *_, path, own in output.places() if not is_finished(path, own)]
    if is_finished(output.kept, output.fingerprint):
        # A run that this one waited for did it, or a process that was thought dead.
        shutil.rmtree(output.folder, ignore_errors=True)
        return
    if broken:
        raise UserError(f"{output.target}: its part {broken[0]} went away; {_OTHER_RUN}")
    content = hashlib.sha256()
    own = _own(output.folder)
    with new_hdf5(own, output.fingerprint) as file:
        for name, dataset in output.datasets.items():
            out = _created(file, name, dataset, output.bounds[-1])
            if dataset.chunk:
                _copy_chunks(out, dataset.chunk, output, content)
            else:
                for begin, end in pairwise(output.bounds):
                    with h5py.File(output.part(begin)) as part:
                        out[begin:end] = part[name][:]
                content.update(out[:].tobytes())
        for name, column in output.columns.items():
            is_text = isinstance(column[0], str)
            file.create_dataset(name, data=column, dtype=h5py.string_dtype() if is_text else None)
        file.attrs.update(output.attributes)
        file.attrs[PARAMETERS] = json.dumps(output.parameters)
        file.attrs[CONTENT] = content.hexdigest()
    own.replace(output.kept)
    shutil.rmtree(output.folder, ignore_errors=True)


def _copy_chunks(
    out: h5py.Dataset, chunk: tuple[int, ...], output: OutputFile[Any], content: hashlib._Hash
) -> None:
    step, total = chunk[0], len(out)
    across = _across(out, chunk)
    seam = np.zeros((step, *out.shape[1:]), out.dtype)
    for begin, end in pairwise(output.bounds):
        grid = begin - begin % step
        with h5py.File(output.part(begin)) as file:
            part = file[out.name]
            for row in range(grid, end, step):
                stop = min(row + step, total)
                if begin <= row and stop <= end:
                    for place in product(*across):
                        mask, packed = part.id.read_direct_chunk((row - grid, *place))
                        out.id.write_direct_chunk((row, *place), packed, mask)
                        content.update(packed)
                    continue
                inside = slice(max(row, begin), min(stop, end))
                seam[inside.start - row : inside.stop - row] = part[
                    inside.start - grid : inside.stop - grid
                ]
                if inside.stop == stop:
                    out[row:stop] = seam[: stop - row]
                    for place in product(*across):
                        content.update(out.id.read_direct_chunk((row, *place))[1])


def _across(data: h5py.Dataset, chunk: tuple[int, ...]) -> list[range]:
    """Where chunks of the same rows begin, along the other axes."""
    return [range(0, size, step) for size, step in zip(data.shape[1:], chunk[1:], strict=True)]


def _is_sound(output: OutputFile[Any]) -> bool:
    """Tell whether a finished file still holds what was written."""
    content = hashlib.sha256()
    try:
        with h5py.File(output.kept) as file:
            for name, dataset in output.datasets.items():
                data = file[name]
                if not dataset.chunk:
                    content.update(data[:].tobytes())
                    continue
                rows = range(0, len(data), dataset.chunk[0])
                for place in product(rows, *_across(data, dataset.chunk)):
                    content.update(data.id.read_direct_chunk(place)[1])
            return bool(file.attrs[CONTENT] == content.hexdigest())
    except UNREADABLE:
        return False
