"""Cut every sample around its region of interest into strokes.h5."""

from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.normalize.stored import UNTRIMMED
from twinstroke.parallel.store import project_store
from twinstroke.parallel.workers import chosen_workers
from twinstroke.progress import summarise
from twinstroke.regions import PlayerRegion, Regions
from twinstroke.segment.strokes import Geometry, cut_strokes
from twinstroke.segment.untrimmed import cut_untrimmed
from twinstroke.settings.load import load_settings
from twinstroke.settings.preparation import preparation_of
from twinstroke.tables import Sample, StrokeClass, Video, read_table


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name)
    window, step = settings.window, settings.decode.frame_step
    regions = Regions(read_table(folder / "regions.csv", PlayerRegion))
    with chosen_workers(settings.scheduler) as workers:
        done = cut_strokes(
            read_table(folder / "samples.csv", Sample),
            read_table(folder / "videos.csv", Video),
            Geometry(
                (window.frames, window.height, window.width),
                settings.segment.margin,
                step,
                settings.decode.kept_fps(settings.index.fps),
            ),
            preparation=preparation_of(settings),
            classes=[row.label for row in read_table(folder / "classes.csv", StrokeClass)],
            folder=folder,
            target=folder / "strokes.h5",
            store=project_store(),
            workers=workers,
            regions=regions,
        )
        whole = cut_untrimmed(
            sorted({path.stem for path in (folder / "motion" / UNTRIMMED).rglob("*.h5")}),
            preparation_of(settings),
            (window.height, window.width),
            frame_step=step,
            folder=folder,
            target=folder / "untrimmed",
            store=project_store(),
            workers=workers,
            regions=regions,
        )
    size = (folder / "strokes.h5").stat().st_size / 1e6
    samples = f"{done.samples} samples, {done.frames:,} frames, {size:.0f} MB"
    summarise("segment", f"{samples}; {whole:,} frames of whole videos for detection")


if __name__ == "__main__":
    main()
