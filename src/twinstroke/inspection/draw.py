"""Pictures by which a person trusts, or distrusts, what `decode` to `segment` did.

Written to ``reports/<preset>/inspect``:

============== ================================================================================
file           what
============== ================================================================================
index.html     all pictures, the worst first
samples/*.png  contact sheets: frames with the crop, foreground and flow, and the stored crops
videos/*.png   the way of the crop through a video, and how much moves where
videos.csv     a row a video, worst first (`VideoRow`)
samples.csv    a row a sample, drawn or not, worst first (`SampleRow`)
============== ================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twinstroke.drawing import file_stem, save_png
from twinstroke.files import prune, replacing
from twinstroke.inspection.measure import SampleRow, VideoRow, measure, sample_row, video_row
from twinstroke.inspection.moments import moments_of
from twinstroke.inspection.page import page
from twinstroke.inspection.sheets import contact_sheet
from twinstroke.inspection.source import Source
from twinstroke.inspection.tracks import video_picture
from twinstroke.progress import progress_bar
from twinstroke.tables import Sample, write_table


@dataclass(frozen=True)
class Inspection:
    """What was measured, worst first."""

    videos: list[VideoRow]
    samples: list[SampleRow]
    stale: list[str]
    """Drawn samples whose stored crops are not what the frames show in their place."""


def inspect(
    source: Source, drawn: Sequence[Sample], *, min_motion: float | None, folder: Path
) -> Inspection:
    """Measure all videos and samples of a preset; draw every video and some samples.

    Args:
        source: What the stages wrote.
        drawn: Samples to draw.
        min_motion: Line in the pictures of the videos, in px; None for none.
        folder: Where everything goes; pictures of an earlier call are deleted.

    Raises:
        UserError: Files of the stages do not belong together.
    """
    videos: dict[str, VideoRow] = {}
    samples: dict[str, SampleRow] = {}
    with progress_bar("inspect", len(source.scenes), "videos") as bar:
        for scene in source.scenes:
            measures = measure(source, scene)
            row = videos[scene.name] = video_row(scene.name, measures, source.geometry)
            for sample in source.samples:
                if source.scene(sample) == scene:
                    samples[sample.sample] = sample_row(sample, measures, source.geometry)
            figure = video_picture(source, scene, row, measures, min_motion)
            save_png(figure, folder / _video_picture(scene.name))
            bar.update()
    stale = []
    for sample in drawn:
        own, moments = samples[sample.sample], moments_of(source, sample)
        if not all(moment.agrees for moment in moments):
            stale.append(sample.sample)
        figure = contact_sheet(source, sample, own, moments)
        save_png(figure, folder / _sample_picture(own))
    found = Inspection(
        sorted(videos.values(), key=_suspicion), sorted(samples.values(), key=_suspicion), stale
    )
    write_table(folder / "videos.csv", found.videos, VideoRow)
    write_table(folder / "samples.csv", found.samples, SampleRow)
    _write_page(source, found, {sample.sample for sample in drawn}, folder)
    return found


def _write_page(source: Source, found: Inspection, drawn: set[str], folder: Path) -> None:
    videos = [(row, _video_picture(row.video)) for row in found.videos]
    samples = [(row, _sample_picture(row)) for row in found.samples if row.sample in drawn]
    others = [row for row in found.samples if row.why and row.sample not in drawn]
    with replacing(folder / "index.html") as partial:
        text = page(source.folder.name, videos, samples, others)
        partial.write_text(text, encoding="utf-8")
    for part, pictures in (("videos", videos), ("samples", samples)):
        prune(folder / part, [folder / path for _, path in pictures])


def _suspicion(row: VideoRow | SampleRow) -> tuple[float, str]:
    return -row.motion_outside, row.sample if isinstance(row, SampleRow) else row.video


def _video_picture(video: str) -> str:
    return f"videos/{video}.png"


def _sample_picture(row: SampleRow) -> str:
    return f"samples/{file_stem(row.sample)}.png"
