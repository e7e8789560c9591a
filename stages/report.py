"""Gather data, training, figures and pictures in one page that needs nothing beside it."""

from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.progress import summarise
from twinstroke.report.page import write_report
from twinstroke.settings.load import load_settings


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    page = write_report(settings, folder=folder, reports=reports)
    summarise("report", f"open {page} ({page.stat().st_size / 1e6:.1f} MB, needs no network)")


if __name__ == "__main__":
    main()
