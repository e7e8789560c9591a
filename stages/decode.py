"""Decode the frames that the samples need."""

from pathlib import Path

from twinstroke.decode.frames import decode_videos
from twinstroke.decode.needed import can_find_strokes, untrimmed
from twinstroke.errors import exits_cleanly
from twinstroke.files import project_folder
from twinstroke.parallel.store import project_store
from twinstroke.parallel.workers import chosen_workers
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.tables import Sample, StrokeClass, Video, read_table


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name)
    videos = read_table(folder / "videos.csv", Video)
    samples = read_table(folder / "samples.csv", Sample)
    detects = can_find_strokes(read_table(folder / "classes.csv", StrokeClass))
    whole = untrimmed(videos, samples, settings.detect.split) if detects else []
    with chosen_workers(settings.scheduler) as workers:
        done = decode_videos(
            videos,
            samples,
            settings.decode,
            window=settings.window,
            whole={video.video for video in whole},
            root=project_folder(),
            folder=folder / "frames",
            store=project_store(),
            workers=workers,
        )
    summarise(
        "decode",
        f"{done.made} videos decoded, {done.present} were there; "
        f"{done.frames_kept:,} of {done.frames_in_videos:,} frames are kept",
    )


if __name__ == "__main__":
    main()
