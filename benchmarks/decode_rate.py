"""Does the stage `decode` cost more than FFmpeg alone?"""

from __future__ import annotations

import shutil
import statistics
import subprocess
from functools import partial
from pathlib import Path

import imageio_ffmpeg

from benchmarks.footage import WIDTH, decoded, described, footage, row_of
from benchmarks.measuring import Result, Section, alternating, ratio, started, table
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.tables import Video

TARGET = 0.8
REPETITIONS = 2
STAGE = "stage"


def measure(folder: Path) -> Section:
    """Decode all frames of a video with the stage, and with FFmpeg to nowhere."""
    cores = available_workers()
    file = footage(folder)
    video = row_of(file)
    apart = f"{cores} FFmpegs, a thread each"
    threaded = f"one FFmpeg, {cores} threads"
    with Workers() as workers:
        start_s = started(workers)
        seconds = alternating(
            REPETITIONS,
            {
                STAGE: partial(_stage, file, video, folder / "all", workers),
                apart: partial(_bare, file, video, processes=cores, threads=1),
                threaded: partial(_bare, file, video, processes=1, threads=cores),
            },
        )
    rates = {name: video.frames / statistics.median(own) for name, own in seconds.items()}
    bare = [apart, threaded]
    shares = {name: ratio(seconds[STAGE], seconds[name]) for name in bare}
    rows = [[name, f"{shares[name]:.1%}", f"{rates[name]:.0f}/s"] for name in bare]
    return Section(
        "Throughput of decode",
        [Result(f"rate of {name}", shares[name], TARGET, "≥") for name in bare],
        f"All frames of a video, to the finished file of frames, with {cores} processes, against "
        "FFmpeg alone, which decodes the same frames, scales them by the same filter to the same "
        f"planes, and drops them. {REPETITIONS} repetitions of each in turn; the share is the "
        f"median over neighbouring repetitions. {described(video, file)}. Starting the processes "
        f"takes {start_s:.1f} s once a stage, and is not counted; planning and joining are.",
        [
            table(
                ["", "share that the stage reaches", "frames"],
                [*rows, [STAGE, "", f"{rates[STAGE]:.0f}/s"]],
            )
        ],
        "frames come through a pipe, and are compressed and joined on the cores on which FFmpeg "
        "decodes. They could come through shared memory, and be compressed by a lower level at "
        "first and again when parts are joined.",
    )


def _stage(file: Path, video: Video, folder: Path, workers: Workers) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    decoded(file, video, [(0, video.frames)], folder, workers)


def _bare(file: Path, video: Video, *, processes: int, threads: int) -> None:
    share = -(-video.frames // processes)
    running = [
        subprocess.Popen(_command(file, video, number * share, share, threads))
        for number in range(processes)
    ]
    failed = [process.wait() for process in running]
    if any(failed):
        raise RuntimeError(f"FFmpeg could not decode {file}")


def _command(file: Path, video: Video, begin: int, frames: int, threads: int) -> list[str]:
    height = video.height * WIDTH // video.width
    scaler = "area" if video.width >= WIDTH else "bicubic"
    flags = f"{scaler}+accurate_rnd+full_chroma_int+bitexact"
    options = {
        "-loglevel": "error",
        "-threads": str(threads),
        "-ss": f"{float(begin / video.fps):.6f}",
        "-i": str(file),
        "-map": "V:0",
        "-vf": f"scale={WIDTH}:{height}:flags={flags}",
        "-pix_fmt": "gbrp",
        "-fps_mode": "passthrough",
        "-frames:v": str(frames),
        "-f": "null",
    }
    words = [word for pair in options.items() for word in pair]
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", *words, "-"]
