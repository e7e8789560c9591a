"""Probe every video, check every annotation, mine negatives, and split."""

from collections import Counter
from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.index import build_index
from twinstroke.progress import summarise
from twinstroke.settings import load_settings
from twinstroke.tables import SPLITS, Sample, Video, write_table
from twinstroke.workers import available_workers


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name)
    raw = folder / "synthetic" if settings.synthesize.players else Path("data/raw", settings.name)
    index = build_index(
        settings.index, raw=raw, root=Path(), seed=settings.data_seed, workers=available_workers()
    )
    write_table(folder / "videos.csv", index.videos, Video)
    write_table(folder / "samples.csv", index.samples, Sample)
    for note in index.notes:
        summarise("index", f"note: {note}")
    sizes = Counter(sample.split for sample in index.samples)
    mined = sum(sample.origin == "mined" for sample in index.samples)
    summarise(
        "index",
        f"{len(index.videos)} videos, {len(index.samples)} samples ({mined} of them mined "
        f"negatives): " + ", ".join(f"{split} {sizes[split]}" for split in SPLITS),
    )


if __name__ == "__main__":
    main()
