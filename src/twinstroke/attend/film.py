"""The film of a sample: frames, flow, and where each block looked, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from textwrap import shorten

import cv2
import ffmpeg
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twinstroke.attend.sheet import heading
from twinstroke.attend.subject import COLOURS, SHADES, Pictures, Subject, over_flow, over_frames
from twinstroke.drawing import plain
from twinstroke.video.encode import BROWSER_MP4, write_frames

SHORTEST_S = 2
"""Shorter windows are slowed down."""
SIDE = 160
"""Least width of a picture, in px."""
GAP = 6
HEAD, CAPTION, FOOT, LEFT = 58, 18, 72, 26
"""Room in px: above all, above the pictures of each branch, below all, and to the left."""
DPI = 100


def film_rate(frames: int, fps: float) -> Fraction:
    """Frames a second: the kept frames' own rate, or less, so that it lasts two seconds."""
    return min(Fraction(fps).limit_denominator(1001), Fraction(frames, SHORTEST_S))


def film(subject: Subject) -> tuple[tuple[int, int], Iterator[Pictures]]:
    """Draw every kept frame of a window.

    Two rows a branch: its masks over the frames, and over the flow; the first column has the frames
    and the flow themselves. All but the pictures stays as it is, and is drawn once.

    Returns:
        (W, H) in px, both even, and frames (H, W, 3) of uint8, RGB.
    """
    return _Layout(subject).film()


class _Layout:
    """Where everything is, in px."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.branches = list(dict.fromkeys(place.branch for place in subject.attention))
        self.blocks = max(place.block for place in subject.attention)
        _, height, width = subject.rgb.shape[:3]
        zoom = max(1, -(-SIDE // width))
        self.picture = zoom * width, zoom * height
        columns = self.blocks + 1
        self.right = LEFT + columns * (self.picture[0] + GAP)
        self.bottom = HEAD + len(self.branches) * (CAPTION + 2 * (self.picture[1] + GAP))
        # H.264 halves the colours' resolution.
        self.size = self.right + self.right % 2, (self.bottom + FOOT + 1) // 2 * 2

    def corner(self, branch: int, row: int, column: int) -> tuple[int, int]:
        """Left and top of a picture."""
        width, height = self.picture
        top = HEAD + CAPTION + branch * (CAPTION + 2 * (height + GAP)) + row * (height + GAP)
        return LEFT + column * (width + GAP), top

    def film(self) -> tuple[tuple[int, int], Iterator[Pictures]]:
        return self.size, self._frames()

    def _frames(self) -> Iterator[Pictures]:
        subject, still = self.subject, self._still()
        count = len(subject.rgb)
        for moment in range(count):
            now = slice(moment, moment + 1)
            rows = (subject.rgb[now], over_frames), (subject.flow[now], over_flow)
            frame = still.copy()
            for branch, name in enumerate(self.branches):
                for row, (ground, over) in enumerate(rows):
                    self._paste(frame, ground[0], self.corner(branch, row, 0))
                    for place, own in subject.attention.items():
                        if place.branch == name:
                            (laid,) = over(ground, own.relative[now])
                            self._paste(frame, laid, self.corner(branch, row, place.block))
            # How much of the window has passed.
            width = self.right - GAP - LEFT
            frame[self.bottom + 2 : self.bottom + 7, LEFT : LEFT + width] = 220
            frame[
                self.bottom + 2 : self.bottom + 7, LEFT : LEFT + width * (moment + 1) // count
            ] = 60
            yield frame

    def _paste(self, frame: Pictures, picture: Pictures, corner: tuple[int, int]) -> None:
        width, height = self.picture
        left, top = corner
        large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        frame[top : top + height, left : left + width] = large

    def _still(self) -> Pictures:
        """Everything but the pictures."""
        width, height = self.size
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)

        def write(x: float, y: float, text: str, size: float, **options: object) -> None:
            figure.text(x / width, 1 - y / height, plain(text), fontsize=size, **options)  # type: ignore[arg-type]

        subject = self.subject
        room = (width - LEFT) // 7
        for line, text in enumerate(heading(subject)):
            write(LEFT, 4 + 17 * line, shorten(text, room, placeholder="…"), 9, va="top")
        for branch, name in enumerate(self.branches):
            for column in range(self.blocks + 1):
                left, top = self.corner(branch, 0, column)
                write(left, top - 4, self._caption(name, column), 8)
            for row, ground in enumerate(("frames", "flow")):
                _, top = self.corner(branch, row, 0)
                middle = top + self.picture[1] / 2
                write(LEFT / 2, middle, ground, 8, rotation=90, ha="center", va="center")
        slower = Fraction(subject.fps) / film_rate(len(subject.rgb), subject.fps)
        end = len(subject.rgb) / subject.fps
        pace = f"slowed {float(slower):.2g} times" if slower > 1 else "at its own pace"
        write(LEFT, self.bottom + 21, f"{end:.2f} s, {pace}", 8)
        for line, (colours, ground) in enumerate(((COLOURS, "frames"), (SHADES, "flow"))):
            y = self.bottom + 33 + 15 * line
            bar = figure.add_axes((LEFT / width, 1 - (y + 10) / height, 80 / width, 10 / height))
            bar.imshow(np.linspace(0, 1, 256)[None], cmap=colours, aspect="auto")
            bar.set_axis_off()
            write(LEFT + 86, y + 9, f"over {ground}: least to most of the window", 8)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        return drawn[..., :3].copy()

    def _caption(self, branch: str, column: int) -> str:
        if not column:
            return f"{branch} branch"
        for place, own in self.subject.attention.items():
            if place == (branch, column):
                return f"block {column}: {own.low:.3f} to {own.high:.3f}"
        return ""


def encode(frames: Iterable[Pictures], size: tuple[int, int], rate: Fraction, file: Path) -> None:
    """Encode frames as H.264 that browsers play, reproducibly: one thread, no time, no version.

    Args:
        frames: (H, W, 3) uint8 each, RGB.
        size: W, H, both even.
        rate: Frames a second.
        file: MP4 file to write.

    Raises:
        RuntimeError: FFmpeg failed; the message is its own.
    """
    # What the numbers mean is written into the file: players differ in what they guess.
    colours = "bt709"
    output = (
        ffmpeg.input(
            "pipe:",
            format="rawvideo",
            pix_fmt="rgb24",
            s=f"{size[0]}x{size[1]}",
            framerate=str(rate),
        )
        .filter(
            "scale",
            out_color_matrix=colours,
            out_range="tv",
            flags="bicubic+accurate_rnd+full_chroma_int",
        )
        .output(
            str(file),
            colorspace=colours,
            color_primaries=colours,
            color_trc=colours,
            **BROWSER_MP4,
        )
        .global_args("-loglevel", "error", "-filter_threads", "1")
    )
    write_frames(output, frames, file)
