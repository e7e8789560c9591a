"""Estimate optical flow between neighbouring kept frames."""

from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.flow.fields import compute_flow
from twinstroke.parallel.store import project_store
from twinstroke.parallel.workers import chosen_workers
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name)
    with chosen_workers(settings.scheduler) as workers:
        done = compute_flow(
            sorted((folder / "frames").glob("*.h5")),
            settings.flow,
            folder=folder / "flow",
            store=project_store(),
            workers=workers,
        )
    summarise(
        "flow",
        f"{done.made} videos computed with {settings.flow.estimator}, {done.present} were there; "
        f"{done.pairs:,} pairs of frames",
    )


if __name__ == "__main__":
    main()
