"""Render the built-in data set; for a preset with real videos, render nothing."""

from pathlib import Path

from twinstroke.errors import UserError, exits_cleanly
from twinstroke.parallel.workers import chosen_workers
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.synthesize.render import render_dataset


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, raw = Path("data", settings.name, "synthetic"), Path("data", "raw", settings.name)
    if settings.synthesize.players:
        # `index` depends on it, and DVC stops at a dependency that is not there.
        raw.mkdir(parents=True, exist_ok=True)
    elif not raw.is_dir() or {*raw.iterdir()} <= {raw / "README.md"}:
        how = "delete it and type" if raw.is_dir() else "type"
        raise UserError(
            f"{raw}: no videos there; put your videos and annotations there, or, to go on without "
            f"them from what was pulled, {how} dvc repro --allow-missing"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not settings.synthesize.players:
        summarise("synthesize", f"nothing: the videos lie in {raw}")
        return
    with chosen_workers(settings.scheduler) as workers:
        videos = render_dataset(
            settings.synthesize, seed=settings.data_seed, folder=folder, workers=workers
        )
    summarise("synthesize", f"{len(videos)} videos, one player each, rendered to {folder}")


if __name__ == "__main__":
    main()
