"""The video with what was found in it, as a film that browsers and phones play.

The picture stays as it is. What is drawn stands in a strip below it, so that it covers no player
and is as readable on any video: a bar with the class and its probability, as long as a stroke
lasts, and under it the strokes of the whole video with a line where the film is. Forehands lie in
the upper half of that timeline and backhands in the lower one, for whom colours do not tell.

FFmpeg does it all in one pass, with a few small pictures beside the video: frames keep their times
and the sound stays with them, whatever the frame rate does, and memory does not grow with length.
"""

from __future__ import annotations

import errno
import os
import warnings
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import ffmpeg
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from twinstroke.annotations.classes import tidy
from twinstroke.annotations.detection import Detection
from twinstroke.colours import BLUE
from twinstroke.files import replacing
from twinstroke.results.palette import stroke_colours
from twinstroke.results.tables import percent
from twinstroke.settings.limits import DEFAULT_LIMITS, Limits
from twinstroke.tables import StrokeClass
from twinstroke.video.clock import Clock
from twinstroke.video.encode import BROWSER_MP4
from twinstroke.video.ffmpeg import Report, Run, decoded, video_stream
from twinstroke.video.probe import Probe

LARGEST, LEAST_WIDTH = 1280, 320
"""Longest side of the picture and least width of the film, in px: larger videos are made smaller,
and narrower ones get margins."""
GROUND, LANE = "#161616", "#3A3A3A"
"""Colours of the strip, and of the timeline where nothing was found."""
PLAYED_AS_THEY_ARE = ("aac", "mp3")
"""Kinds of sound that browsers play in MP4."""
_LEAST_TEXT = 9
"""px"""
_LONGEST_TEXT = 200
"""Characters."""
_SEAM = 2
"""Dark rows between picture and bar, in px: the colour of the bar would run into the picture."""
# The last bit must not depend on the processor.
_EXACT = "accurate_rnd+full_chroma_int+bitexact"
_Image = NDArray[np.uint8]


class Layout(NamedTuple):
    """Where everything is, in px; all are even."""

    picture: tuple[int, int]
    """Width and height of the video's own picture, which is at the top, in the middle."""
    width: int
    bar: int
    """Height of the bar, which is below the picture."""
    timeline: int
    """Height of the timeline, which is below the bar."""

    @property
    def height(self) -> int:
        """Of the film."""
        return self.picture[1] + self.bar + self.timeline


def write_film(
    path: Path,
    video: Path,
    probe: Probe,
    detections: Sequence[Detection],
    classes: Sequence[StrokeClass],
    limits: Limits = DEFAULT_LIMITS,
    *,
    passed: Callable[[int], object] | None = None,
) -> Layout:
    """Write every frame of a video with its strokes, as H.264 in MP4, with its sound.

    The same video and detections give the same bytes.

    Args:
        path: Where to.
        video: Its file.
        probe: What that holds.
        detections: What was found in it; may be empty, and may overlap.
        classes: As in ``classes.csv``, for the colours.
        limits: Of each run of FFmpeg.
        passed: Is told how many frames went by since it was told last.

    Raises:
        UserError: A frame does not decode, or FFmpeg hangs.
        OSError: It cannot be written.
    """
    layout = _layout(probe)
    colours = stroke_colours(classes)
    with TemporaryDirectory(prefix="twinstroke-") as folder, replacing(path) as partial:
        stills = _Stills(Path(folder), layout, detections, colours, classes, _schedule(probe))
        run = _run(partial, video, probe, stills, limits)
        rest = b""
        for piece in run:
            *lines, rest = (rest + piece).split(b"\n")
            frames = sum(not line.startswith(b"#") for line in lines)
            if passed is not None and frames:
                passed(frames)
        if run.failed:
            raise _complaint(run, path, video, limits)
    return layout


def _layout(probe: Probe) -> Layout:
    shown = Fraction(probe.width), Fraction(probe.height)
    shrink = min(Fraction(1), LARGEST / max(shown))
    picture = _even(shown[0] * shrink), _even(shown[1] * shrink)
    whole = max(picture[0], LEAST_WIDTH)
    bar = _even(Fraction(whole, 28) + 15)
    return Layout(picture, whole, bar, _even(Fraction(bar, 2)))


def _even(length: Fraction) -> int:
    # H.264 halves the colours' resolution.
    return max(2, 2 * round(length / 2))


def _schedule(probe: Probe) -> Clock:
    """When the film shows each frame."""
    clock = probe.clock
    if probe.timed:
        return clock
    # What decoded frames bear is not to be trusted, so the film shows them evenly.
    span = int(clock.ticks[-1] - clock.ticks[0])
    return Clock(np.arange(clock.frames + 1, dtype=np.int64), span * clock.time_base / clock.frames)


