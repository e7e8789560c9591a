"""Train the RGB, Flow or Twin network, TSTCNN or I3D, and keep its best state."""

import json
import os
from pathlib import Path

from twinstroke.balance.stored import used_samples
from twinstroke.errors import exits_cleanly
from twinstroke.files import replacing
from twinstroke.normalize.stored import FlowStatistics
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.train.description import describe
from twinstroke.train.fit import Outputs
from twinstroke.train.launch import train
from twinstroke.train.messages import summary


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    strokes, used = folder / "strokes.h5", used_samples(folder / "balanced.csv")
    statistics = FlowStatistics.model_validate_json((folder / "statistics.json").read_text())
    done = train(
        strokes,
        {split: used[split] for split in ("train", "validation")},
        describe(settings, strokes, statistics.scale),
        Outputs(
            # DVC runs some experiments in a copy of the folder, which is deleted, and names the
            # folder itself: there an interrupted training is found again, and a finished one.
            work=Path(os.environ.get("DVC_ROOT", ""), "work", "train"),
            model=folder / "model.safetensors",
            history=reports / "history.csv",
            timing=reports / "training.json",
        ),
        memory_gb=settings.feed.memory_gb,
        loader_workers=settings.feed.loader_workers,
        state_minutes=settings.state_minutes,
    )
    if done is not None:  # of several processes that torchrun started, one tells
        # The only figure of training.json by which people choose, in a file of its own: git holds
        # it, and DVC shows all numbers of such a file.
        seconds = json.loads((reports / "training.json").read_text())["seconds_per_epoch"]
        with replacing(reports / "pace.json") as partial:
            partial.write_text(json.dumps({"sec": round(seconds, 1)}, indent=2) + "\n")
        summarise("train", summary(settings, done))


if __name__ == "__main__":
    main()
