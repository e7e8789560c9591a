"""Work spread over processes, of this machine or of a Dask cluster.

The processes of this machine are a small Dask cluster too, so that there is one way in which work
is handed out: a process that dies is replaced, and what it was doing is tried once more.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import platform
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Self, TypeVar

import cv2
import dask
import imageio_ffmpeg
from dask.system import cpu_count
from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    get_worker,
)
from distributed.comm.core import CommClosedError
from distributed.security import Security

from twinstroke.errors import UserError

In = TypeVar("In")
Out = TypeVar("Out")

ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"
LOCAL = "local"
_AHEAD = 3
"""Items for each thread that are under way or waiting: none is idle, and memory stays bounded."""
_ASK_AGAIN_S = 2
_PATIENCE_S = 10
_DECIDE_BITS = (
    "h5py",
    "hdf5plugin",
    "numpy",
    "opencv-contrib-python-headless",
    "scipy",
)
"""Packages on whose versions the bits of results depend."""
_LOCAL_CONFIG: dict[str, object] = {
    # An item is tried again once when the process that worked on it died …
    "distributed.scheduler.allowed-failures": 1,
    # … and no other item is blamed for that: a process holds one at a time.
    "distributed.scheduler.worker-saturation": 1.0,
    # A busy machine is no reason to give up a connection to itself.
    "distributed.comm.timeouts.connect": "120s",
    "distributed.comm.timeouts.tcp": "120s",
    # Libraries are loaded once for all of them. (On macOS some of them do not bear a fork.)
    "distributed.worker.multiprocessing-method": (
        "forkserver" if sys.platform == "linux" else "spawn"
    ),
    # What somebody set for a cluster is not meant for these processes.
    "distributed.worker.lifetime.duration": None,
    **{f"distributed.{kind}.preload": [] for kind in ("scheduler", "nanny", "worker")},
    # Nothing is served but the work.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Its warnings about what we deal with ourselves would look like errors.
    "distributed.logging": {"distributed": logging.CRITICAL, "tornado": logging.CRITICAL},
}


class Workers:
    """Processes that do items of work; they start when the first item comes.

    A context manager: at its end local processes end, and a cluster is let go.
    """

    def __init__(self, scheduler: str = LOCAL, *, count: int | None = None) -> None:
        """Choose the processes.

        Args:
            scheduler: ``local``, or the address of a Dask scheduler, whose workers have one thread,
                run the same versions and see the project's folder under the same path.
            count: Number of local processes; without it, as many as this process may use cores.
                With 0 the work is done in this process.
        """
        self._scheduler = scheduler
        self._count = available_workers() if count is None else count
        self._stack = ExitStack()
        self._threads = 0
        self._asked = -math.inf

    def __enter__(self) -> Self:
        """Begin; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the local processes."""
        self._stack.close()

    def outcomes(
        self, function: Callable[[In], Out], take: Callable[[], In | None]
    ) -> Iterator[tuple[In, Out | UserError]]:
        """Apply `function` to items as they come, and yield each with its result when it is done.

        Bad input must not cost the work on other items: where `function` raises a
        :class:`UserError`, that error is yielded in place of the result, and so it is where the
        process died twice. Any other exception, such as a full disk, ends the work.

        Args:
            function: A function of module level (it is sent to other processes). It may be carried
                out twice.
            take: Gives the next item, or None if there is none at the moment: it is asked again
                after each result, so that what a result makes possible comes next. Items can be
                pickled, and say as ``str`` what they are.

        Raises:
            UserError: The cluster cannot be reached, goes away, or is not like this machine.
        """
        if self._scheduler == LOCAL and not self._count:
            cv2.setNumThreads(1)
            while (item := take()) is not None:
                yield item, _outcome(function, item)
            return
        first = take()
        if first is None:
            return
        # Not before there is something to do: processes take a second to start.
        client = self._client
        # Local processes are like this one.
        own = {} if self._scheduler == LOCAL else environment()
        done: Queue[Future[Out | UserError]] = Queue()
        under_way: dict[Future[Out | UserError], In] = {}

        def submit(item: In) -> None:
            future = client.submit(_sent, function, item, own, Path.cwd(), pure=False)
            under_way[future] = item
            future.add_done_callback(done.put)

        submit(first)
        try:
            while True:
                room = self._room(client)
                while len(under_way) < room and (item := take()) is not None:
                    submit(item)
                if not under_way:
                    return
                future = self._next(done, client)
                item = under_way.pop(future)
                yield item, self._result(future, item)
        except (CancelledError, CommClosedError):
            # Which one is a matter of what the client was about.
            raise UserError(
                f"the Dask scheduler {self._scheduler} went away; what is finished is kept: start "
                "it again and run dvc repro"
            ) from None
        finally:
            client.cancel(list(under_way))

    def _room(self, client: Client) -> int:
        """Items that may be under way; asked again now and then, for workers come and go."""
        if time.monotonic() > self._asked + _ASK_AGAIN_S:
            self._threads = sum(client.nthreads().values())
            self._asked = time.monotonic()
        return _AHEAD * max(1, self._threads)

    def _next(
        self, done: Queue[Future[Out | UserError]], client: Client
    ) -> Future[Out | UserError]:
        told = False
        while True:
            try:
                return done.get(timeout=_PATIENCE_S)
            except Empty:
                if not told and not client.nthreads():
                    self._say_waiting()
                    told = True

    def _say_waiting(self) -> None:
        print(f"waiting for workers of {self._scheduler}", file=sys.stderr, flush=True)

    def _result(self, future: Future[Out | UserError], item: In) -> Out | UserError:
        try:
            result: Out | UserError = future.result()
        except KilledWorker:
            return UserError(
                f"{item}: the process that worked on it died, and so did the one that tried again: "
                "memory ran out, or a library crashes on it; free some memory and run dvc repro "
                "again, and look at that input if it dies once more"
            )
        except _UnlikeThisMachineError as difference:
            raise UserError(f"{self._scheduler}: {difference}") from None
        return result

    @cached_property
    def _client(self) -> Client:
        # Nothing is said of what we report ourselves, such as a worker that died, or know: a
        # table of many samples is large.
        warnings.filterwarnings("ignore", ".*large graph")
        for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return self._local_client() if self._scheduler == LOCAL else self._cluster_client()

    def _local_client(self) -> Client:
        self._stack.enter_context(dask.config.set(_LOCAL_CONFIG))
        # Other users of this machine can connect to our ports: let them need a key.
        security = Security.temporary()
        try:
            cluster = LocalCluster(
                n_workers=self._count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                memory_limit=0,
                security=security,
                silence_logs=logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"the processes that do the work cannot be started ({error}); see that "
                "127.0.0.1 and a folder for temporary files are there and can be used"
            ) from None
        self._stack.enter_context(cluster)
        client = Client(cluster, security=security, set_as_default=False)
        self._stack.enter_context(client)
        client.register_plugin(_Undisturbed())
        return client

    def _cluster_client(self) -> Client:
        try:
            client = Client(self._scheduler, timeout="10s", set_as_default=False)
            self._stack.enter_context(client)
            if not client.nthreads():
                self._say_waiting()
                client.wait_for_workers(1)
            # Whoever cannot read our items would not refuse them, but die of them.
            answers = [client.run_on_scheduler(environment)]
            answers += client.run(environment, on_error="return").values()
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"no Dask scheduler answers at {self._scheduler!r} ({error}); start it, or mend "
                f"{ADDRESS_VARIABLE} or scheduler in params.yaml"
            ) from None
        except ImportError as error:
            answers = [error]
        for answer in answers:
            if isinstance(answer, Exception):
                raise UserError(
                    f"{self._scheduler}: its scheduler or one of its workers runs in an "
                    f"environment without this version of twinstroke ({answer}); start all of them "
                    "with the project's own Python"
                )
        return client


def available_workers() -> int:
    """Number of cores that this process may use."""
    return int(cpu_count())


def chosen_workers(scheduler: str) -> Workers:
    """Processes of the cluster that the environment names, else those that the parameter names.

    Args:
        scheduler: ``local`` or an address; ``DASK_SCHEDULER_ADDRESS`` goes before it.
    """
    return Workers(os.environ.get(ADDRESS_VARIABLE) or scheduler)


def each_of(items: Iterable[In]) -> Callable[[], In | None]:
    """Give the items one after another, then None."""
    return partial(next, iter(items), None)


@cache
def ffmpeg_version() -> str:
    """Version of the FFmpeg that is used, which need not be that of the package."""
    found: str = imageio_ffmpeg.get_ffmpeg_version()
    return found


@cache
def environment() -> dict[str, str]:
    """What must be equal in all processes for results to be the same bits."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        # OpenCV computes differently with and without some instructions.
        "processor": f"{platform.machine()} {cv2.getCPUFeaturesLine()}",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "FFmpeg": ffmpeg_version(),
        **{name: version(name) for name in _DECIDE_BITS},
        "twinstroke (its code)": code.hexdigest()[:12],
    }


