"""One video: shown to a network window by window, and its strokes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twinstroke.annotations.detection import Detection
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.segments import find_strokes
from twinstroke.detect.shown import Shown
from twinstroke.detect.timing import Stopwatch
from twinstroke.detect.track import Track, score_windows
from twinstroke.regions import Region
from twinstroke.settings.detect import DetectSettings
from twinstroke.video.clock import Clock


@dataclass(frozen=True)
class Seen:
    """A video that can be shown to a network."""

    video: str
    """Its id: the name of the file without suffix."""
    clock: Clock
    source: Shown
    player: str = ""
    """Who is looked for; empty where no region tells players apart."""
    region: Region | None = None
    """Where; None: in the whole picture."""


@dataclass(frozen=True)
class Found:
    """What was found in a video."""

    seen: Seen
    track: Track
    detections: list[Detection]
    timing: Stopwatch

    @property
    def seconds(self) -> float:
        """How long the video lasts."""
        clock = self.seen.clock
        return float(clock.duration - clock.time_of(0))


def detect(
    seen: Seen,
    recogniser: Recogniser,
    settings: DetectSettings,
    *,
    store: Path,
    target: Path | None = None,
) -> Found:
    """Find the strokes of a video, or of one of its players.

    Args:
        seen: The video, and the player.
        recogniser: The network.
        settings: How its words become strokes.
        store: Folder that keeps what the network said, so that other settings (but for the stride)
            ask it nothing, and interrupted work goes on.
        target: Another name for the file that keeps it.

    Raises:
        UserError: A frame does not decode, or cannot be read.
        OSError: The file cannot be written.
    """
    timing = Stopwatch()
    track = score_windows(
        seen.source,
        recogniser,
        stride=settings.stride,
        store=store,
        target=target,
        timing=timing,
    )
    timing.end()
    kept_fps = recogniser.preparation.kept_fps
    detections = find_strokes(track, settings, kept_fps, seen.video, seen.clock)
    if seen.region is not None:
        own = {"player": seen.player, "region": seen.region}
        detections = [found.model_copy(update=own) for found in detections]
    return Found(seen, track, detections, timing)
