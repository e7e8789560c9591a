"""Python programs that start at once: forks of a process that has loaded the libraries.

A stage takes one to four seconds of a processor to load torch, scikit-learn and so on before it
does anything, `dvc` takes another, and the tests start some hundreds of them. Here the libraries
are loaded once for a whole run of the tests. Only those of others: a child loads the project's code
itself, from where its PYTHONPATH says, as it is at that moment.

`start` makes programs `python` and `dvc` in a folder, for tests to put first on a PATH. Each hands
its arguments, environment, folder and open files to the server, waits, and ends as the child ended.
What a fork cannot do as the real program would, it leaves to the real one: other settings of the
interpreter or of threads, options of Python's own, and a server that has gone.

Where the variable `ALONE` is set, a stage does in its own process what it would spread over others,
each of which would load the libraries: the bits are the same.

The child is in no process group of the program that asked for it: what is killed or interrupted has
to be started with `sys.executable`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import multiprocessing.process
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

LIBRARIES = (
    "torch.utils.data",
    "torch._inductor",  # which torch loads to be deterministic
    "torchmetrics.functional.classification",
    "safetensors.torch",
    "sklearn.metrics",
    "scipy.cluster.hierarchy",
    "scipy.stats",
    "matplotlib.backends.backend_agg",
    "cv2",
    "h5py",
    "hdf5plugin",
    "ffmpeg",
    "imageio_ffmpeg",
    "pydantic.functional_validators",
    "ruamel.yaml",
    "defusedxml.sax",
    "distributed",
    "tornado.platform.asyncio",
    "cryptography.x509",
    "jinja2",
    "filelock",
    "networkx",
    "scmrepo.git",
    "hydra.core.override_parser.overrides_parser",
    "dvc.cli.parser",
    "dvc.commands.experiments.run",
    "dvc.repo.experiments.executor.local",
    "dvc.repo.experiments.queue.celery",
    "dvc.repo.experiments.show",
    "dvc.repo.metrics.diff",
    "dvc.repo.reproduce",
    "dvc.stage.cache",
    "dvc_data.index",
)
READ_AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "MKL_", "GOMP_", "ATEN_", "CUDA_")
"""Beginnings of the names of variables that an interpreter or a library reads as it starts."""

PROGRAM = """#!{python} -ISE
import os, pickle, socket, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
if name != "python":
    arguments.insert(0, {programs!r} + name)
environment = dict(os.environ)
at_start = {{n: v for n, v in environment.items() if n.startswith({at_start})}}
at_start.pop("PYTHONPATH", None)
connection = socket.socket(socket.AF_UNIX)
plain = arguments and (arguments[0] in ("-m", "-c") or arguments[0][0] != "-")
if not plain or at_start != {own} or connection.connect_ex({address!r}):
    os.execv({python!r}, [{python!r}, *arguments])
asked = pickle.dumps((arguments, os.getcwd(), environment))
socket.send_fds(connection, [len(asked).to_bytes(8, "big")], [0, 1, 2])
connection.sendall(asked)
status = connection.recv(4)
if not status:
    sys.exit("the server of quick programs has gone")
status = int.from_bytes(status, "big", signed=True)
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""


FOLDER = "TWINSTROKE_QUICK_PROGRAMS"
"""Variable that tells tests where the programs are, where there is a server."""


ALONE = "TWINSTROKE_QUICK_ALONE"
"""Variable that lets stages work without other processes."""


def read_at_start() -> dict[str, str]:
    """Variables that interpreters and libraries read as they start, but for PYTHONPATH."""
    found = {n: v for n, v in os.environ.items() if n.startswith(READ_AT_START)}
    found.pop("PYTHONPATH", None)
    return found


def path() -> str:
    """A PATH on which `python` and `dvc` are ours, and quick where there is a server."""
    folders = [os.environ.get(FOLDER), str(Path(sys.executable).parent), os.environ["PATH"]]
    return os.pathsep.join(filter(None, folders))


def python() -> str:
    """What starts a Python program that is not killed from outside."""
    return str(Path(os.environ[FOLDER], "python")) if FOLDER in os.environ else sys.executable


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a server, and write the programs that ask it into a folder."""
    address = folder / "server"
    text = PROGRAM.format(
        python=sys.executable,
        programs=f"{Path(sys.executable).parent}{os.sep}",
        at_start=READ_AT_START,
        own=read_at_start(),
        address=str(address),
    )
    for name in ("python", "dvc"):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(100)  # who asks before the libraries are loaded waits
    with listener:
        return subprocess.Popen(
            [sys.executable, "-I", __file__, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )


def _asked(listener: socket.socket) -> socket.socket:
    """Wait for programs that ask; return in a process of its own for each of them."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener.settimeout(5)
    parent = os.getppid()
    while os.getppid() == parent:  # the tests may have been killed
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            connection.settimeout(None)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return connection
        connection.close()
    sys.exit()


def _received(connection: socket.socket) -> tuple[list[str], str, dict[str, str]]:
    """Arguments, folder and environment; the open files become our own."""
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    content = b""
    while len(content) < int.from_bytes(head, "big"):
        content += connection.recv(1 << 20)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    arguments, folder, environment = pickle.loads(content)  # noqa: S301 -- of our own program
    return arguments, folder, environment


def _attend(connection: socket.socket, program: int) -> None:
    """Tell how the program ends; end it when nobody waits for it any more."""

    def end() -> None:
        connection.recv(1)
        os.kill(program, signal.SIGKILL)

    for number in range(3):
        os.close(number)
    threading.Thread(target=end, daemon=True).start()
    _, status = os.waitpid(program, 0)
    connection.send(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _run(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Do what `python` does with these arguments."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.process.ORIGINAL_DIR = folder  # type: ignore[attr-defined]
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        buffering = 1 if name == "stderr" or os.isatty(number) else -1
        errors = "backslashreplace" if name == "stderr" else None
        stream = open(number, mode, buffering, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    kind, *rest = arguments
    first = {"-c": "", "-m": folder}.get(kind, str(Path(kind).resolve().parent))
    sys.path[:0] = [first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(rest[0], module.__dict__)  # noqa: S102 -- as Python does
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        if ALONE in environment and Path(kind).parent.name == "stages":
            workers = importlib.import_module("twinstroke.parallel.workers").Workers
            workers.__init__ = functools.partialmethod(workers.__init__, count=0)
        runpy.run_path(kind, run_name="__main__")


def _serve(listener: socket.socket) -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    assert threading.active_count() == 1, "a fork would have none of the other threads"
    gc.freeze()  # else children would copy the memory of libraries to count references
    with _asked(listener) as connection:
        request = _received(connection)
        if program := os.fork():
            _attend(connection, program)
    try:
        _run(*request)
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            raise
        status = ended.code or 0
    # What Python does at its end, but for taking all libraries apart.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
