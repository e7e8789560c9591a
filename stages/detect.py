"""Find the strokes of untrimmed videos that training did not see, and measure what was found."""

from pathlib import Path

from twinstroke.decode.needed import can_find_strokes
from twinstroke.detect.data_set import detect_held_out, held_out, in_words, write_measured
from twinstroke.errors import exits_cleanly
from twinstroke.parallel.store import project_store
from twinstroke.progress import summarise
from twinstroke.regions import PlayerRegion, Regions
from twinstroke.settings.load import load_settings
from twinstroke.tables import NEGATIVE, Sample, StrokeClass, Unlabelled, Video, read_table
from twinstroke.train.gpus import on_a_gpu


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    split = settings.detect.split
    classes = read_table(folder / "classes.csv", StrokeClass)
    videos = held_out(
        read_table(folder / "videos.csv", Video),
        read_table(folder / "samples.csv", Sample),
        read_table(folder / "unlabelled.csv", Unlabelled),
        split,
        Regions(read_table(folder / "regions.csv", PlayerRegion)),
    )
    chosen = videos if can_find_strokes(classes) else []
    model_file = folder / "model.safetensors"
    with on_a_gpu("detect", *([model_file] if chosen else [])):
        found = detect_held_out(
            chosen,
            model_file,
            settings.detect,
            prepared=folder / "untrimmed",
            folder=folder / "detections",
            store=project_store(),
            reports=reports / "detections",
        )
    figures = write_measured(chosen, found, classes, split, reports).figures
    if chosen:
        summarise("detect", in_words(figures, found))
    elif split == "none":
        summarise("detect", "detect.split of the preset is none")
    elif videos:
        summarise(
            "detect", f"without a class {NEGATIVE}, the network cannot tell where strokes are"
        )
    else:
        summarise("detect", f"no untrimmed video belongs to the {split} split as a whole")


if __name__ == "__main__":
    main()
