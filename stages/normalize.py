"""Find foreground and region of interest, and measure the scale of the training split's flow."""

from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.files import replacing
from twinstroke.normalize.motion import describe_motion
from twinstroke.normalize.statistics import flow_statistics, training_peaks
from twinstroke.parallel.store import project_store
from twinstroke.parallel.workers import chosen_workers
from twinstroke.progress import summarise
from twinstroke.regions import PlayerRegion, Regions
from twinstroke.settings.load import load_settings
from twinstroke.tables import Sample, read_table


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name)
    regions = Regions(read_table(folder / "regions.csv", PlayerRegion))
    with chosen_workers(settings.scheduler) as workers:
        done = describe_motion(
            sorted((folder / "flow").glob("*.h5")),
            settings.normalize,
            settings.window,
            frames_folder=folder / "frames",
            fps=settings.decode.kept_fps(settings.index.fps),
            folder=folder / "motion",
            store=project_store(),
            workers=workers,
            regions=regions,
        )
    peaks = training_peaks(read_table(folder / "samples.csv", Sample), folder / "motion", regions)
    statistics = flow_statistics(peaks, settings.normalize)
    with replacing(folder / "statistics.json") as partial:
        partial.write_text(statistics.model_dump_json(indent=2) + "\n")
    summarise(
        "normalize",
        f"{done.made} videos described, {done.present} were there; flow is "
        f"divided by {statistics.scale[0]:.2f} px (x) and {statistics.scale[1]:.2f} px (y), from "
        f"{statistics.frames_used[0]:,} and {statistics.frames_used[1]:,} of "
        f"{statistics.frames:,} training frames",
    )


if __name__ == "__main__":
    main()
