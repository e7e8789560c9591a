"""Write the strokes of an index for people and other programs: ``make export FORMAT=elan``.

Formats are those that `index` reads back unchanged: ``csv`` (one table), ``mediaeval`` (an XML for
each video and split) and ``elan`` (an .eaf for each video and split, which opens its video). They
go to ``data/<preset>/export/<format>``. Mined negatives are left out: `index` mines them again.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.index.clock import Clock
from twinstroke.index.formats import csv, elan, mediaeval
from twinstroke.index.probe import probe_video
from twinstroke.settings import load_settings
from twinstroke.tables import Sample, Split, Video, read_table

FORMATS = ("csv", "mediaeval", "elan")
AUTHOR = "twinstroke"


def export_index(
    form: str,
    samples: Sequence[Sample],
    videos: Mapping[str, Path],
    clocks: Mapping[str, Clock],
    group: str,
    target: Path,
) -> list[Path]:
    """Write the annotated samples in one of the formats.

    Args:
        form: One of `FORMATS`.
        samples: The table of samples.
        videos: Their files, by id.
        clocks: When their frames begin, by id; ``elan`` needs them.
        group: Column that names the group, for ``csv``.
        target: Folder of the files.

    Returns:
        The files.
    """
    strokes = [sample for sample in samples if sample.origin == "annotated"]
    if form == "csv":
        path = target / "strokes.csv"
        csv.write(path, [(s, videos[s.video]) for s in strokes], group)
        return [path]
    own: dict[tuple[str, Split], list[Sample]] = defaultdict(list)
    for sample in strokes:
        own[sample.video, sample.split].append(sample)
    paths = []
    for (video, split), rows in own.items():
        path = target / split / f"{video}.{'xml' if form == 'mediaeval' else 'eaf'}"
        if form == "mediaeval":
            mediaeval.write(path, [(row.begin, row.end, row.label) for row in rows])
        else:
            clock = clocks[video]
            media = os.path.relpath(videos[video], path.parent)
            elan.write(
                path,
                media,
                # One name for all, so that tiers of overlapping strokes are not several people's.
                [
                    elan.Stroke(clock.time_of(s.begin), clock.time_of(s.end), s.label, AUTHOR)
                    for s in rows
                ],
            )
        paths.append(path)
    return paths


@exits_cleanly
def main() -> None:
    """Export the index of the preset that ``params.yaml`` names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("format", choices=FORMATS)
    form = parser.parse_args().format
    settings = load_settings()
    folder = Path("data", settings.name)
    videos = {row.video: Path(row.path) for row in read_table(folder / "videos.csv", Video)}
    clocks = {}
    if form == "elan":
        clocks = {video: probe_video(path).clock for video, path in videos.items()}
    samples = read_table(folder / "samples.csv", Sample)
    target = folder / "export" / form
    paths = export_index(form, samples, videos, clocks, settings.index.split.group, target)
    print(f"export: {len(paths)} files below {target}")


if __name__ == "__main__":
    main()
