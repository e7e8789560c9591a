"""Train the RGB, Flow or Twin network and keep its best state."""

import json
from pathlib import Path

import h5py
import torch

import twinstroke
from twinstroke.balance import UsedSample
from twinstroke.errors import exits_cleanly
from twinstroke.normalize import FlowStatistics
from twinstroke.progress import summarise
from twinstroke.settings import load_settings
from twinstroke.tables import read_table
from twinstroke.train import TrainedModel, train


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    used = read_table(folder / "balanced.csv", UsedSample)
    statistics = FlowStatistics.model_validate_json((folder / "statistics.json").read_text())
    with h5py.File(folder / "strokes.h5") as file:
        description = TrainedModel(
            modality=settings.modality,
            attention_blocks=settings.attention_blocks,
            residual_blocks=settings.residual_blocks,
            classes=json.loads(file.attrs["classes"]),
            window=tuple(file.attrs["window"].tolist()),
            flow_scale=statistics.scale,
            best_epoch=0,
            seed=settings.seed,
            torch_version=torch.__version__,
            twinstroke_version=twinstroke.__version__,
        )
    done = train(
        folder / "strokes.h5",
        {split: [s.sample for s in used if s.split == split] for split in ("train", "validation")},
        description,
        settings.optimisation,
        loader_workers=settings.train.loader_workers,
        work=Path("work/train"),
        model_file=folder / "model.safetensors",
        history_file=reports / "history.csv",
    )
    resumed = f" (resumed after {done.resumed_at})" if done.resumed_at else ""
    summarise(
        "train",
        f"{settings.modality} with {settings.attention_blocks} attention and "
        f"{settings.residual_blocks} residual blocks, {done.epochs} epochs{resumed}; best: epoch "
        f"{done.best_epoch}, validation accuracy {done.best_validation_accuracy:.1%}",
    )


if __name__ == "__main__":
    main()
