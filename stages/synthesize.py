"""Render the built-in data set; for a preset with real videos, render nothing."""

from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.parallel.workers import chosen_workers
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.synthesize.render import render_dataset


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name, "synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    if not settings.synthesize.players:
        summarise("synthesize", f"nothing: the videos lie in data/raw/{settings.name}")
        return
    with chosen_workers(settings.scheduler) as workers:
        videos = render_dataset(
            settings.synthesize, seed=settings.data_seed, folder=folder, workers=workers
        )
    summarise("synthesize", f"{len(videos)} videos, one player each, rendered to {folder}")


if __name__ == "__main__":
    main()