class _Undisturbed(WorkerPlugin):
    """Lets Ctrl-C, which the terminal sends to all processes, reach the parent alone."""

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _UnlikeThisMachineError(Exception):
    """A worker would give other bits, or does not see our files."""


def _outcome(function: Callable[[In], Out], item: In) -> Out | UserError:
    try:
        return function(item)
    except UserError as error:
        return error


def _sent(
    function: Callable[[In], Out], item: In, expected: dict[str, str], folder: Path
) -> Out | UserError:
    """Carry out an item in a worker process."""
    host = socket.gethostname()
    for name, value in expected.items():
        if value != environment()[name]:
            raise _UnlikeThisMachineError(
                f"the worker on {host} has {name} {environment()[name]}, but here it is {value}; "
                "install the same there (requirements.lock) and start the workers again"
            )
    if get_worker().state.nthreads > 1:
        raise _UnlikeThisMachineError(
            f"the worker on {host} has several threads, but OpenCV's random numbers belong to the "
            "process; start more workers instead, with --nthreads 1"
        )
    try:
        os.chdir(folder)
    except OSError:
        raise _UnlikeThisMachineError(
            f"the worker on {host} does not see {folder}; put the project on a file system that "
            "all machines share, under the same path"
        ) from None
    # The processes already fill the cores; OpenCV's own threads would only compete.
    cv2.setNumThreads(1)
    return _outcome(function, item)
