"""On what it was measured."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from benchmarks.measuring import table
from twinstroke.parallel.workers import available_workers

PACKAGES = (
    "dask",
    "h5py",
    "hdf5plugin",
    "imageio-ffmpeg",
    "numpy",
    "opencv-contrib-python-headless",
    "torch",
    "twinstroke",
)


def described() -> str:
    """Processor, memory, system and versions, as a table."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rows = [
        ["cores", str(available_workers())],
        ["processor", processor(Path("/proc/cpuinfo").read_text())],
        ["memory", f"{memory / 2**30:.0f} GiB"],
        ["system", f"{system}, Linux {platform.release()}"],
        ["Python", platform.python_version()],
        *([name, version(name)] for name in PACKAGES),
    ]
    return table(["", "this machine"], rows)


def processor(cpuinfo: str) -> str:
    """Name of the processor in the text of ``/proc/cpuinfo``."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()
