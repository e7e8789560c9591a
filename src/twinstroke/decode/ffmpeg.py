"""Exact frames out of FFmpeg.

A frame is known by its place in decoding order. FFmpeg would by default repeat or drop frames to
reach a constant rate; ``-fps_mode passthrough`` hands on exactly what the decoder gives, also for
variable frame rates, and the ``select`` filter counts those same frames.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.index.probe import video_stream


def decoded_frames(
    source: Path,
    kept: Sequence[range],
    *,
    frame_step: int,
    width: int,
    height: int,
    shrinks: bool,
    batch: int,
) -> Iterator[NDArray[np.uint8]]:
    """Decode a video and yield the wanted frames in order, resized.

    Args:
        source: A local video file; its rotation flag is obeyed.
        kept: Sorted, disjoint ranges of kept frames (source frame = kept frame · `frame_step`).
        frame_step: Every n-th source frame is kept.
        width: Width of the result in pixels.
        height: Height of the result in pixels.
        shrinks: Average over areas, as suits smaller results; otherwise interpolate.
        batch: Frames in one array.

    Yields:
        uint8 arrays (n, H, W, 3), RGB, n ≤ `batch`; fewer frames than wanted in total when the
        video ends early.

    Raises:
        UserError: FFmpeg reports a frame that it cannot decode, before it gave all that is wanted.
    """
    step = frame_step
    wanted = _any_of([f"between(n,{r.start * step},{(r.stop - 1) * step})" for r in kept])
    scaler = "area" if shrinks else "bicubic"
    stream = (
        video_stream(source)
        .filter("select", f"not(mod(n,{step}))*{wanted}")
        # Without these flags the last bit depends on the processor's instruction set.
        .filter("scale", width, height, flags=f"{scaler}+accurate_rnd+full_chroma_int+bitexact")
        .output(
            "pipe:",
            format="rawvideo",
            pix_fmt="rgb24",
            fps_mode="passthrough",
            **{"frames:v": sum(len(r) for r in kept)},
        )
        # End at the first broken frame: a silently dropped one would shift all that follow.
        .global_args("-nostdin", "-xerror", "-loglevel", "error")
    )
    frame_bytes = width * height * 3
    missing = sum(len(r) for r in kept)
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(
            stream.compile(cmd=imageio_ffmpeg.get_ffmpeg_exe()),
            stdout=subprocess.PIPE,
            stderr=messages,
        ) as process,
    ):
        pixels = cast(IO[bytes], process.stdout)
        try:
            while data := pixels.read(frame_bytes * batch):
                whole = len(data) // frame_bytes
                frames = np.frombuffer(data[: whole * frame_bytes], np.uint8)
                missing -= whole
                yield frames.reshape(whole, height, width, 3)
        except BaseException:
            # The reader stopped early: FFmpeg would wait for ever to write the next frame.
            process.kill()
            raise
        process.wait()
        messages.seek(0)
        reasons = messages.read().decode(errors="replace").split("\n")
    # FFmpeg reads ahead: what is broken after the last wanted frame does not matter.
    if process.returncode and missing:
        reason = next(filter(None, reversed(reasons)), f"exit status {process.returncode}")
        raise UserError(
            f"{source}: FFmpeg cannot decode it ({reason.strip()}); repair or re-encode the video, "
            "or take its annotations out"
        )


def _any_of(conditions: Sequence[str]) -> str:
    """Join conditions in pairs of pairs: FFmpeg refuses a sum of a hundred terms in a row."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({_any_of(conditions[:half])}+{_any_of(conditions[half:])})"
