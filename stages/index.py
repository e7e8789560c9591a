"""Check the whole data set, mine negatives, split; write the tables of videos and samples."""

import json
from collections import Counter
from pathlib import Path

from twinstroke.errors import exits_cleanly
from twinstroke.files import replacing
from twinstroke.index.agreement import ClassAgreement
from twinstroke.index.report import report
from twinstroke.index.run import checked_index
from twinstroke.index.split import Placement
from twinstroke.progress import summarise
from twinstroke.regions import PlayerRegion
from twinstroke.settings.load import load_settings
from twinstroke.tables import SPLITS, Sample, StrokeClass, Unlabelled, Video, write_table


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    index = checked_index(settings)
    write_table(folder / "videos.csv", index.videos, Video)
    write_table(folder / "samples.csv", index.samples, Sample)
    write_table(folder / "unlabelled.csv", index.unlabelled, Unlabelled)
    write_table(folder / "regions.csv", index.regions, PlayerRegion)
    write_table(folder / "classes.csv", index.classes, StrokeClass)
    by_class = index.agreement.classes if index.agreement else []
    write_table(reports / "agreement.csv", by_class, ClassAgreement)
    write_table(reports / "splits.csv", index.placements, Placement)
    with replacing(reports / "data.json") as partial:
        text = json.dumps(index.facts, indent=2, ensure_ascii=False)
        partial.write_text(text + "\n", encoding="utf-8")
    # DVC shows this one number; what is shared by which splits stands in data.json.
    shared = sum(sum(pair.values()) for pair in index.facts["leaks"].values())
    with replacing(reports / "leaks.json") as partial:
        partial.write_text(json.dumps({"leaks": shared}, indent=2) + "\n")
    summarise("index", f"annotations: {index.format}")
    for line in report(index.findings):
        summarise("index", line)
    if index.agreement:
        summarise("index", str(index.agreement))
    left_out = index.facts["left_out"]
    if left_out["errors"]:
        strokes, videos = (left_out[what] or "none" for what in ("strokes", "videos"))
        summarise("index", f"left out: strokes {strokes}; videos {videos}")
    sizes = Counter(sample.split for sample in index.samples)
    mined = sum(sample.origin == "mined" for sample in index.samples)
    summarise(
        "index",
        f"{len(index.videos)} videos, {len(index.samples)} samples ({mined} of them mined "
        f"negatives): " + ", ".join(f"{split} {sizes[split]}" for split in SPLITS),
    )


if __name__ == "__main__":
    main()
