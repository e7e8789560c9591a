"""Work spread over processes: ordered results, bounded memory, one OpenCV thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from twinstroke.errors import UserError

In = TypeVar("In")
Out = TypeVar("Out")


def available_workers() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def ordered_map(
    function: Callable[[In], Out], items: Iterable[In], workers: int
) -> Iterator[Out | UserError]:
    """Apply `function` to every item, in `workers` processes, and yield the results in order.

    At most three items a worker are under way or waiting to be fetched, so that memory does not
    grow with their number. Bad input must not cost the work on other items: where `function`
    raises a :class:`UserError`, that error is yielded in place of the result.

    Args:
        function: A function of module level (it is sent to new processes).
        items: Arguments that can be pickled.
        workers: Number of processes; with 1 everything happens in this one.

    Raises:
        UserError: A process died, for instance because memory ran out.
    """
    if workers == 1:
        _use_one_opencv_thread()
        for item in items:
            yield _outcome(function, item)
        return
    # A forked OpenCV or HDF5 may hang or corrupt data: begin with new interpreters.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _prepare_worker) as pool:
        under_way: deque[Future[Out | UserError]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(_outcome, function, item))
                if len(under_way) >= 3 * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a worker process died (killed, or out of memory); finished videos are kept: "
                "free some memory and run dvc repro again"
            ) from None
        finally:
            for future in under_way:
                future.cancel()


def _outcome(function: Callable[[In], Out], item: In) -> Out | UserError:
    try:
        return function(item)
    except UserError as error:
        return error


def _prepare_worker() -> None:
    _use_one_opencv_thread()
    # A killed parent cannot end its workers, and they would wait for its next order for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _use_one_opencv_thread() -> None:
    # The processes already fill the cores; OpenCV's own threads would only compete.
    cv2.setNumThreads(1)
