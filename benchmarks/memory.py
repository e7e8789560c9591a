"""Does a longer video take more memory?"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.footage import decoded, pattern, repeated, row_of, spread
from benchmarks.measuring import Result, Section, table
from twinstroke.flow.fields import compute_flow
from twinstroke.normalize.motion import describe_motion
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import NormalizeSettings
from twinstroke.settings.window import WindowSettings
from twinstroke.tables import Video

MINUTES = (1, 10, 60)
FPS = 120
LARGE, SMALL = (1920, 1080), (64, 36)
CLIPS, CLIP_FRAMES = 6, 40
"""Of 1080p; everywhere in the video."""
DENSE_FPS = 1
"""Of the small video, of which all frames are taken."""
LIMIT = 2**30
GROWTH = 1.1
"""Equal, but for chance."""
LOOK_S = 0.02
ROLES = ("main", "worker", "FFmpeg")


def measure(folder: Path) -> Section:
    """Carry the stages out on longer and longer videos, each in a process of its own."""
    rows, results = [], []
    peaks: dict[tuple[str, int], dict[str, int]] = {}
    for minutes in MINUTES:
        for name, run in _runs(folder / f"{minutes} min", minutes).items():
            peaks[name, minutes] = own = peak_memory(run)
            rows.append([name, f"{minutes} min", *(_mib(own.get(role)) for role in ROLES)])
    first, last = min(MINUTES), max(MINUTES)
    stages = {name for name, _ in peaks}
    for role in ROLES:
        highest = max(own.get(role, 0) for own in peaks.values())
        growth = max(
            peaks[name, last][role] / peaks[name, first][role]
            for name in stages
            if role in peaks[name, first] and role in peaks[name, last]
        )
        results += [
            Result(f"peak of {role}", highest, LIMIT, "≤", "MiB"),
            Result(f"{role}, {last} min / {first} min, worst stage", growth, GROWTH, "≤"),
        ]
    return Section(
        "Memory",
        results,
        "Highest resident memory (`VmHWM`) of the main process, of a worker, and of an FFmpeg, in "
        f"a fresh process for each row; {available_workers()} workers, one repetition. *1080p*: "
        f"{CLIPS} clips of {CLIP_FRAMES} frames all over a video of 1920×1080 at {FPS} fps, and "
        f"what follows on their frames. *Whole*: all frames of a video of {SMALL[0]}×{SMALL[1]} at "
        f"{DENSE_FPS} fps. Test patterns, repeated packet by packet; flow by DIS.",
        [table(["", "video", *ROLES], rows)],
        "FFmpeg holds the index of an MP4 file in memory, some 35 bytes a frame: 15 MiB for an "
        "hour at 120 fps. All roles stay far below the limit.",
    )


def _mib(peak: int | None) -> str:
    return "" if peak is None else f"{peak / 2**20:.0f} MiB"


def _runs(folder: Path, minutes: int) -> Mapping[str, Callable[[], None]]:
    """What to look at; one after the other, since each needs the one before."""
    folder.mkdir(parents=True)
    large = _video(folder / "large.mp4", LARGE, minutes, FPS)
    small = _video(folder / "small.mp4", SMALL, minutes, DENSE_FPS)
    # Looking at the video is the work of `index`.
    own, small_own = row_of(large), row_of(small)
    clips = own, spread(own, CLIPS, CLIP_FRAMES)
    whole = small_own, [(0, small_own.frames)]
    return {
        "decode, 1080p": partial(_decode, large, *clips, folder, LARGE[0] // 6),
        "flow, 1080p": partial(_flow, large, folder),
        "normalize, 1080p": partial(_normalize, large, folder),
        "decode, whole": partial(_decode, small, *whole, folder, SMALL[0]),
        "flow, whole": partial(_flow, small, folder),
    }


def _video(file: Path, size: tuple[int, int], minutes: int, fps: int) -> Path:
    seconds = 5
    piece = pattern(file.with_stem(f"{file.stem} piece"), size, seconds * fps, fps)
    return repeated(piece, 60 * minutes // seconds, file)


def _decode(
    file: Path, video: Video, clips: Sequence[tuple[int, int]], folder: Path, width: int
) -> None:
    with Workers() as workers:
        decoded(file, video, clips, folder / f"frames {file.stem}", workers, width)


def _flow(file: Path, folder: Path) -> None:
    frames = folder / f"frames {file.stem}" / f"{file.stem}.h5"
    settings = FlowSettings(estimator="dis")
    with Workers() as workers:
        compute_flow([frames], settings, folder=folder / f"flow {file.stem}", workers=workers)


def _normalize(file: Path, folder: Path) -> None:
    frames = folder / f"frames {file.stem}"
    with Workers() as workers:
        describe_motion(
            [folder / f"flow {file.stem}" / f"{file.stem}.h5"],
            NormalizeSettings(),
            WindowSettings(frames=CLIP_FRAMES, height=120, width=120),
            frames_folder=frames,
            fps=FPS,
            folder=folder / f"motion {file.stem}",
            workers=workers,
        )


def peak_memory(run: Callable[[], object]) -> dict[str, int]:
    """Carry a function out in a fresh process; give the peaks of it and its children, in bytes.

    Returns:
        The highest resident memory of one process, by its role.
    """
    process = get_context("spawn").Process(target=run)
    process.start()
    peaks: dict[str, int] = {}
    while process.is_alive():
        for role, peak in _peaks_of(process.pid or 0):
            peaks[role] = max(peak, peaks.get(role, 0))
        time.sleep(LOOK_S)
    if process.exitcode:
        raise RuntimeError(f"{run} ended with exit status {process.exitcode}")
    return peaks


def _peaks_of(root: int) -> list[tuple[str, int]]:
    found = []
    left = [(root, "")]
    while left:
        pid, command_of_parent = left.pop()
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_text()
            tasks = Path(f"/proc/{pid}/task").glob("*/children")
            left += [(int(child), command) for task in tasks for child in task.read_text().split()]
        except OSError:
            continue  # it has ended meanwhile
        peak = peak_in(status)
        # A process that is still a copy of its parent has that one's memory.
        if peak is not None and command != command_of_parent:
            found.append(("main" if pid == root else _role(status), peak))
    return found


def peak_in(status: str) -> int | None:
    """Highest resident memory in bytes, in the text of ``/proc/<pid>/status``; None at its end."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def _role(status: str) -> str:
    return "FFmpeg" if status.startswith("Name:\tffmpeg") else "worker"
