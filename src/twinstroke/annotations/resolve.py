"""From annotations, in frames or seconds, to strokes in frames of their videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from twinstroke.annotations.records import Annotation, Seconds, Time, written
from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings
from twinstroke.settings.index import IndexSettings
from twinstroke.timeline import Kept
from twinstroke.video.clock import Clock, exact_rate

TOLERANCE_S = Fraction(1, 10)
"""Sound often lasts a little longer than the picture, and strokes may be marked to its end."""


def resolved(
    annotations: Iterable[Annotation],
    clocks: Mapping[str, Clock],
    settings: IndexSettings,
    findings: Findings,
    counted: Mapping[str, Kept] | None = None,
) -> list[Stroke]:
    """Turn annotations into strokes; those of other videos than `clocks` knows are passed over.

    Args:
        annotations: What was read.
        clocks: When each frame of the probed videos begins.
        settings: Frame rate at which the annotation tool counted, if not that of the video.
        findings: Gets an error for each stroke that ends after its video, or lasts no frame.
        counted: Which frames of each video the strokes are to count; all if left out.
    """
    rate = settings.annotation_fps
    strokes = []
    for item in annotations:
        clock = clocks.get(item.video)
        if clock is None:
            continue
        times: tuple[Time, ...] = (item.begin, clock.frames if item.end is None else item.end)
        if rate != "video" and item.end is not None:
            times = tuple(t if isinstance(t, Seconds) else _at_rate(t, rate) for t in times)
        begin, end = (t if isinstance(t, int) else clock.frame_at(t.value) for t in times)
        if counted is not None:
            begin, end = map(counted[item.video].place, (begin, end))
        if _is_past(times[1], clock):
            findings.error(
                "range",
                item.place,
                f"ends at {written(times[1])}, but {item.video!r} has {clock.frames} frames "
                f"({float(clock.duration):.6g} s)",
                "correct it; if many are late, they were counted at another rate "
                "(index.annotation_fps) or in other units (index.times)",
                video=item.video,
            )
        elif begin >= end:
            findings.error(
                "time",
                item.place,
                f"lasts from {written(item.begin)} to {written(times[1])}, which is no whole frame",
                "correct the times",
                video=item.video,
            )
        else:
            strokes.append(
                Stroke(
                    video=item.video,
                    begin=begin,
                    end=end,
                    label=item.label,
                    split=item.split,
                    place=item.place,
                    annotator=item.annotator,
                    group=item.group,
                    region=item.region,
                )
            )
    return strokes


def _at_rate(frame: int, fps: float) -> Seconds:
    return Seconds(frame / exact_rate(fps))


def _is_past(time: Time, clock: Clock) -> bool:
    if isinstance(time, Seconds):
        return time.value > clock.duration + TOLERANCE_S
    return time > clock.frames