class _Stills:
    """The small pictures, and when each is shown."""

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        detections: Sequence[Detection],
        colours: Mapping[str, str],
        classes: Sequence[StrokeClass],
        clock: Clock,
    ) -> None:
        self.layout = layout
        self.clock = clock
        self.bars = folder / "bars.ffconcat"
        self.timeline = folder / "timeline.png"
        self.playhead = folder / "playhead.png"
        self._folder = folder
        self._colours = colours
        self._files: dict[tuple[tuple[str, str, str], ...], str] = {}
        found = sorted(detections, key=lambda d: (d.begin, d.end, d.label, d.player))
        self._write_bars(found)
        hands = {row.label: row.hand for row in classes}
        _save(self.timeline, self._drawn_timeline(found, hands))
        _save(self.playhead, self._drawn_playhead())

    def _write_bars(self, found: Sequence[Detection]) -> None:
        clock = self.clock
        bounds = {frame for d in found for frame in (d.begin, d.end)}
        changes = [0, *sorted(frame for frame in bounds if 0 < frame < clock.frames)]
        # Up to a microsecond. Each picture comes a little before its first frame, whatever rounding
        # does to the times of both.
        moments = [Fraction(0)]
        for frame in changes[1:]:
            time, before = clock.time_of(frame), clock.time_of(frame - 1)
            moments.append(time - (time - before) / 4 - clock.time_of(0))
        moments.append(moments[-1] + 1)
        ticks = [round(moment * 1_000_000) for moment in moments]
        lines = ["ffconcat version 1.0"]
        ahead, lasting = 0, list[Detection]()
        for number, frame in enumerate(changes):
            while ahead < len(found) and found[ahead].begin <= frame:
                lasting.append(found[ahead])
                ahead += 1
            lasting = [d for d in lasting if d.end > frame]
            length = max(1, ticks[number + 1] - ticks[number])
            lines.append(f"file '{self._bar_file(lasting)}'")
            # Times of a picture are counted in frames of its own, 25 a second if this is left out.
            lines.append("option framerate 1000000")
            lines.append(f"duration {length // 1_000_000}.{length % 1_000_000:06}")
        self.bars.write_text("\n".join(lines) + "\n", encoding="ascii")

    def _bar_file(self, lasting: Sequence[Detection]) -> str:
        """Name of the picture of a bar, drawn if it is the first of its kind."""
        parts = tuple(
            (tidy(d.title), percent(d.probability), self._colours.get(d.label, BLUE))
            for d in lasting
        )
        if parts not in self._files:
            name = f"bar{len(self._files)}.png"
            size = self.layout.width, self.layout.bar
            _save(self._folder / name, drawn_bar(parts, size))
            self._files[parts] = name
        return self._files[parts]

    def _drawn_timeline(self, found: Sequence[Detection], hands: Mapping[str, str]) -> _Image:
        width, height = self.layout.width, self.layout.timeline
        image = np.empty((height, width, 3), np.uint8)
        image[:] = _rgb(GROUND)
        image[2:-2] = _rgb(LANE)
        begin = self.clock.time_of(0)
        length = self.clock.duration - begin
        halves = {"Forehand": slice(2, height // 2), "Backhand": slice(height // 2, -2)}
        for d in found:
            left, right = (
                int((self.clock.time_of(frame) - begin) / length * width)
                for frame in (d.begin, d.end)
            )
            rows = halves.get(hands.get(d.label, ""), slice(2, -2))
            image[rows, left : max(left + 1, right)] = _rgb(self._colours.get(d.label, BLUE))
        return image

    def _drawn_playhead(self) -> _Image:
        """White between black, to be seen on every colour."""
        image = np.zeros((self.layout.timeline, 4, 3), np.uint8)
        image[:, 1:3] = 255
        return image


def drawn_bar(parts: Sequence[tuple[str, str, str]], size: tuple[int, int]) -> _Image:
    """Draw the bar below the picture.

    Args:
        parts: Of each stroke that lasts: its label, its probability in words, and its colour.
        size: W, H in px.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = _rgb(GROUND)
    edges = [width * number // max(1, len(parts)) for number in range(len(parts) + 1)]
    for (label, chance, colour), left, right in zip(parts, edges, edges[1:], strict=False):
        image[_SEAM:, left:right] = _lettered(label, chance, colour, (right - left, height - _SEAM))
    return image


def _lettered(label: str, chance: str, colour: str, size: tuple[int, int]) -> _Image:
    width, height = size
    label = label[:_LONGEST_TEXT]
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor=colour)
    canvas = FigureCanvasAgg(figure)
    # Of black and white, what is seen better (contrast of WCAG 2).
    ink = "black" if _luminance(colour) > 0.179 else "white"
    text_size = 0.56 * height
    margin = 0.4 * height
    style: dict[str, Any] = {
        "color": ink,
        "va": "center_baseline",
        "parse_math": False,
        "weight": "bold",
    }
    with warnings.catch_warnings():
        # Of letters that the font lacks: they are shown as boxes.
        warnings.simplefilter("ignore")
        right = figure.text(1 - margin / width, 0.5, chance, ha="right", size=text_size, **style)
        left = figure.text(margin / width, 0.5, label, ha="left", size=text_size, **style)
        room = max(0.0, width - 3 * margin - right.get_window_extent().width)
        taken = left.get_window_extent().width
        if taken > room:
            left.set_fontsize(max(_LEAST_TEXT, text_size * room / taken))

            def is_too_wide(length: int) -> bool:
                left.set_text(_shortened(label, length))
                return bool(left.get_window_extent().width > room)

            # Of all lengths that are not too wide, the greatest.
            fitting = bisect_left(range(len(label) + 1), True, key=is_too_wide) - 1
            left.set_text(_shortened(label, fitting))
        canvas.draw()  # type: ignore[no-untyped-call]
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return drawn[:height, :width, :3].copy()


def _shortened(label: str, length: int) -> str:
    if length >= len(label):
        return label
    return f"{label[:length].rstrip()}…" if length > 0 else ""


def _luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, of sRGB (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * c) for c in to_rgb(colour))
    return red, green, blue


def _save(path: Path, image: _Image) -> None:
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())


def _run(partial: Path, video: Path, probe: Probe, stills: _Stills, limits: Limits) -> Run:
    layout, clock = stills.layout, stills.clock
    source = video_stream(video, limits)
    if probe.timed:
        # A few cameras step back in time now and then, which no film may.
        times = "if(isnan(PREV_OUTPTS),PTS,max(PTS,PREV_OUTPTS+1))"
    else:
        times = f"N*{clock.time_base}/TB"
    begin, length = clock.time_of(0), clock.duration - clock.time_of(0)
    time_base = probe.clock.time_base if probe.timed else clock.time_base
    (width, height), left = layout.picture, (layout.width - layout.picture[0]) // 4 * 2
    ground = (
        source.filter("setpts", times)
        .filter("scale", width, height, flags=f"bicubic+{_EXACT}", out_range="tv")
        .filter("setsar", 1)
        .filter("format", "yuv420p")
        .filter("pad", layout.width, layout.height, left, 0, GROUND)
        .filter_multi_output("split")
    )
    shown, counted = ground[0], ground[1]
    below = height + layout.bar
    # t is when a frame is shown.
    along = f"min(max((t-{float(begin)!r})/{float(length)!r},0),1)*(W-w)"
    for still, place in (
        (_still(stills.bars, begin, format="concat", safe=0), (0, height)),
        (_still(stills.timeline, begin), (0, below)),
        (_still(stills.playhead, begin), (along, below)),
    ):
        shown = ffmpeg.overlay(shown, still, x=place[0], y=place[1])
    streams, options = [shown], {}
    sound = source.node[:"a:0"]
    codec = _codec_of(video, sound, limits)
    if codec is not None:
        streams.append(sound)
        options["c:a"] = "copy" if codec in PLAYED_AS_THEY_ARE else "aac"
    timing = {"fps_mode": "passthrough", "enc_time_base": str(time_base)}
    film = ffmpeg.output(
        *streams,
        f"file:{partial.absolute()}",
        map_chapters=-1,
        # A match has hundreds of thousands of frames.
        **{**BROWSER_MP4, "preset": "veryfast", **timing, **options},
    )
    # One line a frame, so that FFmpeg does not seem to hang.
    lines = ffmpeg.output(
        counted, "pipe:", format="framecrc", **{"c:v": "wrapped_avframe"}, **timing
    )
    return Run(
        video,
        ffmpeg.merge_outputs(film, lines),
        limits,
        "-loglevel",
        "level+info",
        # End at the first broken frame: a silently dropped one would shift all that follow.
        "-xerror",
        "-filter_complex_threads",
        "1",
        "-y",
    )


def _still(path: Path, begin: Fraction, **options: str | int) -> ffmpeg.Stream:
    picture = ffmpeg.input(f"file:{path.absolute()}", **options)
    return (
        picture.filter("scale", flags=_EXACT)
        .filter("format", "yuva420p")
        .filter("setpts", f"PTS-STARTPTS+{float(begin)!r}/TB")
    )


def _codec_of(video: Path, sound: ffmpeg.Stream, limits: Limits) -> str | None:
    """FFmpeg's name of the kind of a sound; None if there is none that can be read."""
    report = Report(video, sound, limits, "-loglevel", "level+error", c="copy", **{"frames:a": 1})
    return report.header.get("codec_id") if list(report) else None


def _complaint(run: Run, path: Path, video: Path, limits: Limits) -> Exception:
    if "No space left on device" in run.log:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    # Whether it was the video's fault, whatever its times are.
    stream = video_stream(video, limits).filter("setpts", "N")
    again = decoded(video, stream, limits, "-loglevel", "level+error", "-xerror")
    good = sum(1 for _ in again)
    if again.run.failed:
        return again.run.unreadable(
            f"frame {good} does not decode, so no film of it is made",
            "repair or re-encode the video",
        )
    return run.unreadable(f"FFmpeg cannot write {path}", "see that one may write there")
